//! Schedules: what happens to a run, or in which order the writes of two runs take place. Everything here is pure.
//!
//! A schedule's name says all of it, so that it can be played again: `main/kill-before/ghcr/manifest-put/latest`,
//! `older-newer/a0.b0.b1.a1`.

use std::{
    collections::{BTreeMap, BTreeSet, HashSet},
    fmt,
};

use super::request::Request;

/// The images that are built, each once.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Build {
    /// The commit that is `latest` when a schedule begins.
    Base,
    /// A release of that commit.
    Release,
    /// A commit after it.
    Older,
    /// The newest commit.
    Newer,
    /// Another run of the newest commit.
    Twin,
}

impl Build {
    /// All of them, in the order in which they are built.
    pub const ALL: [Self; 5] = [Self::Base, Self::Release, Self::Older, Self::Newer, Self::Twin];

    /// Its name in schedules and reports.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Base => "base",
            Self::Release => "release",
            Self::Older => "older",
            Self::Newer => "newer",
            Self::Twin => "twin",
        }
    }

    /// Which commit it is of: a later one has a greater number.
    pub const fn age(self) -> usize {
        match self {
            Self::Base | Self::Release => 0,
            Self::Older => 1,
            Self::Newer | Self::Twin => 2,
        }
    }
}

/// What one run is made to do.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Story {
    /// A newer commit of main is published over another.
    Main,
    /// The commit that is `latest` is released.
    Release,
    /// A commit of main is published where nothing was before.
    First,
}

impl Story {
    /// All of them.
    pub const ALL: [Self; 3] = [Self::Main, Self::Release, Self::First];

    /// Its name.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Main => "main",
            Self::Release => "release",
            Self::First => "first",
        }
    }

    /// Whose run it is.
    pub const fn build(self) -> Build {
        match self {
            Self::Main | Self::First => Build::Newer,
            Self::Release => Build::Release,
        }
    }
}

/// Two runs at once.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Race {
    /// Two commits of main.
    OlderNewer,
    /// A release of the commit that is `latest`, and a newer commit of main.
    ReleaseMain,
    /// The same commit of main twice.
    Twins,
}

impl Race {
    /// All of them.
    pub const ALL: [Self; 3] = [Self::OlderNewer, Self::ReleaseMain, Self::Twins];

    /// Its name.
    pub const fn name(self) -> &'static str {
        match self {
            Self::OlderNewer => "older-newer",
            Self::ReleaseMain => "release-main",
            Self::Twins => "same-commit",
        }
    }

    /// Whose runs they are: `a` and `b`.
    pub const fn builds(self) -> [Build; 2] {
        match self {
            Self::OlderNewer => [Build::Older, Build::Newer],
            Self::ReleaseMain => [Build::Release, Build::Newer],
            Self::Twins => [Build::Twin, Build::Newer],
        }
    }
}

/// What happens to one request.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Fault {
    /// The run is killed; the request is not forwarded.
    KillBefore,
    /// The run is killed when the registry has answered.
    KillAfter,
    /// The registry has answered, and the connection ends in place of the answer.
    AnswerLost,
    /// 503, once.
    Refused,
    /// 503, and so for all further requests to the same server.
    Down,
    /// Nothing for a while, then the connection ends; the request is not forwarded.
    Hang,
}

impl Fault {
    /// All of them.
    pub const ALL: [Self; 6] =
        [Self::KillBefore, Self::KillAfter, Self::AnswerLost, Self::Refused, Self::Down, Self::Hang];

    /// Its name.
    pub const fn name(self) -> &'static str {
        match self {
            Self::KillBefore => "kill-before",
            Self::KillAfter => "kill-after",
            Self::AnswerLost => "answer-lost",
            Self::Refused => "503-once",
            Self::Down => "503-from-then-on",
            Self::Hang => "hang",
        }
    }

    /// Whether it ends the run.
    pub const fn kills(self) -> bool {
        matches!(self, Self::KillBefore | Self::KillAfter)
    }

    /// Whether it passes, so that a second attempt succeeds.
    pub const fn passes(self) -> bool {
        matches!(self, Self::AnswerLost | Self::Refused | Self::Hang)
    }
}

