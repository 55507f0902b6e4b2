//! FR-001: every push to `main` starts a build.

use super::workflows::{one, publishes};
use crate::{
    check::{Check, Judgement},
    evidence::Evidence,
    oracle::Violation,
    workflow::{Event, Filter},
};

/// The checks of this requirement.
pub(super) const CHECKS: &[Check] = &[
    Check::workflow("a_push_to_main_starts_it", &["FR-001", "SC-001"], starts),
    Check::workflow("no_change_to_main_is_left_out", &["FR-001"], all_files),
    Check::workflow("a_push_to_main_publishes", &["FR-001"], main_publishes),
];

fn starts(evidence: &Evidence) -> Judgement {
    one(evidence, |workflow| super::workflows::started(workflow, Event::MAIN))
}

/// A filter by files starts nothing for commits that change other files.
fn all_files(evidence: &Evidence) -> Judgement {
    let everything = Filter::Only(vec!["**".to_owned()]);
    one(evidence, |workflow| match workflow.push.as_ref().and_then(|push| push.paths.as_ref()) {
        Some(paths) if *paths != everything => {
            let expected = format!("{}: every push to main starts it, whatever it changes", workflow.path);
            vec![Violation::new(expected, format!("only some files do: {}", paths.shown()))]
        }
        _ => Vec::new(),
    })
}

fn main_publishes(evidence: &Evidence) -> Judgement {
    publishes(evidence, Event::MAIN)
}
