//! The orders in which the writes of two runs can take place. Pure.

use std::collections::{BTreeMap, BTreeSet, HashSet};

use super::{
    request::Request,
    schedule::{Race, Schedule, Step},
};

/// How many orders are drawn for each that is wanted, before there are taken to be no more.
const DRAWS: usize = 20;

/// A write as it was recorded.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct RecordedWrite {
    pub(super) request: Request,
    /// All writes of its run that had been forwarded before it arrived.
    pub(super) after: BTreeSet<Request>,
}

/// The writes of one run with their partial order.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Writes {
    /// In an order in which they can take place, the same whenever the same was recorded. The first is step 1.
    pub(super) requests: Vec<Request>,
    /// For each, the steps that come before it.
    before: Vec<BTreeSet<usize>>,
}

impl Writes {
    /// From recordings of the same run in which writes that were sent at once were forwarded in different orders. A write
    /// waits for another one if it did so in every recording: otherwise it only happened to come later.
    pub(super) fn of(recordings: &[Vec<RecordedWrite>]) -> Self {
        let mut after: BTreeMap<&Request, BTreeSet<&Request>> = BTreeMap::new();
        for write in recordings.iter().flatten() {
            let earlier: BTreeSet<&Request> = write.after.iter().collect();
            after.entry(&write.request).and_modify(|known| known.retain(|it| earlier.contains(it))).or_insert(earlier);
        }
        let mut requests: Vec<&Request> = Vec::new();
        // Each round takes the first write whose predecessors are all taken. There is no cycle: some order was recorded.
        while let Some((next, _)) =
            after.iter().find(|(it, after)| !requests.contains(it) && after.iter().all(|it| requests.contains(it)))
        {
            requests.push(next);
        }
        let step = |request: &&Request| requests.iter().position(|it| it == request).map(|place| place + 1);
        let before = requests.iter().map(|it| after[it].iter().filter_map(step).collect()).collect();
        Self { requests: requests.into_iter().cloned().collect(), before }
    }

    /// The steps that may be next. Step 0, the start, comes before all others.
    fn next(&self, done: &BTreeSet<usize>) -> Vec<usize> {
        let ready = |step: &usize| match step.checked_sub(1) {
            None => true,
            Some(write) => done.contains(&0) && self.before[write].is_subset(done),
        };
        (0..self.steps()).filter(|step| !done.contains(step) && ready(step)).collect()
    }

    /// The number of steps: the start and the writes.
    const fn steps(&self) -> usize {
        self.requests.len() + 1
    }
}

/// The possible orders for the writes of two runs: all if there are no more than `max`, else as many different ones, drawn at
/// random.
pub(super) fn orders(race: Race, runs: &[Writes; 2], max: usize, random: &mut fastrand::Rng) -> Vec<Schedule> {
    let mut search =
        Search { runs, done: [BTreeSet::new(), BTreeSet::new()], order: Vec::new(), found: Vec::new(), max };
    let orders = if search.extend() { search.found } else { sample(runs, max, random) };
    orders.into_iter().map(|order| Schedule::Race { race, order }).collect()
}

/// A search through all orders.
struct Search<'a> {
    runs: &'a [Writes; 2],
    done: [BTreeSet<usize>; 2],
    order: Vec<Step>,
    found: Vec<Vec<Step>>,
    max: usize,
}

impl Search<'_> {
    /// Finds all orders that begin with the current one; false if there are more than `max` in all.
    fn extend(&mut self) -> bool {
        if self.order.len() == self.runs[0].steps() + self.runs[1].steps() {
            self.found.push(self.order.clone());
            return self.found.len() <= self.max;
        }
        for run in 0..2 {
            for number in self.runs[run].next(&self.done[run]) {
                self.done[run].insert(number);
                self.order.push(Step { run, number });
                let fits = self.extend();
                self.order.pop();
                self.done[run].remove(&number);
                if !fits {
                    return false;
                }
            }
        }
        true
    }
}

fn sample(runs: &[Writes; 2], wanted: usize, random: &mut fastrand::Rng) -> Vec<Vec<Step>> {
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

/// Draws an order. Each way to interleave the runs is equally likely.
fn draw(runs: &[Writes; 2], random: &mut fastrand::Rng) -> Vec<Step> {
    let mut done = [BTreeSet::new(), BTreeSet::new()];
    let mut order = Vec::new();
    loop {
        let left = [0, 1].map(|run: usize| runs[run].steps() - done[run].len());
        if left == [0, 0] {
            return order;
        }
        let run = usize::from(random.usize(0..left[0] + left[1]) >= left[0]);
        let Some(number) = random.choice(runs[run].next(&done[run])) else { return order };
        done[run].insert(number);
        order.push(Step { run, number });
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::history::Kind;

    fn put(reference: &str) -> Request {
        Request { server: "ghcr".into(), kind: Kind::ManifestPut, reference: reference.into(), number: 1 }
    }

    /// A recording of writes by letter, each with those that had taken place before it arrived: `a`, `ba`, `cab`.
    fn recording(seen: &[&str]) -> Vec<RecordedWrite> {
        let request = |letter: char| put(&letter.to_string());
        let one = |text: &&str| {
            let mut letters = text.chars().map(request);
            RecordedWrite { request: letters.next().unwrap(), after: letters.collect() }
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
            assert_eq!(Schedule::parse_race(&schedule.to_string()), Some(schedule));
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
    fn what_only_happened_to_come_later_waits_for_nothing() {
        // Two flows, ab and xy: one recording went through ab first, the other through xy.
        let recordings = [recording(&["a", "x", "ba", "yxab"]), recording(&["a", "x", "yx", "bayx"])];
        let writes = Writes::of(&recordings);
        let one = Writes::of(&recordings[..1]);
        let orders = |writes: &Writes| {
            let names = names(&all(&[writes.clone(), Writes::default()], 1_000));
            names.into_iter().filter(|it| it.ends_with("b0")).count()
        };
        assert_eq!((orders(&one), orders(&writes)), (3, 6));
        assert_eq!(Writes::of(&[recordings[1].clone(), recordings[0].clone()]), writes, "recordings have no order");
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

    proptest! {
        #[test]
        fn orders_are_whole_and_keep_each_runs_own_order(a in 0_usize..5, b in 0_usize..5, max in 1_usize..80) {
            for schedule in all(&[chain(a), chain(b)], max) {
                let Schedule::Race { order, .. } = schedule else { unreachable!() };
                for (run, writes) in [a, b].into_iter().enumerate() {
                    let steps: Vec<usize> = order.iter().filter(|it| it.run == run).map(|it| it.number).collect();
                    prop_assert_eq!(steps, (0..=writes).collect::<Vec<_>>());
                }
            }
        }
    }
}
