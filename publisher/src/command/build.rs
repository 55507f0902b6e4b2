//! `publisher build`: one platform built and put on all registries, by digest.

use std::{
    path::Path,
    sync::{Arc, Mutex, PoisonError},
};

use super::{
    cache,
    merge::overtaken_or,
    result::{skipped, staged as staged_result},
    session::{Session, SourceArgs},
};
use crate::{
    commit::{HandOver, Record},
    event::{Event, Phase},
    exit::{Exit, Failure, NOTHING_PUBLISHED},
    oci::{Digest, Platform, Tag},
    podman::{BuildRequest, Podman, PodmanError, Steps},
    registry::Registry,
    report::outcome::{BuildOutcome, Publication},
    stage::{Commit, StageOptions, Staged, stage},
};

/// An image in podman's store.
pub(super) struct Built {
    /// The id of the image.
    pub(super) image: Digest,
    /// What its build did.
    pub(super) steps: Steps,
    platform: Platform,
}

impl Built {
    /// The build as the result tells it.
    pub(super) fn outcome(&self) -> BuildOutcome {
        let (steps, steps_reused) = (self.steps.total(), self.steps.reused());
        BuildOutcome { platform: self.platform.clone(), steps, steps_reused }
    }
}

/// Builds one platform, stages it and writes the hand-over files into `folder`. Without a push, only builds.
///
/// # Errors
/// [`Exit::BuildFailed`] when the build fails, [`Exit::PushFailed`] when a registry does, [`Exit::Failed`] otherwise.
pub async fn build(
    session: &Session,
    platform: &Platform,
    source: &SourceArgs,
    folder: &Path,
) -> Result<Publication, Failure> {
    let podman = session.podman();
    session.require_commit(source, Some(folder)).await?;
    let (built, registries) = prepare(session, &podman, platform).await?;
    if !session.plan.push {
        return Ok(skipped(session, vec![built.outcome()]));
    }
    let staged = stage_image(session, &podman, platform, &built.image, &registries).await?;
    let record = Record::new(&staged, &built.steps, &registries, &session.identity());
    HandOver::new(folder).write(&record)?;
    Ok(staged_result(session, &record, &registries))
}

/// Everything before the push: podman is fit, the registries answer, the image is built.
async fn prepare(
    session: &Session,
    podman: &Podman,
    platform: &Platform,
) -> Result<(Built, Vec<Arc<Registry>>), Failure> {
    if !session.plan.platforms.contains(platform) {
        let planned: Vec<String> = session.plan.platforms.iter().map(ToString::to_string).collect();
        return Err(Failure::new(Exit::Failed, format!("{platform} is not planned, only {}", planned.join(", "))));
    }
    session.config.check_sources()?;
    podman.check(&session.config.containerfile).await?;
    let registries = if session.plan.push { session.connect_to_push().await? } else { Vec::new() };
    Ok((build_image(session, podman, platform).await?, registries))
}

/// Builds the image of one platform in podman's store.
pub(super) async fn build_image(session: &Session, podman: &Podman, platform: &Platform) -> Result<Built, Failure> {
    let config = &session.config;
    let mut request = BuildRequest {
        platform: platform.clone(),
        containerfile: config.containerfile.clone(),
        context: config.context.clone(),
        build_args: config.build_args.clone().into_iter().collect(),
        cache: None,
        no_cache: false,
    };
    let built = session.phase(Phase::Build(platform.clone()), async {
        let cache = cache::open(session, platform).await;
        request.cache = cache.as_ref().map(|cache| cache.layers.clone());
        run(session, podman, request).await
    });
    built.await.map_err(|error| Failure::from(error).left(NOTHING_PUBLISHED))
}

/// Runs podman, once more where all that failed is writing to the cache: what it built until then is in its store; and
/// once more with every step where it took one that is of no use.
async fn run(session: &Session, podman: &Podman, mut request: BuildRequest) -> Result<Built, PodmanError> {
    let (events, platform) = (session.events(), request.platform.clone());
    let steps = Mutex::new(Steps::default());
    let seen = || steps.lock().unwrap_or_else(PoisonError::into_inner);
    let on_line = |line: String| {
        seen().see(&line);
        events.event(Event::BuildLine(platform.clone(), line));
    };
    let image = loop {
        let image = podman.build(&request, on_line).await;
        match (&image, &mut request.cache) {
            (Err(PodmanError::CacheNotWritten { reason, .. }), Some(cache)) => {
                cache::not_written(session, cache, reason.clone());
                cache.write = false;
                seen().again();
            }
            // podman 4.3 and 5.4 take a step from their store that was run for another platform, where both begin alike.
            (Ok(id), _) if !request.no_cache && seen().reused() > 0 && !podman.inspect(id).await?.is_of(&platform) => {
                request.no_cache = true;
                *seen() = Steps::default();
            }
            _ => break image?,
        }
    };
    let built = Built { image, steps: seen().clone(), platform };
    events.event(Event::Note(format!("{} cache: {}", built.platform, built.outcome())));
    Ok(built)
}

/// Puts the image of one platform on all registries.
pub(super) async fn stage_image(
    session: &Session,
    podman: &Podman,
    platform: &Platform,
    image: &Digest,
    registries: &[Arc<Registry>],
) -> Result<Staged, Failure> {
    // Whatever is published, the newest build of the main branch is what it has most layers in common with.
    let previous = Tag::latest();
    let commit = Commit {
        source: session.config.source.clone(),
        revision: session.plan.commit.clone(),
        time: session.commit_time,
        parents: session.parents.clone(),
    };
    let options = StageOptions { image, platform, commit: &commit, previous: &previous, spool: session.spool() };
    let events = session.events();
    let staged = stage(podman, options, registries, &events);
    match session.phase(Phase::Stage(platform.clone()), staged).await {
        Err(failure) if failure.exit == Exit::PushFailed => {
            Err(overtaken_or(session, registries, failure.left(NOTHING_PUBLISHED)).await)
        }
        staged => staged.map_err(|failure| failure.left(NOTHING_PUBLISHED)),
    }
}
