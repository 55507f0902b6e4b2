//! Subjects that are known to be good or bad, and what the checks must say of each.

use std::{collections::BTreeSet, env, fs};

use libtest_mimic::{Failed, Trial};
use verify::{
    check::Check,
    checks::all,
    harness::registry::Backend,
    report::{Outcome, Style, outcome_text},
    target::judge,
};

use crate::{
    expected::{self, Expected},
    world::{block_on, local},
};

/// The variable that names a folder for the verdicts that were seen, to be reviewed and taken over.
const SEEN: &str = "VERIFY_SEEN";

/// One trial a subject, and one for what all of them together must show.
pub(crate) fn trials() -> Vec<Trial> {
    let subjects = expected::read_all().into_iter().map(|expected| {
        let name = expected.subject.replace('/', "::").replace('-', "_");
        Trial::test(format!("subjects::{name}"), move || run(&expected))
    });
    subjects.chain([Trial::test("every_check_fails_on_at_least_one_subject", every_check_fails)]).collect()
}

fn run(expected: &Expected) -> Result<(), Failed> {
    let local = local(&expected.subject, Backend::Embedded);
    let checks = all();
    let mut verdicts = Vec::new();
    let mut told = String::new();
    for scenario in &expected.scenarios {
        let evidence = block_on(local.take(*scenario));
        for (check, verdict) in judge(&checks, *scenario, &evidence) {
            let outcome = Outcome::of(check, verdict.clone(), Some(&evidence), String::new());
            told.push_str(&outcome_text(&outcome, Style::plain()));
            verdicts.push((check, verdict));
        }
    }
    let seen = expected.with(&verdicts).text();
    if let Some(folder) = env::var_os(SEEN) {
        fs::write(std::path::Path::new(&folder).join(expected.subject.replacen('/', ".", 1)), &seen)?;
    }
    if seen == expected.text() {
        return Ok(());
    }
    Err(format!("expected of {}:\n{}\nseen:\n{seen}\n{told}", expected.subject, expected.text()).into())
}

/// Checks that no subject of ours fails yet. That they can fail is shown by tests of their oracles alone.
const NOT_SHOWN: &[&str] = &[
    "fr_004::builds_stay_fenced",
    "fr_011::every_descriptor_tells_the_truth",
    "fr_011::no_platform_is_listed_twice",
    "fr_015::a_failed_build_names_its_platform",
    "fr_015::a_failed_push_names_its_registry",
    "fr_020::a_cancelled_run_publishes_nothing",
    "fr_020::a_cancelled_run_leaves_no_process",
    "fr_020::the_run_after_a_cancelled_one_publishes",
    "fr_021::a_refusal_comes_before_anything_is_written",
    "sc_004::the_push_to_each_registry_is_quick",
    "sc_006::a_registry_that_shows_late_what_it_took_is_waited_for",
    "sc_009::a_bad_version_fails_at_once",
    "sc_009::a_registry_that_is_down_fails_the_run_soon",
];

/// A check that no subject fails might be one that cannot fail.
fn every_check_fails() -> Result<(), Failed> {
    let failing: BTreeSet<String> = expected::read_all()
        .into_iter()
        .flat_map(|it| it.verdicts)
        .filter(|(_, word)| word == "FAIL")
        .map(|(id, _)| id)
        .collect();
    let missing: BTreeSet<String> = all()
        .into_iter()
        .filter(|check| check.scenario.is_some())
        .map(Check::id)
        .filter(|id| !failing.contains(id))
        .collect();
    let known: BTreeSet<String> = NOT_SHOWN.iter().map(ToString::to_string).collect();
    if missing == known {
        Ok(())
    } else {
        Err(format!("no subject fails these:\n{}", missing.into_iter().collect::<Vec<_>>().join("\n")).into())
    }
}
