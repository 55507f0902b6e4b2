//! SC-004: a clean build takes 3 minutes at most, the push to one registry 1 minute.
//!
//! The image is tiny and the registries are on this machine, so a third of these times is generous here, even where other
//! work goes on.

use std::collections::BTreeMap;

use super::prelude::*;

/// How long all stages of a clean build may take here, in milliseconds.
const BUILD_MAX_MS: u64 = 60_000;
/// How long the push of one platform to one registry may take here, in milliseconds.
const PUSH_MAX_MS: u64 = 20_000;
/// Uploads of the same blob that end and begin so close to each other are of the same moment, in milliseconds.
const SAME_TIME_MS: u64 = 1_000;

/// The checks of this requirement.
pub(super) const CHECKS: &[Check] = &[
    Check::pipeline("a_clean_build_is_quick", &["SC-004"], Scenario::Releases, build),
    Check::pipeline("the_push_to_each_registry_is_quick", &["SC-004"], Scenario::Releases, push),
    Check::pipeline("a_layer_that_is_there_is_not_sent_again", &["SC-004"], Scenario::Releases, sent_once),
];

fn build(evidence: &Evidence) -> Judgement {
    let run = run(evidence, "first main")?;
    let violations = success(run);
    if !violations.is_empty() {
        return Ok(violations);
    }
    let took = evidence.idle_ms(run.span_ms().end() - run.span_ms().start(), &run.stages);
    at_most_ms(format!("a clean build takes {BUILD_MAX_MS} ms at most"), &took, BUILD_MAX_MS)
}

fn push(evidence: &Evidence) -> Judgement {
    let builds = stages(run(evidence, "first main")?, Stage::Build)?;
    let began = builds.iter().map(|stage| stage.began_ms).min().unwrap_or_default();
    let ended = builds.iter().map(|stage| stage.ended_ms).max().unwrap_or_default();
    let mut violations = Vec::new();
    for server in &evidence.registries {
        let writes = || requests(evidence, began..=ended).filter(|(_, it)| it.server == *server && it.is(Kind::writes));
        let first = writes().map(|(_, it)| it.began_ms).min().unwrap_or_default();
        let last = writes().map(|(_, it)| it.ended_ms).max().unwrap_or_default();
        let took = evidence.idle_ms(last - first, builds.iter().copied());
        let expected = format!("the push to {server} takes {PUSH_MAX_MS} ms at most");
        violations.extend(at_most_ms(expected, &took, PUSH_MAX_MS)?);
    }
    Ok(violations)
}

/// A blob whose bytes a repository has taken once must not be sent there a second time.
fn sent_once(evidence: &Evidence) -> Judgement {
    let mut taken: BTreeMap<_, (usize, &Exchange)> = BTreeMap::new();
    let mut violations = Vec::new();
    let sends = |it: &Exchange| it.is(|kind| [Kind::UploadFinish, Kind::UploadWhole].contains(&kind));
    for (index, exchange) in requests(evidence, ALWAYS).filter(|(_, it)| sends(it) && it.status == Some(201)) {
        let Some(operation) = &exchange.operation else { continue };
        let key = (&exchange.server, &operation.repository, &operation.reference);
        let Some((before, other)) = taken.insert(key, (index, exchange)) else { continue };
        // Two platforms that are pushed at the same time cannot know of each other.
        if other.ended_ms + SAME_TIME_MS < exchange.began_ms {
            let digest = operation.reference.as_deref().unwrap_or_default();
            let seen = format!("{}: {digest} is sent again", exchange.server);
            violations.push(Violation::new("each blob is sent to a repository once", seen).shown_by([before, index]));
        }
    }
    Ok(violations)
}
