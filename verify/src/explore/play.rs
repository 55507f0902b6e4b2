//! Playing a schedule: two runs at most, whose writes are released one at a time.
//!
//! The next write is released when every run has *come to rest*: it has ended, or all its requests are answered or held, and
//! none of its threads has had a processor for some milliseconds. So a schedule goes the same way each time. A run that rests
//! although nothing of it is held waits for a time of its own; it is waited for, for a while, if it has the turn.

use std::{collections::VecDeque, io, sync::Arc, time::Duration};

use futures::future::join_all;
use tokio::{
    sync::{oneshot, watch},
    time::{Instant, timeout},
};

use super::{
    desk::{Desk, Mode, Noted, View},
    judge::{Broken, LATEST, Shot, judge},
    lane::{Good as _, Lane, Start, front_of},
    request::Request,
    schedule::{Build, First, Race, Schedule, Story, Turn, Writes},
};
use crate::{
    evidence::{End, StageRun},
    harness::{HarnessError, rest::at_rest, subject::Running},
};

/// How long a run that has the turn may rest without a write before the turn is lost.
const TURN_MAX: Duration = Duration::from_secs(1);
/// For how long nothing may happen before it is looked whether a run rests. It doubles with each look that shows it at work, so
/// that looking costs little however slow the machine is.
const QUIET_MIN: Duration = Duration::from_millis(4);
/// The longest such time. What is waited for is told at once in any case.
const QUIET_MAX: Duration = Duration::from_millis(64);
/// How long nothing may be sent, answered or held before the runs are ended: they wait for something that never comes.
const STUCK_MAX: Duration = Duration::from_secs(90);
/// How long requests may still be under way when their runs have ended.
const LATE_MAX: Duration = Duration::from_secs(10);
/// How much of what a run printed is kept, in characters.
const TOLD_MAX: usize = 2_000;

/// What came of a schedule.
#[derive(Debug, Clone, Default)]
pub(super) struct Played {
    /// The promises that were broken.
    pub(super) broken: Vec<Broken>,
    /// Whether what was to happen did happen.
    pub(super) reached: bool,
    /// Whether its runs had to be ended.
    pub(super) stuck: bool,
    /// How the runs ended, in words.
    pub(super) ends: Vec<(Build, End)>,
    /// All writes in their order.
    pub(super) order: Vec<(usize, Request)>,
    /// What the runs printed.
    pub(super) printed: Vec<String>,
    /// How many runs there were, and for how long processors worked for them.
    pub(super) runs: usize,
    pub(super) worked_ms: u64,
    /// Where the harness failed.
    pub(super) trouble: Vec<String>,
}

/// What a run without faults was seen to do.
#[derive(Debug, Clone, Default)]
pub(super) struct Recording {
    /// What was sent, and what waits for what, for both orders of writes that are sent at once.
    pub(super) noted: Vec<Noted>,
}

/// A run that takes part.
struct Part {
    build: Build,
    start: oneshot::Receiver<()>,
}

/// Who decides what is next.
enum Order {
    /// One run: which of its own held writes goes first.
    Alone(First),
    /// Two runs: whose turn it is, and what each was seen to write.
    Race(VecDeque<Turn>, [Vec<Request>; 2]),
}

enum Next {
    Start(usize),
    Release(usize, Request),
    Wait,
}

impl Lane {
    /// Makes a build's merge go its way without faults, and writes down what it sends.
    pub(super) async fn record(&self, build: Build, start: Start) -> Result<Recording, HarnessError> {
        // The first time, nobody knows how its list is called.
        self.restore(start).await?;
        self.desk.begin(Mode::Pass, None, &Running::default());
        self.merge(build, 1).await?.good(build)?;
        self.learn()?;
        let mut recording = Recording::default();
        for first in First::ALL {
            self.restore(start).await?;
            self.desk.begin(Mode::InTurn, None, &Running::default());
            let (ended, stuck) = self.runs(&[build], Order::Alone(first)).await?;
            for run in ended {
                run.good(build)?;
            }
            let noted = self.desk.noted();
            if stuck || noted.unknown {
                let why = if stuck { "it did not come to an end" } else { "it sent a request that nobody knows" };
                return Err(HarnessError::other(format!("cannot record a run of {}", build.name()))(why));
            }
            recording.noted.push(noted);
        }
        Ok(recording)
    }

