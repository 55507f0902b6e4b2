//! What a run says at its end: the result as data, and its forms in GitHub's files.

use std::{
    fmt::Write as _,
    fs::OpenOptions,
    io::{self, Write as _},
    path::Path,
    sync::Arc,
};

use super::session::Session;
use crate::{
    clean::Report,
    commit::{Movement, Record},
    environment::Environment,
    event::{Event, Events},
    exit::{Exit, Failure},
    oci::Digest,
    registry::Registry,
    report::{
        outcome::{BuildOutcome, PlatformOutcome, Publication, RegistryOutcome, Status, milliseconds, timings_json},
        summary,
    },
};

/// A run whose tag is live.
pub(super) fn published(
    session: &Session,
    records: &[Record],
    registries: &[Arc<Registry>],
    list: &Digest,
    movements: &[Movement],
    cleanup: Vec<Report>,
) -> Publication {
    let moved = |(registry, movement): (&Arc<Registry>, &Movement)| RegistryOutcome {
        previous: movement.previous.clone(),
        read_back_milliseconds: movement.read_back.map(milliseconds),
        ..untouched(registry, format!("{}:{}", registry.repository(), session.plan.tag), list)
    };
    Publication {
        status: Status::Published,
        digest: Some(list.clone()),
        platforms: records.iter().map(platform).collect(),
        registries: registries.iter().zip(movements).map(moved).collect(),
        cleanup,
        ..skipped(session, records.iter().map(build).collect())
    }
}

/// A run that put one platform's image on the registries and no tag on it.
pub(super) fn staged(session: &Session, record: &Record, registries: &[Arc<Registry>]) -> Publication {
    let by_digest = |registry: &Arc<Registry>| {
        untouched(registry, format!("{}@{}", registry.repository(), record.digest), &record.digest)
    };
    Publication {
        status: Status::Staged,
        platforms: vec![platform(record)],
        registries: registries.iter().map(by_digest).collect(),
        ..skipped(session, vec![build(record)])
    }
}

/// A run that was asked not to push.
pub(super) fn skipped(session: &Session, builds: Vec<BuildOutcome>) -> Publication {
    Publication {
        status: Status::Skipped,
        tag: session.plan.tag.to_string(),
        kind: session.plan.kind.name().into(),
        digest: None,
        builds,
        platforms: Vec::new(),
        registries: Vec::new(),
        cleanup: Vec::new(),
        timings: session.screen.timings(),
        warnings: session.screen.warnings(),
    }
}

fn build(record: &Record) -> BuildOutcome {
    BuildOutcome { platform: record.platform.clone(), steps: record.steps, steps_reused: record.steps_reused }
}

fn platform(record: &Record) -> PlatformOutcome {
    PlatformOutcome {
        platform: record.platform.clone(),
        digest: record.digest.clone(),
        size: record.size,
        layers: record.layers,
        layers_known: record.layers_known,
        bytes_uploaded: record.bytes_uploaded,
    }
}

fn untouched(registry: &Registry, reference: String, digest: &Digest) -> RegistryOutcome {
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
/// `timings.json` where it was asked for. What is only there to be read does not decide how a run ends: that it cannot be
/// written is a warning.
///
/// # Errors
/// [`Exit::Failed`] when the outputs cannot be written, which the steps that follow need.
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
/// [`Exit::Failed`] when the file cannot be written.
pub fn write_summary(environment: &Environment, markdown: &str) -> Result<(), Failure> {
    let Some(file) = environment.get("GITHUB_STEP_SUMMARY") else { return Ok(()) };
    // The empty line ends the paragraph or table of an earlier step.
    append(Path::new(file), &format!("{markdown}\n"))
        .map_err(|error| Failure::new(Exit::Failed, "failed to write the job summary").because(error))
}

/// The step's outputs: what was published, for the steps and jobs that follow.
fn outputs(publication: &Publication) -> String {
    let mut text = format!("tag={}\n", publication.tag);
    if let Some(digest) = &publication.digest {
        let _ = writeln!(text, "digest={digest}");
    }
    for registry in &publication.registries {
        let _ = writeln!(text, "digest-{}={}", registry.name, registry.digest);
    }
    let platforms: Vec<String> = publication.platforms.iter().map(|outcome| outcome.platform.to_string()).collect();
    // Of nothing, nothing was reused.
    let reused = !publication.platforms.is_empty()
        && publication.platforms.iter().all(|outcome| outcome.layers == outcome.layers_known);
    let hit = !publication.builds.is_empty() && publication.builds.iter().all(|build| build.steps_reused > 0);
    let _ = writeln!(text, "platforms={}", platforms.join(","));
    let _ = writeln!(text, "layers-reused={reused}");
    let _ = writeln!(text, "cache-hit={hit}");
    text
}

/// Appends lines to one of GitHub's files.
pub(super) fn append(file: &Path, text: &str) -> Result<(), Failure> {
    let mut options = OpenOptions::new();
    let appended = options.append(true).create(true).open(file).and_then(|mut file| file.write_all(text.as_bytes()));
    appended.map_err(|error| unwritten(file, error))
}

fn unwritten(file: &Path, error: io::Error) -> Failure {
    Failure::new(Exit::Failed, format!("failed to write {}", file.display())).because(error)
}