/// Which of a run's own writes goes first where it sends several at once.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum First {
    /// The first by name: Docker Hub's before GHCR's.
    Forward,
    /// The last by name.
    Backward,
}

impl First {
    /// Both.
    pub const ALL: [Self; 2] = [Self::Forward, Self::Backward];
}

/// One place in the order of two runs' writes: whose, and which. 0 is the start of the run.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Turn {
    /// 0 or 1.
    pub run: usize,
    /// 0 is its start, 1 its first recorded write.
    pub step: usize,
}

/// One thing to try.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Schedule {
    /// A fault at one request of a run.
    Fault {
        /// What the run does.
        story: Story,
        /// What happens.
        fault: Fault,
        /// To which request.
        at: Request,
        /// How its own writes are ordered.
        first: First,
    },
    /// Two runs, whose writes take place in an order.
    Race {
        /// Which runs.
        race: Race,
        /// In which order.
        order: Vec<Turn>,
    },
}

impl Schedule {
    /// What it belongs to: `main`, `older-newer`.
    pub const fn group(&self) -> &'static str {
        match self {
            Self::Fault { story, .. } => story.name(),
            Self::Race { race, .. } => race.name(),
        }
    }
}

impl fmt::Display for Schedule {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Fault { story, fault, at, first } => {
                let backward = if *first == First::Backward { "/backward" } else { "" };
                write!(f, "{}/{}/{at}{backward}", story.name(), fault.name())
            }
            Self::Race { race, order } => {
                write!(f, "{}/", race.name())?;
                for (place, Turn { run, step }) in order.iter().enumerate() {
                    let run = if *run == 0 { 'a' } else { 'b' };
                    write!(f, "{}{run}{step}", if place > 0 { "." } else { "" })?;
                }
                Ok(())
            }
        }
    }
}

/// The order of writes that a name tells: `older-newer/a0.b0.b1.a1`; none if it is no such name.
pub(super) fn order_of(name: &str) -> Option<Schedule> {
    let (race, order) = name.split_once('/')?;
    let race = Race::ALL.into_iter().find(|it| it.name() == race)?;
    let turn = |word: &str| {
        let step = |run: usize, rest: &str| Some(Turn { run, step: rest.parse().ok()? });
        match word.split_at_checked(1)? {
            ("a", rest) => step(0, rest),
            ("b", rest) => step(1, rest),
            _ => None,
        }
    };
    Some(Schedule::Race { race, order: order.split('.').map(turn).collect::<Option<_>>()? })
}

/// A write as it was recorded, with those that had taken place when it was sent.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Seen {
    /// The write.
    pub request: Request,
    /// All writes of its run that had been forwarded before it arrived.
    pub behind: BTreeSet<Request>,
}

/// The writes of one run, and which of them waits for which.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Writes {
    /// In an order in which they can take place, the same whenever the same was recorded. The first is step 1.
    pub requests: Vec<Request>,
    /// For each, the places of those that come before it.
    before: Vec<BTreeSet<usize>>,
}

impl Writes {
    /// From recordings of the same run in which what was sent at once was forwarded in different orders. A write waits for
    /// another one if it did so in every recording: otherwise it only happened to come later.
    pub fn of(recordings: &[Vec<Seen>]) -> Self {
        let mut behind: BTreeMap<&Request, BTreeSet<&Request>> = BTreeMap::new();
        for Seen { request, behind: earlier } in recordings.iter().flatten() {
            let earlier: BTreeSet<&Request> = earlier.iter().collect();
            behind.entry(request).and_modify(|known| known.retain(|it| earlier.contains(it))).or_insert(earlier);
        }
        let mut requests: Vec<&Request> = Vec::new();
        // Each round takes the first that waits for nobody any more. A circle cannot be: it was recorded in some order.
        while let Some((next, _)) =
            behind.iter().find(|(it, behind)| !requests.contains(it) && behind.iter().all(|it| requests.contains(it)))
        {
            requests.push(next);
        }
        let place = |request: &&Request| requests.iter().position(|it| it == request);
        let before = requests.iter().map(|it| behind[it].iter().filter_map(place).collect()).collect();
        Self { requests: requests.into_iter().cloned().collect(), before }
    }