    /// Plays a schedule, lets a run without faults follow, and judges.
    pub(super) async fn play(&self, schedule: &Schedule, writes: &[Writes; 2]) -> Result<Played, HarnessError> {
        let start = match schedule {
            Schedule::Fault { story: Story::First, .. } => Start::Empty,
            _ => Start::Live,
        };
        self.restore(start).await?;
        let mut shot = Shot { before: self.looks()?, ..Shot::default() };
        let (builds, order) = match schedule {
            Schedule::Fault { story, fault, at, first } => {
                let build = story.build();
                let victim = &self.fronts[front_of(build)].running;
                self.desk.begin(Mode::InTurn, Some((*fault, at.clone())), victim);
                (vec![build], Order::Alone(*first))
            }
            Schedule::Race { race, order } => {
                self.desk.begin(Mode::InTurn, None, &Running::default());
                let requests = writes.each_ref().map(|writes| writes.requests.clone());
                (race.builds().to_vec(), Order::Race(order.iter().copied().collect(), requests))
            }
        };
        let (ended, stuck) = self.runs(&builds, order).await?;
        let noted = self.desk.noted();
        shot.moments = self.moments();
        shot.after = self.looks()?;
        shot.ends = builds.iter().zip(&ended).map(|(build, run)| (*build, run.end)).collect();
        let healer = healer(schedule, &shot);
        self.desk.begin(Mode::Pass, None, &Running::default());
        let healing = self.merge(healer, 2).await?;
        shot.healing = Some((healer, healing.end));
        shot.healed = self.looks()?;
        let mut trouble = self.trouble();
        if noted.unknown || self.desk.noted().unknown {
            trouble.push("a request came that nobody knows".to_owned());
        }
        let reached = noted.fired || matches!(schedule, Schedule::Race { .. });
        // What did not happen proves nothing, and breaks nothing.
        let broken = if reached && !stuck && trouble.is_empty() { judge(schedule, &shot) } else { Vec::new() };
        let all: Vec<&StageRun> = ended.iter().chain([&healing]).collect();
        Ok(Played {
            broken,
            reached,
            stuck,
            runs: all.len(),
            worked_ms: all.iter().map(|run| run.worked_ms).sum(),
            printed: all.iter().map(|run| tail(&run.printed())).collect(),
            ends: shot.ends,
            order: noted.order,
            trouble,
        })
    }

    /// Makes builds merge at the same time, in an order. Whether they had to be ended.
    async fn runs(&self, builds: &[Build], order: Order) -> Result<(Vec<StageRun>, bool), HarnessError> {
        let mut parts = Vec::new();
        let mut conductor = Conductor::new(&self.desk, order);
        for build in builds {
            let run = front_of(*build);
            let (sender, start) = oneshot::channel();
            conductor.players[run] = Some(Player { start: Some(sender), running: self.fronts[run].running.clone() });
            parts.push(Part { build: *build, start });
        }
        let done = conductor.ended.clone();
        let merges = parts.into_iter().map(|part| {
            let done = done.clone();
            async move {
                // Nobody starts it if the schedule is given up.
                let _ = part.start.await;
                let run = self.merge(part.build, 1).await;
                done.send_modify(|ended| ended[front_of(part.build)] = true);
                run
            }
        });
        let (runs, conducted) = tokio::join!(join_all(merges), conductor.conduct());
        let stuck = conducted.map_err(HarnessError::io("cannot look at processes"))?;
        let runs = runs.into_iter().collect::<Result<_, _>>()?;
        self.all_is_answered().await;
        Ok((runs, stuck))
    }

    /// Waits until no request is under way any more: what a killed run has sent still arrives.
    async fn all_is_answered(&self) {
        let mut changes = self.desk.changes();
        let nothing = async {
            while self.desk.views().iter().any(|view| view.open > 0) {
                // It cannot be closed: the desk outlives this.
                let _ = changes.changed().await;
            }
        };
        if timeout(LATE_MAX, nothing).await.is_err() {
            self.fronts[0].recorder.note_trouble("a request of a run that had ended went on");
        }
    }
}

