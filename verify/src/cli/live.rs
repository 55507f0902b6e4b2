//! `verify live`

use super::{arguments::LiveArguments, exit, local, printing};
use crate::{
    harness::HarnessError,
    report::{Outcome, Report},
    target::{Live, LiveOptions},
};

/// Reads what is published and judges it.
pub(super) async fn run(arguments: &LiveArguments) -> Result<u8, HarnessError> {
    let Some(checks) = local::chosen_or_told(&arguments.only) else { return Ok(exit::USAGE) };
    let options = LiveOptions {
        references: arguments.references.clone(),
        expect_digest: arguments.expect_digest.clone(),
        ca: arguments.ca_file.clone(),
        run: arguments.run,
    };
    let live = match Live::new(options) {
        Ok(live) => live,
        Err(wrong) => {
            printing::progress(&format!(
                "error: {wrong}\nhint: a reference names a registry: ghcr.io/acme/hello:1.2.0"
            ));
            return Ok(exit::USAGE);
        }
    };
    let evidence = live.take().await;
    let outcomes = live.judge(&checks, &evidence).into_iter().map(|(check, verdict)| {
        let rerun = format!("verify live {} --only {}", arguments.references.join(" "), check.id());
        Outcome::of(check, verdict, Some(&evidence), rerun)
    });
    let report =
        Report { target: "live".into(), subject: arguments.references.join(" "), outcomes: outcomes.collect() };
    printing::report(&report, arguments.output)?;
    Ok(local::code(&report))
}
