//! Schedules: a fault at one request of a run, or an order for the writes of two runs. Pure.
//!
//! A schedule's name says all of it, so that it can be run again: `main/kill-before/ghcr/manifest-put/latest`,
//! `older-newer/a0.b0.b1.a1`.

use std::{collections::BTreeSet, fmt};

use clap::ValueEnum;

use super::request::Request;

/// The images that are built, each once.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, ValueEnum)]
pub(super) enum Build {
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
    /// Its name in schedules and reports.
    pub(super) fn name(self) -> String {
        name(&self)
    }

    /// The number of its commit: a later one has a greater number.
    pub(super) const fn age(self) -> usize {
        match self {
            Self::Base | Self::Release => 0,
            Self::Older => 1,
            Self::Newer | Self::Twin => 2,
        }
    }

    /// The run that it takes part in: the builds of a race are in different ones.
    pub(super) const fn run(self) -> usize {
        match self {
            Self::Newer => 1,
            Self::Base | Self::Release | Self::Older | Self::Twin => 0,
        }
    }
}

/// What one run does.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, ValueEnum)]
pub(super) enum Workload {
    /// A newer commit of main is published over another.
    Main,
    /// The commit that is `latest` is released.
    Release,
    /// A commit of main is published where nothing was before.
    First,
}

impl Workload {
    /// The build that is published.
    pub(super) const fn build(self) -> Build {
        match self {
            Self::Main | Self::First => Build::Newer,
            Self::Release => Build::Release,
        }
    }
}

/// Two runs at once.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, ValueEnum)]
pub(super) enum Race {
    /// Two commits of main.
    OlderNewer,
    /// A release of the commit that is `latest`, and a newer commit of main.
    ReleaseMain,
    /// The same commit of main twice.
    #[value(name = "same-commit")]
    Twins,
}

impl Race {
    /// The builds of its runs, `a` and `b`.
    pub(super) const fn builds(self) -> [Build; 2] {
        match self {
            Self::OlderNewer => [Build::Older, Build::Newer],
            Self::ReleaseMain => [Build::Release, Build::Newer],
            Self::Twins => [Build::Twin, Build::Newer],
        }
    }
}

/// A fault at one request.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, ValueEnum)]
pub(super) enum Fault {
    /// The run is killed; the request is not forwarded.
    KillBefore,
    /// The run is killed when the registry has answered.
    KillAfter,
    /// The registry has answered, but the connection ends in place of the answer.
    AnswerLost,
    /// 503, once.
    #[value(name = "503-once")]
    Refused,
    /// 503 for this and all further requests to the same server.
    #[value(name = "503-from-then-on")]
    Down,
    /// No answer for a while, then the connection ends; the request is not forwarded.
    Hang,
}

impl Fault {
    /// Whether it ends the run.
    pub(super) const fn kills(self) -> bool {
        matches!(self, Self::KillBefore | Self::KillAfter)
    }

    /// Whether a second attempt succeeds.
    pub(super) const fn is_temporary(self) -> bool {
        matches!(self, Self::AnswerLost | Self::Refused | Self::Hang)
    }
}

/// The order of those writes of a run that it sends at once.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(super) enum Direction {
    /// By name: Docker Hub's before GHCR's.
    Forward,
    /// The other way round.
    Backward,
}

impl Direction {
    /// Both.
    pub(super) const ALL: [Self; 2] = [Self::Forward, Self::Backward];
}

/// One step in the order of two runs' writes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(super) struct Step {
    /// 0 or 1.
    pub(super) run: usize,
    /// 0 is the start of the run, 1 its first recorded write.
    pub(super) number: usize,
}

/// What happens to one or two runs.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(super) enum Schedule {
    /// A fault at one request of a run.
    Fault {
        /// The run.
        workload: Workload,
        /// The fault.
        fault: Fault,
        /// The request.
        at: Request,
        /// The order of its own writes.
        direction: Direction,
    },
    /// Two runs, whose writes take place in an order.
    Race {
        /// The runs.
        race: Race,
        /// The order.
        order: Vec<Step>,
    },
}

impl fmt::Display for Schedule {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Fault { workload, fault, at, direction } => {
                let backward = if *direction == Direction::Backward { "/backward" } else { "" };
                write!(f, "{}/{}/{at}{backward}", name(workload), name(fault))
            }
            Self::Race { race, order } => {
                let step = |step: &Step| format!("{}{}", if step.run == 0 { 'a' } else { 'b' }, step.number);
                write!(f, "{}/{}", name(race), order.iter().map(step).collect::<Vec<_>>().join("."))
            }
        }
    }
}

impl Schedule {
    /// Reads the name of a race with its order: `older-newer/a0.b0.b1.a1`.
    pub(super) fn parse_race(text: &str) -> Option<Self> {
        let (race, order) = text.split_once('/')?;
        let race = Race::from_str(race, false).ok()?;
        let step = |word: &str| {
            let run = ["a", "b"].iter().position(|run| word.starts_with(run))?;
            Some(Step { run, number: word[1..].parse().ok()? })
        };
        Some(Self::Race { race, order: order.split('.').map(step).collect::<Option<_>>()? })
    }
}

/// The name of a variant, as `ValueEnum` derives it.
fn name(value: &impl ValueEnum) -> String {
    value.to_possible_value().map(|it| it.get_name().to_owned()).unwrap_or_default()
}

/// Each fault at each request that was recorded, in both directions.
pub(super) fn faults(workload: Workload, requests: &BTreeSet<Request>) -> Vec<Schedule> {
    let mut schedules = Vec::new();
    for at in requests {
        for fault in Fault::value_variants() {
            for direction in Direction::ALL {
                schedules.push(Schedule::Fault { workload, fault: *fault, at: at.clone(), direction });
            }
        }
    }
    schedules
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::history::Kind;

    fn put(reference: &str) -> Request {
        Request { server: "ghcr".into(), kind: Kind::ManifestPut, reference: reference.into(), number: 1 }
    }

    #[test]
    fn each_request_meets_each_fault_in_each_direction() {
        let requests = BTreeSet::from([put("latest"), put("newer-list")]);
        let schedules = faults(Workload::Main, &requests);
        assert_eq!(schedules.len(), 2 * Fault::value_variants().len() * 2);
        assert_eq!(schedules[0].to_string(), "main/kill-before/ghcr/manifest-put/latest");
        assert_eq!(schedules[1].to_string(), "main/kill-before/ghcr/manifest-put/latest/backward");
    }

    #[test]
    fn what_is_no_name_of_a_race_is_not_read() {
        for other in ["older-newer/", "older-newer/c1", "older-newer/ax", "main/kill-before/ghcr/token", "x"] {
            assert_eq!(Schedule::parse_race(other), None);
        }
    }
}