/// Whose run is made once more. Of two runs of the newest commit it is the one that is published: the images of the other one may
/// have been removed, and rightly so.
fn healer(schedule: &Schedule, shot: &Shot) -> Build {
    let twin =
        || shot.after.iter().all(|look| look.tags.get(LATEST).is_some_and(|it| it.builds.contains(&Build::Twin)));
    match schedule {
        Schedule::Fault { story, .. } => story.build(),
        Schedule::Race { race: Race::Twins, .. } if twin() => Build::Twin,
        Schedule::Race { .. } => Build::Newer,
    }
}

/// The end of a text.
fn tail(text: &str) -> String {
    let text = text.trim();
    let left_out = text.chars().count().saturating_sub(TOLD_MAX);
    text.chars().skip(left_out).collect()
}

/// A run as its conductor knows it.
struct Player {
    /// Taken when it was started.
    start: Option<oneshot::Sender<()>>,
    running: Running,
}

/// Starts runs and releases their writes, one at a time.
struct Conductor<'a> {
    desk: &'a Arc<Desk>,
    order: Order,
    players: [Option<Player>; 2],
    ended: watch::Sender<[bool; 2]>,
    quiet: Duration,
}

impl<'a> Conductor<'a> {
    fn new(desk: &'a Arc<Desk>, order: Order) -> Self {
        Self { desk, order, players: [None, None], ended: watch::Sender::new([false, false]), quiet: QUIET_MIN }
    }

    /// Does so until all runs have ended. Whether it had to end them.
    async fn conduct(mut self) -> io::Result<bool> {
        let mut stuck = false;
        let (mut known, mut since) = (self.desk.views(), Instant::now());
        loop {
            let mut changes = self.desk.changes();
            let mut ends = self.ended.subscribe();
            if (0..self.players.len()).all(|run| self.has_ended(run)) {
                return Ok(stuck);
            }
            let views = self.desk.views();
            if views != known {
                (known, since) = (views, Instant::now());
            }
            if since.elapsed() > STUCK_MAX {
                stuck = true;
                self.give_up();
            }
            if let Some(views) = self.rest(&mut changes, &mut ends).await? {
                self.quiet = QUIET_MIN;
                self.go_on(&views, &mut changes, &mut ends).await;
            }
        }
    }

    /// What all runs hold, if all that go on have come to rest; else waits until something happens, or for a while.
    async fn rest(
        &mut self,
        changes: &mut watch::Receiver<()>,
        ends: &mut watch::Receiver<[bool; 2]>,
    ) -> io::Result<Option<[View; 2]>> {
        let views = self.desk.views();
        let going: Vec<usize> = (0..self.players.len()).filter(|run| self.goes_on(*run)).collect();
        if going.is_empty() {
            return Ok(Some(views));
        }
        // What is under way ends, and one run alone that holds nothing is about to send something or to end: all that is told.
        let is_told = going.iter().any(|run| views[*run].open > 0)
            || going.len() == 1 && going.iter().all(|run| views[*run].held.is_empty());
        if is_told {
            let _ = timeout(TURN_MAX, happens(changes, ends)).await;
            return Ok(None);
        }
        let groups: Vec<_> = going
            .iter()
            .map(|run| self.players[*run].as_ref().map(|player| player.running.groups()).unwrap_or_default())
            .collect();
        // Who has no process is about to begin, or has just ended.
        let rests = groups.iter().all(|group| !group.is_empty()) && at_rest(&groups.concat()).await?;
        if rests && !changes.has_changed().unwrap_or(true) && !ends.has_changed().unwrap_or(true) {
            return Ok(Some(views));
        }
        let _ = timeout(self.quiet, happens(changes, ends)).await;
        self.quiet = (self.quiet * 2).min(QUIET_MAX);
        Ok(None)
    }

