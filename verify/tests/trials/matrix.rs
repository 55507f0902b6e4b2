//! Subjects that are known to be good or bad, and what the checks must say of each: a trial for each subject and scenario,
//! `subjects::seeded::one_attempt::rate_limits`.

use std::{env, fs, path::Path};

use libtest_mimic::{Failed, Trial};
use verify::{
    check::Check,
    checks::all,
    harness::registry::Backend,
    report::{Outcome, outcome_text},
    scenario::Scenario,
    target::judge,
    verdict::Verdict,
};

use crate::{
    expected::{self, Verdicts, section},
    world::{block_on, local},
};

/// The variable that names a folder in which each trial leaves what it saw, `seeded.one-attempt.rate-limits`, in the form of
/// the expected files: to be reviewed, and taken over or mended.
const SEEN: &str = "VERIFY_SEEN";

/// One trial for each subject and scenario.
pub(crate) fn trials() -> Vec<Trial> {
    let mut trials = Vec::new();
    for expected in expected::read_all() {
        for (scenario, verdicts) in expected.scenarios {
            let subject = expected.subject.clone();
            let name = format!("subjects::{}::{}", subject.replace('/', "::"), scenario.name()).replace('-', "_");
            trials.push(Trial::test(name, move || run(&subject, scenario, &verdicts)));
        }
    }
    trials
}

fn run(subject: &str, scenario: Scenario, expected: &Verdicts) -> Result<(), Failed> {
    let evidence = block_on(local(subject, Backend::Embedded).take(scenario));
    let verdicts: Vec<(&Check, Verdict)> = judge(&all(), scenario, &evidence);
    let each = || verdicts.iter().map(|(check, verdict)| (*check, verdict));
    let (seen, expected) = (section(scenario, each()), expected.section(scenario, each()));
    if let Some(folder) = env::var_os(SEEN) {
        let name = format!("{}.{}", subject.replacen('/', ".", 1), scenario.name());
        fs::write(Path::new(&folder).join(name), &seen)?;
    }
    if seen == expected {
        return Ok(());
    }
    let wrong = verdicts.into_iter().filter(|(_, verdict)| !verdict.is_green());
    let told: String = wrong
        .map(|(check, verdict)| Outcome::of(check, verdict, Some(&evidence), "-".to_owned()))
        .map(|outcome| outcome_text(&outcome, false))
        .collect();
    Err(format!("expected of {subject}:\n{expected}\nseen:\n{seen}\n{told}").into())
}
