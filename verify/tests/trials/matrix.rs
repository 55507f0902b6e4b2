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

/// A check that no subject fails might be one that cannot fail.
fn every_check_fails() -> Result<(), Failed> {
    let failing: BTreeSet<String> = expected::read_all()
        .into_iter()
        .flat_map(|it| it.verdicts)
        .filter(|(_, word)| word == "FAIL")
        .map(|(id, _)| id)
        .collect();
    let missing: Vec<String> = all().into_iter().map(|check| check.id()).filter(|id| !failing.contains(id)).collect();
    if missing.is_empty() { Ok(()) } else { Err(format!("no subject fails these:\n{}", missing.join("\n")).into()) }
}
