//! The result of a run as data, and as the outputs of a step.

use std::{
    fs::OpenOptions,
    io::Write as _,
    slice,
    sync::{Arc, atomic::Ordering::Relaxed},
};

use super::run::Run;
use crate::{
    clean::Report,
    commit::{Mover, Record},
    environment::Environment,
    exit::Failure,
    oci::Digest,
    registry::Registry,
    report::outcome::{BuildOutcome, Publication, RegistryOutcome, Status, milliseconds},
};

/// A run whose tag is live.
pub(super) fn published(
    run: &Run,
    records: &[Record],
    registries: &[Arc<Registry>],
    list: &Digest,
    mover: &Mover<'_>,
    cleanup: Vec<Report>,
) -> Publication {
    let outcome = |(at, registry): (usize, &Arc<Registry>)| RegistryOutcome {
        previous: mover.before(at).map(|manifest| manifest.digest.clone()),
        read_back_milliseconds: mover.read_back(at).map(milliseconds),
        ..registry_outcome(registry, format!("{}:{}", registry.repository, run.plan.tag), list)
    };
    Publication {
        digest: Some(list.clone()),
        registries: registries.iter().enumerate().map(outcome).collect(),
        cleanup,
        ..publication(run, Status::Published, records)
    }
}

/// A run that put one platform's image on the registries and no tag on it.
pub(super) fn staged(run: &Run, record: &Record, registries: &[Arc<Registry>]) -> Publication {
    let by_digest = |registry: &Arc<Registry>| {
        registry_outcome(registry, format!("{}@{}", registry.repository, record.image.digest), &record.image.digest)
    };
    let registries = registries.iter().map(by_digest).collect();
    Publication { registries, ..publication(run, Status::Staged, slice::from_ref(record)) }
}

/// A run that was asked not to push.
pub(super) fn skipped(run: &Run, builds: Vec<BuildOutcome>) -> Publication {
    Publication { builds, ..publication(run, Status::Skipped, &[]) }
}

/// A run that built and staged these images.
fn publication(run: &Run, status: Status, records: &[Record]) -> Publication {
    let build = |record: &Record| {
        let (steps, steps_reused) = (record.steps, record.steps_reused);
        BuildOutcome { platform: record.image.platform.clone(), steps, steps_reused }
    };
    let (timings, warnings) = run.screen.kept();
    Publication {
        status,
        tag: run.plan.tag.to_string(),
        kind: run.plan.kind,
        digest: None,
        builds: records.iter().map(build).collect(),
        platforms: records.iter().map(|record| record.image.clone()).collect(),
        registries: Vec::new(),
        cleanup: Vec::new(),
        timings,
        warnings,
    }
}

fn registry_outcome(registry: &Registry, reference: String, digest: &Digest) -> RegistryOutcome {
    let traffic = &registry.traffic;
    RegistryOutcome {
        name: registry.name.clone(),
        reference,
        digest: digest.clone(),
        previous: None,
        requests: traffic.requests.load(Relaxed),
        bytes_sent: traffic.bytes_sent.load(Relaxed),
        retries: traffic.retries.load(Relaxed),
        read_back_milliseconds: None,
    }
}

/// The step's outputs: what was published, for the steps and jobs that follow.
pub fn outputs(publication: &Publication) -> String {
    let Publication { tag, digest, registries, platforms, builds, .. } = publication;
    let names: Vec<String> = platforms.iter().map(|outcome| outcome.platform.to_string()).collect();
    // An empty list reuses nothing.
    let reused = !platforms.is_empty() && platforms.iter().all(|outcome| outcome.layers == outcome.layers_known);
    let hit = !builds.is_empty() && builds.iter().all(|build| build.steps_reused > 0);
    let digest = digest.as_ref().map(|digest| format!("digest={digest}\n")).unwrap_or_default();
    let digests = registries.iter().map(|registry| format!("digest-{}={}\n", registry.name, registry.digest));
    let (digests, platforms) = (digests.collect::<String>(), names.join(","));
    format!("tag={tag}\n{digest}{digests}platforms={platforms}\nlayers-reused={reused}\ncache-hit={hit}\n")
}

/// Appends to the file that one of GitHub's variables names, if this is a step of a workflow.
///
/// # Errors
/// `Exit::Failed` when the file cannot be written.
pub fn append(environment: &Environment, variable: &str, text: &str) -> Result<(), Failure> {
    let Some(file) = environment.get(variable) else { return Ok(()) };
    let opened = OpenOptions::new().append(true).create(true).open(file);
    let appended = opened.and_then(|mut opened| opened.write_all(text.as_bytes()));
    appended.map_err(|error| Failure::other(format!("failed to write {file}")).because(error))
}
