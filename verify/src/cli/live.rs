//! `verify live`

use std::time::Duration;

use super::{
    arguments::{LiveArguments, PublishedArguments},
    exit, local, printing,
};
use crate::{
    check::Check,
    checks::all,
    client::{SETTLE_MAX, process_environment},
    evidence::Evidence,
    harness::HarnessError,
    report::{Looked, Outcome, Report},
    target::{Live, LiveOptions, Reference, ReferenceError, checked_digest},
    verdict::Verdict,
};

/// Reads what is published and judges it.
pub(super) async fn run(arguments: &LiveArguments) -> Result<u8, HarnessError> {
    let Some(checks) = local::chosen_or_error(&arguments.published.only) else { return Ok(exit::USAGE) };
    if let Some((claim, _)) = arguments.waive.iter().find(|(claim, _)| !all().iter().any(|it| is_of(&it.id(), claim))) {
        printing::progress(&format!("error: no check is called {claim}\nhint: verify list"));
        return Ok(exit::USAGE);
    }
    let options = match options(arguments) {
        Ok(options) => options,
        Err(error) => return Ok(printing::usage(&error, error.hint())),
    };
    let live = Live::new(options, &process_environment()).await.map_err(HarnessError::other("cannot look"))?;
    let digest = arguments.expect_digest.iter().map(|it| format!("--expect-digest {it}"));
    let named: Vec<String> = named(&arguments.published).into_iter().chain(digest).collect();
    let mut report = look(&live, &checks, &named).await;
    for outcome in report.outcomes.iter_mut().filter(|it| !matches!(it.verdict, Verdict::NotRun { .. })) {
        if let Some((_, reason)) = arguments.waive.iter().find(|(claim, _)| is_of(&outcome.id, claim)) {
            outcome.verdict = Verdict::Waived { reason: reason.clone() };
        }
    }
    printing::report(&report, arguments.output)?;
    Ok(local::code(&report))
}

/// Whether a check is what `--waive` names: the check itself, or its requirement.
fn is_of(id: &str, claim: &str) -> bool {
    let requirement = claim.to_lowercase().replace('-', "_");
    id == claim || id.strip_prefix(&requirement).is_some_and(|rest| rest.starts_with("::"))
}

fn options(arguments: &LiveArguments) -> Result<LiveOptions, ReferenceError> {
    let expect_digest = arguments.expect_digest.as_deref().map(checked_digest).transpose()?;
    let wait = arguments.wait.unwrap_or(if expect_digest.is_some() { SETTLE_MAX } else { Duration::ZERO });
    Ok(LiveOptions {
        references: references(&arguments.published)?,
        expect_digest,
        wait,
        ca: arguments.published.ca_file.clone(),
        run: arguments.run,
    })
}

/// Everything that is to be looked at.
pub(super) fn references(published: &PublishedArguments) -> Result<Vec<Reference>, ReferenceError> {
    let tagged = published.image.iter().flat_map(|image| published.tag.iter().map(|tag| Reference::tagged(image, tag)));
    published.references.iter().map(|text| text.parse()).chain(tagged).collect()
}

/// The arguments that name what is looked at, as they are typed again.
pub(super) fn named(published: &PublishedArguments) -> Vec<String> {
    let PublishedArguments { references, image, tag, ca_file, .. } = published;
    let images = image.iter().map(|it| format!("--image {it}"));
    let tags = tag.iter().filter(|_| !image.is_empty()).map(|it| format!("--tag {it}"));
    let ca = ca_file.iter().map(|it| format!("--ca-file {}", it.display()));
    references.iter().cloned().chain(images).chain(tags).chain(ca).collect()
}

/// Takes evidence and judges it; `named` is what names the images on the command line.
pub(super) async fn look(live: &Live, checks: &[&'static Check], named: &[String]) -> Report {
    let evidence = live.take().await;
    let outcome = |(check, verdict): (&Check, _)| {
        let run = if check.needs.contains(&crate::check::Need::Podman) { " --run" } else { "" };
        let rerun = format!("verify live {}{run} --only {}", named.join(" "), check.id());
        Outcome::of(check, verdict, Some(&evidence), rerun)
    };
    let outcomes = live.judge(checks, &evidence).into_iter().map(outcome).collect();
    let Evidence { publications, waits, .. } = &evidence;
    Report {
        target: "live".into(),
        subject: live.subject(),
        outcomes,
        looked: publications.iter().map(Looked::from).collect(),
        waits: waits.clone(),
        ..Report::default()
    }
}
