//! The result of a run as data, and its forms in GitHub's files.

use std::{
    fs::OpenOptions,
    io::{self, Write as _},
    path::Path,
    sync::Arc,
};

use super::run::Run;
use crate::{
    clean::Report,
    commit::{Mover, Record},
    environment::Environment,
    event::{Event, Events},
    exit::Failure,
    oci::Digest,
    registry::Registry,
    report::{
        outcome::{BuildOutcome, Publication, RegistryOutcome, Status, milliseconds, timings_json},
        summary,
    },
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
        ..registry_outcome(registry, format!("{}:{}", registry.repository(), run.plan.tag), list)
    };
    Publication {
        status: Status::Published,
        digest: Some(list.clone()),
        platforms: records.iter().map(|record| record.image.clone()).collect(),
        registries: registries.iter().enumerate().map(outcome).collect(),
        cleanup,
        ..skipped(run, records.iter().map(build_outcome).collect())
    }
}

/// A run that put one platform's image on the registries and no tag on it.
pub(super) fn staged(run: &Run, record: &Record, registries: &[Arc<Registry>]) -> Publication {
    let by_digest = |registry: &Arc<Registry>| {
        registry_outcome(registry, format!("{}@{}", registry.repository(), record.image.digest), &record.image.digest)
    };
    Publication {
        status: Status::Staged,
        platforms: vec![record.image.clone()],
        registries: registries.iter().map(by_digest).collect(),
        ..skipped(run, vec![build_outcome(record)])
    }
}

/// A run that was asked not to push.
pub(super) fn skipped(run: &Run, builds: Vec<BuildOutcome>) -> Publication {
    Publication {
        status: Status::Skipped,
        tag: run.plan.tag.to_string(),
        kind: run.plan.kind.name().into(),
        digest: None,
        builds,
        platforms: Vec::new(),
        registries: Vec::new(),
        cleanup: Vec::new(),
        timings: run.screen.timings(),
        warnings: run.screen.warnings(),
    }
}

fn build_outcome(record: &Record) -> BuildOutcome {
    BuildOutcome { platform: record.image.platform.clone(), steps: record.steps, steps_reused: record.steps_reused }
}

fn registry_outcome(registry: &Registry, reference: String, digest: &Digest) -> RegistryOutcome {
    let traffic = registry.traffic();
    RegistryOutcome {
        name: registry.name().into(),
        reference,
        digest: digest.clone(),
        previous: None,
        requests: traffic.requests(),
        bytes_sent: traffic.bytes_sent(),
        retries: traffic.retries(),
        read_back_milliseconds: None,
    }
}

/// Writes what a run leaves in files: the step's outputs and the job's summary in a GitHub workflow, and
/// `timings.json` where it was asked for. A summary or `timings.json` that cannot be written is only a warning.
///
/// # Errors
/// `Exit::Failed` when the outputs cannot be written, which the steps that follow need.
pub fn write_files(
    environment: &Environment,
    publication: &Publication,
    timings_file: Option<&Path>,
    events: &Events,
) -> Result<(), Failure> {
    let warn = |failure: Failure| events.event(Event::Warning(failure.chain().join(": ")));
    if let Some(file) = timings_file {
        let written = std::fs::write(file, timings_json(&publication.timings));
        written.unwrap_or_else(|error| warn(unwritten(file, error)));
    }
    write_summary(environment, &summary::publication(publication)).unwrap_or_else(warn);
    match environment.get("GITHUB_OUTPUT") {
        Some(file) => append(Path::new(file), &outputs(publication)),
        None => Ok(()),
    }
}

/// Appends to the job's summary, if this is a step of a workflow.
///
/// # Errors
/// `Exit::Failed` when the file cannot be written.
pub fn write_summary(environment: &Environment, markdown: &str) -> Result<(), Failure> {
    let Some(file) = environment.get("GITHUB_STEP_SUMMARY") else { return Ok(()) };
    // The empty line ends the paragraph or table of an earlier step.
    append(Path::new(file), &format!("{markdown}\n"))
        .map_err(|failure| Failure::other("failed to write the job summary").because(failure))
}

/// The step's outputs: what was published, for the steps and jobs that follow.
fn outputs(publication: &Publication) -> String {
    let Publication { tag, digest, registries, platforms, builds, .. } = publication;
    let names: Vec<String> = platforms.iter().map(|outcome| outcome.platform.to_string()).collect();
    // An empty list reuses nothing.
    let reused = !platforms.is_empty() && platforms.iter().all(|outcome| outcome.layers == outcome.layers_known);
    let hit = !builds.is_empty() && builds.iter().all(|build| build.steps_reused > 0);
    let mut lines = vec![format!("tag={tag}")];
    lines.extend(digest.iter().map(|digest| format!("digest={digest}")));
    lines.extend(registries.iter().map(|registry| format!("digest-{}={}", registry.name, registry.digest)));
    lines.push(format!("platforms={}", names.join(",")));
    lines.push(format!("layers-reused={reused}"));
    lines.push(format!("cache-hit={hit}"));
    lines.join("\n") + "\n"
}

/// Appends lines to one of GitHub's files.
pub(super) fn append(file: &Path, text: &str) -> Result<(), Failure> {
    let mut options = OpenOptions::new();
    let appended = options.append(true).create(true).open(file).and_then(|mut file| file.write_all(text.as_bytes()));
    appended.map_err(|error| unwritten(file, error))
}

fn unwritten(file: &Path, error: io::Error) -> Failure {
    Failure::other(format!("failed to write {}", file.display())).because(error)
}
