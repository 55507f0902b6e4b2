//! SC-004: a clean build takes 3 minutes at most, the push to one registry 1 minute.
//!
//! The image is tiny and the registries are on this machine, so a third of these times is generous here, even where other
//! work goes on.

use super::support::{run, stages, success, within};
use crate::{
    check::{Check, Judgement},
    evidence::{Evidence, Stage},
    history::Kind,
    oracle::Violation,
    scenario::Scenario,
};

/// How long all stages of a clean build may take here, in milliseconds.
const BUILD_MAX_MS: u64 = 60_000;
/// How long the push of one platform to one registry may take here, in milliseconds.
const PUSH_MAX_MS: u64 = 20_000;

/// The checks of this requirement.
pub(super) const CHECKS: &[Check] = &[
    Check::pipeline("a_clean_build_is_quick", &["SC-004"], Scenario::Releases, build),
    Check::pipeline("the_push_to_each_registry_is_quick", &["SC-004"], Scenario::Releases, push),
    Check::pipeline("a_layer_that_is_there_is_not_sent_again", &["SC-004"], Scenario::Releases, sent_once),
];

fn build(evidence: &Evidence) -> Judgement {
    let run = run(evidence, "first main")?;
    let mut violations = success(run);
    let (began, ended) = run.span_ms();
    if violations.is_empty() {
        let took = evidence.idle_ms(ended - began, &run.stages);
        violations.extend(within(&format!("a clean build takes {BUILD_MAX_MS} ms at most"), &took, BUILD_MAX_MS)?);
    }
    Ok(violations)
}

fn push(evidence: &Evidence) -> Judgement {
    let run = run(evidence, "first main")?;
    let (mut began, mut ended) = (u64::MAX, 0);
    for stage in stages(run, Stage::Build)? {
        began = began.min(stage.began_ms);
        ended = ended.max(stage.ended_ms);
    }
    let mut violations = Vec::new();
    for server in &evidence.registries {
        let writes = evidence.history.iter().filter(|it| {
            let ours = it.operation.as_ref().is_some_and(|operation| operation.kind.writes());
            ours && it.server == *server && (began..=ended).contains(&it.began_ms)
        });
        let (first, last) =
            writes.fold((u64::MAX, 0), |(first, last), it| (first.min(it.began_ms), last.max(it.ended_ms)));
        let took = evidence.idle_ms(last.saturating_sub(first), stages(run, Stage::Build)?);
        violations.extend(within(&format!("the push to {server} takes {PUSH_MAX_MS} ms at most"), &took, PUSH_MAX_MS)?);
    }
    Ok(violations)
}

/// A blob whose bytes a repository has taken once must not be sent there a second time.
fn sent_once(evidence: &Evidence) -> Judgement {
    let mut taken = std::collections::BTreeMap::new();
    let mut violations = Vec::new();
    for (index, exchange) in super::support::requests(evidence, &[Kind::UploadFinish, Kind::UploadWhole]) {
        let Some(operation) = &exchange.operation else { continue };
        if exchange.status != Some(201) {
            continue;
        }
        let key = (&exchange.server, &operation.repository, &operation.reference);
        if let Some(before) = taken.insert(key, index) {
            // Two platforms that are pushed at the same time cannot know of each other.
            let other: &crate::history::Exchange = &evidence.history[before];
            if other.ended_ms + SAME_TIME_MS < exchange.began_ms {
                let digest = operation.reference.as_deref().unwrap_or_default();
                let seen = format!("{}: {digest} is sent again", exchange.server);
                violations
                    .push(Violation::new("each blob is sent to a repository once", seen).shown_by([before, index]));
            }
        }
    }
    Ok(violations)
}

/// Uploads of the same blob that end and begin so close to each other are of the same moment, in milliseconds.
const SAME_TIME_MS: u64 = 1_000;