    /// Whether a step may take place when these have.
    fn allows(&self, step: usize, done: &BTreeSet<usize>) -> bool {
        match step.checked_sub(1) {
            None => true,
            Some(write) => done.contains(&0) && self.before[write].iter().all(|earlier| done.contains(&(earlier + 1))),
        }
    }

    /// The steps that may be next.
    fn next(&self, done: &BTreeSet<usize>) -> Vec<usize> {
        (0..=self.requests.len()).filter(|step| !done.contains(step) && self.allows(*step, done)).collect()
    }
}

/// One fault at each request that was recorded, for both orders of what is sent at once.
pub fn faults(story: Story, requests: &BTreeSet<Request>) -> Vec<Schedule> {
    let mut schedules = Vec::new();
    for at in requests {
        for fault in Fault::ALL {
            schedules.extend(First::ALL.map(|first| Schedule::Fault { story, fault, at: at.clone(), first }));
        }
    }
    schedules
}

/// The orders that are possible for the writes of two runs: all of them if there are no more than `max`, else so many that
/// are drawn by chance, no two alike.
pub fn orders(race: Race, runs: &[Writes; 2], max: usize, random: &mut fastrand::Rng) -> Vec<Schedule> {
    let mut all = Vec::new();
    let mut done = [BTreeSet::new(), BTreeSet::new()];
    let orders = if extend(runs, &mut done, &mut Vec::new(), max, &mut all) { all } else { drawn(runs, max, random) };
    orders.into_iter().map(|order| Schedule::Race { race, order }).collect()
}

/// Adds all orders that begin like this; false if there are more than `max` in all.
fn extend(
    runs: &[Writes; 2],
    done: &mut [BTreeSet<usize>; 2],
    order: &mut Vec<Turn>,
    max: usize,
    all: &mut Vec<Vec<Turn>>,
) -> bool {
    if order.len() == length(runs) {
        all.push(order.clone());
        return all.len() <= max;
    }
    for run in 0..runs.len() {
        for step in runs[run].next(&done[run]) {
            done[run].insert(step);
            order.push(Turn { run, step });
            let fits = extend(runs, done, order, max, all);
            order.pop();
            done[run].remove(&step);
            if !fits {
                return false;
            }
        }
    }
    true
}

/// How many orders are drawn for each that is wanted, before there are taken to be no more.
const DRAWS: usize = 20;

fn drawn(runs: &[Writes; 2], wanted: usize, random: &mut fastrand::Rng) -> Vec<Vec<Turn>> {
    let mut known = HashSet::new();
    let mut orders = Vec::new();
    for _ in 0..wanted.saturating_mul(DRAWS) {
        if orders.len() == wanted {
            break;
        }
        let order = draw(runs, random);
        if known.insert(order.clone()) {
            orders.push(order);
        }
    }
    orders
}

/// Any way to shuffle the runs into each other is as likely as any other.
fn draw(runs: &[Writes; 2], random: &mut fastrand::Rng) -> Vec<Turn> {
    let mut done = [BTreeSet::new(), BTreeSet::new()];
    let mut order = Vec::new();
    while order.len() < length(runs) {
        let left = [0, 1].map(|run: usize| runs[run].requests.len() + 1 - done[run].len());
        let run = usize::from(random.usize(0..left[0] + left[1]) >= left[0]);
        let next = runs[run].next(&done[run]);
        let Some(step) = random.choice(next) else { break };
        done[run].insert(step);
        order.push(Turn { run, step });
    }
    order
}

