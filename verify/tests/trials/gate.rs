//! Every check on our own publisher.

use libtest_mimic::{Failed, Trial};
use verify::{
    check::Check,
    checks::all,
    harness::registry::Backend,
    report::{Outcome, outcome_text},
    scenario::Scenario,
};

use crate::world::{block_on, local, shared};

/// One trial a check that a run can show.
pub(crate) fn trials() -> Vec<Trial> {
    let run_by = all().into_iter().filter_map(|check| Some((check, check.scenario?)));
    run_by
        .map(|(check, scenario)| Trial::test(format!("local::{}", check.id()), move || run(check, scenario)))
        .collect()
}

fn run(check: &'static Check, scenario: Scenario) -> Result<(), Failed> {
    let local = local("ours", Backend::Container);
    let evidence = block_on(async {
        match shared() {
            Some(shared) => local.shared(&shared, scenario).await,
            None => Ok(local.take(scenario).await),
        }
    })?;
    let verdict = check.verdict(&evidence);
    if verdict.is_green() {
        return Ok(());
    }
    let rerun = format!("just test 'test({})'", check.claim);
    Err(outcome_text(&Outcome::of(check, verdict, Some(&evidence), rerun), false).into())
}
