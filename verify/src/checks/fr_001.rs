//! FR-001: every push to `main` starts a build.

use super::{
    prelude::*,
    workflows::{one, publishes, starts},
};
use crate::workflow::{Event, Filter};

/// The checks of this requirement.
pub(super) const CHECKS: &[Check] = &[
    Check::workflow("a_push_to_main_starts_it", &["FR-001", "SC-001"], |evidence| starts(evidence, &[Event::MAIN])),
    Check::workflow("no_change_to_main_is_left_out", &["FR-001"], all_files),
    Check::workflow("a_push_to_main_publishes", &["FR-001"], |evidence| publishes(evidence, Event::MAIN)),
];

/// A filter by files starts nothing for commits that change other files.
fn all_files(evidence: &Evidence) -> Judgement {
    let everything = Filter::Only(vec!["**".to_owned()]);
    one(evidence, |workflow| match workflow.push.as_ref().and_then(|push| push.paths.as_ref()) {
        Some(paths) if *paths != everything => vec![Violation::new(
            format!("{}: every push to main starts it, whatever it changes", workflow.path),
            format!("only some files do: {}", paths.shown()),
        )],
        _ => Vec::new(),
    })
}
