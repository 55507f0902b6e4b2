//! Every check on our own publisher.

use libtest_mimic::{Failed, Trial};
use verify::{
    check::Check,
    checks::all,
    harness::registry::Backend,
    report::{Outcome, Style, outcome_text},
};

use crate::world::{block_on, local, shared};

/// One trial a check.
pub(crate) fn trials() -> Vec<Trial> {
    all().into_iter().map(|check| Trial::test(format!("local::{}", check.id()), move || run(check))).collect()
}

fn run(check: &'static Check) -> Result<(), Failed> {
    let local = local("ours", Backend::Container);
    let evidence = block_on(async {
        match shared() {
            Some(shared) => local.shared(&shared, check.scenario).await,
            None => Ok(local.take(check.scenario).await),
        }
    })?;
    let verdict = check.verdict(&evidence);
    if verdict.is_green() {
        return Ok(());
    }
    let rerun = format!("just test 'test({})'", check.claim);
    Err(outcome_text(&Outcome::of(check, verdict, Some(&evidence), rerun), Style::plain()).into())
}