/// How many turns an order has: the writes, and the start of each run.
fn length(runs: &[Writes; 2]) -> usize {
    runs.iter().map(|run| run.requests.len() + 1).sum()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::history::Kind;

    fn put(about: &str) -> Request {
        Request { server: "ghcr".into(), kind: Kind::ManifestPut, about: about.into(), number: 1 }
    }

    /// A recording of writes by letter, each with those that had taken place before it arrived: `a`, `ba`, `cab`.
    fn recording(seen: &[&str]) -> Vec<Seen> {
        let request = |letter: char| put(&letter.to_string());
        let one = |text: &&str| {
            let mut letters = text.chars().map(request);
            Seen { request: letters.next().unwrap(), behind: letters.collect() }
        };
        seen.iter().map(one).collect()
    }

    fn chain(length: usize) -> Writes {
        let letters: String = ('a'..='z').take(length).collect();
        let seen: Vec<String> = letters.char_indices().map(|(at, it)| format!("{it}{}", &letters[..at])).collect();
        Writes::of(&[recording(&seen.iter().map(String::as_str).collect::<Vec<_>>())])
    }

    fn names(schedules: &[Schedule]) -> Vec<String> {
        schedules.iter().map(|it| it.to_string().replace("older-newer/", "")).collect()
    }

    fn all(runs: &[Writes; 2], max: usize) -> Vec<Schedule> {
        orders(Race::OlderNewer, runs, max, &mut fastrand::Rng::with_seed(7))
    }

    #[test]
    fn every_order_of_two_runs_with_one_write_each() {
        let expected = ["a0.a1.b0.b1", "a0.b0.a1.b1", "a0.b0.b1.a1", "b0.a0.a1.b1", "b0.a0.b1.a1", "b0.b1.a0.a1"];
        assert_eq!(names(&all(&[chain(1), chain(1)], 100)), expected);
    }

    #[test]
    fn an_order_is_read_back_from_its_name() {
        for schedule in all(&[chain(2), chain(1)], 100) {
            assert_eq!(order_of(&schedule.to_string()), Some(schedule));
        }
        for other in ["older-newer/", "older-newer/c1", "older-newer/ax", "main/kill-before/ghcr/token", "x"] {
            assert_eq!(order_of(other), None);
        }
    }

    #[test]
    fn what_was_sent_at_once_may_take_place_either_way() {
        // b and c were sent at once, after a; d waits for both, whichever was forwarded first.
        let forward = recording(&["a", "ba", "ca", "dabc"]);
        let writes = Writes::of(&[forward]);
        assert_eq!(names(&all(&[writes, Writes::default()], 100)).len(), 2 * 6, "two orders, and where b starts");
    }

    #[test]
    fn what_only_happened_to_come_later_waits_for_nobody() {
        // Two flows, ab and xy: one recording went through ab first, the other through xy.
        let recordings = [recording(&["a", "x", "ba", "yxab"]), recording(&["a", "x", "yx", "bayx"])];
        let writes = Writes::of(&recordings);
        let one = Writes::of(&recordings[..1]);
        let orders = |writes: &Writes| {
            let names = names(&all(&[writes.clone(), Writes::default()], 1_000));
            names.into_iter().filter(|it| it.ends_with("b0")).count()
        };
        assert_eq!((orders(&one), orders(&writes)), (3, 6));
        assert_eq!(Writes::of(&[recordings[1].clone(), recordings[0].clone()]), writes, "the order is no matter");
    }

    #[test]
    fn too_many_orders_are_sampled_and_a_seed_gives_the_same_ones() {
        let runs = [chain(8), chain(8)];
        let (some, again) = (all(&runs, 50), all(&runs, 50));
        assert_eq!(some.len(), 50);
        assert_eq!(some, again);
        assert_eq!(some.iter().collect::<HashSet<_>>().len(), 50);
        let others = orders(Race::OlderNewer, &runs, 50, &mut fastrand::Rng::with_seed(8));
        assert_ne!(some, others);
    }

    #[test]
    fn a_fault_meets_each_request_in_each_way() {
        let requests = BTreeSet::from([put("latest"), put("newer-list")]);
        let schedules = faults(Story::Main, &requests);
        assert_eq!(schedules.len(), 2 * Fault::ALL.len() * 2);
        assert_eq!(schedules[0].to_string(), "main/kill-before/ghcr/manifest-put/latest");
        assert_eq!(schedules[1].to_string(), "main/kill-before/ghcr/manifest-put/latest/backward");
    }

    proptest! {
        #[test]
        fn orders_are_whole_and_keep_each_runs_own_order(a in 0_usize..5, b in 0_usize..5, max in 1_usize..80) {
            for schedule in all(&[chain(a), chain(b)], max) {
                let Schedule::Race { order, .. } = schedule else { unreachable!() };
                for (run, writes) in [a, b].into_iter().enumerate() {
                    let steps: Vec<usize> = order.iter().filter(|it| it.run == run).map(|it| it.step).collect();
                    prop_assert_eq!(steps, (0..=writes).collect::<Vec<_>>());
                }
            }
        }
    }
}