    /// Does what is next.
    async fn go_on(
        &mut self,
        views: &[View; 2],
        changes: &mut watch::Receiver<()>,
        ends: &mut watch::Receiver<[bool; 2]>,
    ) {
        match self.next(views) {
            Next::Start(run) => {
                if let Some(start) = self.players[run].as_mut().and_then(|player| player.start.take()) {
                    // It is there: it waits for nothing else.
                    let _ = start.send(());
                }
            }
            Next::Release(run, request) => self.desk.release(run, &request),
            Next::Wait => {
                if timeout(TURN_MAX, happens(changes, ends)).await.is_err()
                    && let Order::Race(turns, _) = &mut self.order
                {
                    turns.pop_front();
                }
            }
        }
    }

    fn next(&mut self, views: &[View; 2]) -> Next {
        let state = [0, 1].map(|run| {
            let started = self.players[run].as_ref().is_some_and(|player| player.start.is_none());
            if self.has_ended(run) {
                State::Ended
            } else if started {
                State::GoesOn(&views[run].held)
            } else {
                State::NotStarted
            }
        });
        match &mut self.order {
            Order::Alone(first) => alone(*first, &state),
            Order::Race(turns, recorded) => race(turns, recorded, &state),
        }
    }

    fn has_ended(&self, run: usize) -> bool {
        self.players[run].is_none() || self.ended.borrow()[run]
    }

    fn goes_on(&self, run: usize) -> bool {
        !self.has_ended(run) && self.players[run].as_ref().is_some_and(|player| player.start.is_none())
    }

    /// Ends everything.
    fn give_up(&mut self) {
        for player in self.players.iter_mut().flatten() {
            player.start.take();
            player.running.kill();
        }
    }
}

/// Waits until something is told.
async fn happens(changes: &mut watch::Receiver<()>, ends: &mut watch::Receiver<[bool; 2]>) {
    // Neither can be closed: their senders outlive this.
    tokio::select! {
        _ = changes.changed() => {}
        _ = ends.changed() => {}
    }
}

/// How far a run is.
#[derive(Debug, Clone, Copy)]
enum State<'a> {
    NotStarted,
    /// With the writes that it holds, sorted.
    GoesOn(&'a [Request]),
    Ended,
}

