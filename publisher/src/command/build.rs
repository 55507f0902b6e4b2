//! `publisher build`: one platform built and put on all registries, by digest. `publisher publish`: all platforms built,
//! staged and published by one process on one machine.

use std::{
    path::Path,
    sync::{Arc, Mutex, PoisonError},
};

use futures::future::try_join_all;

use super::{
    cache,
    merge::{commit, overtaken_or},
    result::{skipped, staged},
    run::{Run, SourceArgs},
};
use crate::{
    commit::{Record, hand_over},
    event::{Event, Phase},
    exit::{Exit, Failure},
    oci::{Digest, Platform, Tag},
    podman::{BuildRequest, Podman, PodmanError, Steps},
    registry::Registry,
    report::outcome::{BuildOutcome, Publication},
    stage::{StageOptions, stage},
};

/// Builds one platform, stages it and writes the hand-over files into `folder`. Without a push, only builds.
///
/// # Errors
/// [`Exit::BuildFailed`] when the build fails, [`Exit::PushFailed`] when a registry does, [`Exit::Failed`] otherwise.
pub async fn build(run: &Run, platform: &Platform, source: &SourceArgs, folder: &Path) -> Result<Publication, Failure> {
    if !run.plan.platforms.contains(platform) {
        let planned: Vec<String> = run.plan.platforms.iter().map(ToString::to_string).collect();
        return Err(Failure::other(format!("{platform} is not planned, only {}", planned.join(", "))));
    }
    let (podman, registries) = prepare(run, source, Some(folder)).await?;
    if !run.plan.push {
        let (_, steps) = build_image(run, &podman, platform).await?;
        return Ok(skipped(run, vec![outcome(platform, &steps)]));
    }
    let record = build_and_stage(run, &podman, platform, &registries).await?;
    hand_over(folder, &record)?;
    Ok(staged(run, &record, &registries))
}

/// Builds and stages all platforms in parallel, then publishes them.
///
/// # Errors
/// Those of `build` and `merge`.
pub async fn publish(run: &Run, source: &SourceArgs) -> Result<Publication, Failure> {
    let (podman, registries) = prepare(run, source, None).await?;
    let platforms = run.plan.platforms.iter();
    if !run.plan.push {
        let build = async |platform| {
            let (_, steps) = build_image(run, &podman, platform).await?;
            Ok::<_, Failure>(outcome(platform, &steps))
        };
        return Ok(skipped(run, try_join_all(platforms.map(build)).await?));
    }
    let build = async |platform| build_and_stage(run, &podman, platform, &registries).await;
    let records = try_join_all(platforms.map(build)).await?;
    commit(run, &records, &registries).await
}

/// Everything before a build: the sources are those of the commit, podman is fit for them, the registries answer. There
/// are no registries if nothing is pushed. `except` is a folder that the run itself writes to.
async fn prepare(
    run: &Run,
    source: &SourceArgs,
    except: Option<&Path>,
) -> Result<(Podman, Vec<Arc<Registry>>), Failure> {
    run.config.read_containerfile()?;
    run.require_commit(source, except).await?;
    let podman = Podman::new(&run.environment);
    podman.check(&run.config.containerfile).await?;
    let registries = if run.plan.push { run.connect(true).await? } else { Vec::new() };
    Ok((podman, registries))
}

/// Builds one platform and puts its image on all registries, by digest.
async fn build_and_stage(
    run: &Run,
    podman: &Podman,
    platform: &Platform,
    registries: &[Arc<Registry>],
) -> Result<Record, Failure> {
    let (image, steps) = build_image(run, podman, platform).await?;
    let options = StageOptions {
        image: &image,
        platform,
        commit: &run.commit,
        // The newest build of the main branch has most layers in common with any other.
        previous: &Tag::latest(),
        // Like podman, this prefers `/var/tmp` to `/tmp`, which often lies in memory.
        spool: Path::new(run.environment.get("TMPDIR").unwrap_or("/var/tmp")),
    };
    let events = run.events();
    let staged = stage(podman, options, registries, &events);
    match run.phase(Phase::Stage(platform.clone()), staged).await {
        Ok(staged) => Ok(Record::new(&staged, &steps, registries, &run.identity())),
        Err(failure) if failure.exit == Exit::PushFailed => Err(overtaken_or(run, registries, failure).await),
        Err(failure) => Err(failure),
    }
}

/// Builds the image of one platform in podman's store.
async fn build_image(run: &Run, podman: &Podman, platform: &Platform) -> Result<(Digest, Steps), Failure> {
    let config = &run.config;
    let built = run.phase(Phase::Build(platform.clone()), async {
        let (cache, _auth_file) = cache::open(run, platform).await.unzip();
        let request = BuildRequest {
            platform: platform.clone(),
            containerfile: config.containerfile.clone(),
            context: config.context.clone(),
            build_args: config.build_args.clone().into_iter().collect(),
            cache,
            no_cache: false,
        };
        run_podman(run, podman, request).await
    });
    Ok(built.await?)
}

/// Runs podman. Once more if only writing to the cache failed: what it built until then is in its store. And once more
/// without reuse if it took a step of another platform.
async fn run_podman(run: &Run, podman: &Podman, mut request: BuildRequest) -> Result<(Digest, Steps), PodmanError> {
    let (events, platform) = (run.events(), request.platform.clone());
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
                let repository = &cache.repository;
                run.warn(format!(
                    "the layer cache {repository} could not be written, later builds will take longer: {reason}"
                ));
                cache.write = false;
                seen().again();
            }
            // podman 4.3 and 5.4 take a step from their store that was run for another platform, where both begin alike. The
            // build of that platform may not have written all of the image yet.
            (Ok(id), _)
                if !request.no_cache
                    && seen().reused() > 0
                    && !podman.inspect(id).await.is_ok_and(|image| image.is_of(&platform)) =>
            {
                request.no_cache = true;
                *seen() = Steps::default();
            }
            _ => break image?,
        }
    };
    let steps = seen().clone();
    run.note(format!("{platform} cache: {}", outcome(&platform, &steps)));
    Ok((image, steps))
}

/// The build as it is reported.
fn outcome(platform: &Platform, steps: &Steps) -> BuildOutcome {
    BuildOutcome { platform: platform.clone(), steps: steps.total(), steps_reused: steps.reused() }
}