fn alone(first: First, state: &[State<'_>; 2]) -> Next {
    for (run, state) in state.iter().enumerate() {
        match state {
            State::NotStarted => return Next::Start(run),
            State::GoesOn(held) => {
                let next = if first == First::Forward { held.first() } else { held.last() };
                return next.map_or(Next::Wait, |request| Next::Release(run, request.clone()));
            }
            State::Ended => {}
        }
    }
    Next::Wait
}

/// What is next in a race. A run that does not do what it was seen to do uses its turns for what it does instead; turns of a run
/// that has ended are left out; what is still held when there are no more turns goes in the order of its name.
fn race(turns: &mut VecDeque<Turn>, recorded: &[Vec<Request>; 2], state: &[State<'_>; 2]) -> Next {
    while let Some(Turn { run, step }) = turns.front().copied() {
        match state[run] {
            State::NotStarted => {
                if step == 0 {
                    turns.pop_front();
                }
                return Next::Start(run);
            }
            State::GoesOn([]) if step > 0 => return Next::Wait,
            State::GoesOn(held) if step > 0 => {
                // A name that was typed may tell of more steps than there are.
                if let Some(request) = recorded[run].get(step - 1).filter(|request| held.contains(request)) {
                    turns.pop_front();
                    return Next::Release(run, request.clone());
                }
                return Next::Release(run, instead(turns, recorded, run, held));
            }
            State::GoesOn(_) | State::Ended => {
                turns.pop_front();
            }
        }
    }
    let held = state.iter().enumerate().find_map(|(run, state)| match state {
        State::GoesOn([first, ..]) => Some(Next::Release(run, first.clone())),
        State::NotStarted => Some(Next::Start(run)),
        _ => None,
    });
    held.unwrap_or(Next::Wait)
}

/// What a run does in place of what it was seen to do: a write that would have been later, which then leaves its place to the
/// one that did not come, or one that it never sent before.
fn instead(turns: &mut VecDeque<Turn>, recorded: &[Vec<Request>; 2], run: usize, held: &[Request]) -> Request {
    let later = turns.iter().enumerate().skip(1).find_map(|(at, turn)| {
        let request = recorded[run].get(turn.step.checked_sub(1)?).filter(|_| turn.run == run)?;
        held.contains(request).then(|| (at, request.clone()))
    });
    let missed = turns.pop_front();
    match later {
        Some((at, request)) => {
            if let (Some(place), Some(missed)) = (turns.get_mut(at - 1), missed) {
                *place = missed;
            }
            request
        }
        None => held[0].clone(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::history::Kind;

    fn put(about: &str) -> Request {
        Request { server: "ghcr".into(), kind: Kind::ManifestPut, about: about.into(), number: 1 }
    }

    fn turns(text: &str) -> VecDeque<Turn> {
        let turn = |word: &str| {
            let (run, step) = word.split_at(1);
            Turn { run: usize::from(run == "b"), step: step.parse().unwrap() }
        };
        text.split('.').map(turn).collect()
    }

    fn told(next: &Next) -> String {
        match next {
            Next::Start(run) => format!("start {run}"),
            Next::Release(run, request) => format!("{run} {}", request.about),
            Next::Wait => "wait".to_owned(),
        }
    }

    #[test]
    fn turns_are_taken_as_they_were_recorded() {
        let recorded = [vec![put("x"), put("y")], vec![put("z")]];
        let mut order = turns("a0.b0.b1.a1.a2");
        let (x, y, z) = ([put("x")], [put("y")], [put("z")]);
        let mut next = |a, b| told(&race(&mut order, &recorded, &[a, b]));
        assert_eq!(next(State::NotStarted, State::NotStarted), "start 0");
        assert_eq!(next(State::GoesOn(&x), State::NotStarted), "start 1");
        assert_eq!(next(State::GoesOn(&x), State::GoesOn(&z)), "1 z");
        assert_eq!(next(State::GoesOn(&x), State::Ended), "0 x");
        assert_eq!(next(State::GoesOn(&[]), State::Ended), "wait");
        assert_eq!(next(State::GoesOn(&y), State::Ended), "0 y");
    }

    #[test]
    fn a_run_that_goes_another_way_keeps_its_turns() {
        let recorded = [vec![put("x"), put("y"), put("z")], vec![put("b")]];
        let (b, y, x) = ([put("b")], [put("y")], [put("x")]);
        // y comes in place of x, which then has the place of y.
        let mut order = turns("a1.b1.a2.a3");
        let mut next = |a, b| told(&race(&mut order, &recorded, &[a, b]));
        assert_eq!(next(State::GoesOn(&y), State::GoesOn(&b)), "0 y");
        assert_eq!(next(State::GoesOn(&x), State::GoesOn(&b)), "1 b");
        assert_eq!(next(State::GoesOn(&x), State::Ended), "0 x");
        // What was never seen before takes the turn of what was.
        let other = [put("other")];
        let mut order = turns("a1.b1");
        let mut next = |a, b| told(&race(&mut order, &recorded, &[a, b]));
        assert_eq!(next(State::GoesOn(&other), State::GoesOn(&b)), "0 other");
        assert_eq!(next(State::GoesOn(&other), State::GoesOn(&b)), "1 b");
        // Who has ended has no turns; what is left over comes then.
        assert_eq!(next(State::GoesOn(&other), State::Ended), "0 other");
        let mut order = turns("a1.a2.b1");
        assert_eq!(told(&race(&mut order, &recorded, &[State::Ended, State::GoesOn(&b)])), "1 b");
    }

    #[test]
    fn one_run_alone_goes_forward_or_backward() {
        let held = [put("x"), put("y")];
        let state = |held| [State::Ended, State::GoesOn(held)];
        assert_eq!(told(&alone(First::Forward, &state(&held))), "1 x");
        assert_eq!(told(&alone(First::Backward, &state(&held))), "1 y");
        assert_eq!(told(&alone(First::Forward, &state(&[]))), "wait");
        assert_eq!(told(&alone(First::Forward, &[State::NotStarted, State::Ended])), "start 0");
    }

    #[test]
    fn the_end_of_what_was_printed_is_kept() {
        assert_eq!(tail(" short \n"), "short");
        assert_eq!(tail(&"x".repeat(3_000)).len(), TOLD_MAX);
    }
}
