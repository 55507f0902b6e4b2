//! `publisher publish`: all platforms built, staged and published by one process on one machine.

use futures::future::try_join_all;

use super::{
    build::{build_image, stage_image},
    merge::commit,
    result::skipped,
    session::{Session, SourceArgs},
};
use crate::{commit::Record, exit::Failure, report::outcome::Publication};

/// Builds and stages all platforms in parallel, then publishes them.
///
/// # Errors
/// Those of `build` and `merge`.
pub async fn publish(session: &Session, source: &SourceArgs) -> Result<Publication, Failure> {
    let podman = session.podman();
    session.config.check_sources()?;
    session.require_commit(source, None).await?;
    podman.check(&session.config.containerfile).await?;
    if !session.plan.push {
        let builds = session.plan.platforms.iter();
        let builds = builds.map(async |platform| Ok(build_image(session, &podman, platform).await?.outcome()));
        return try_join_all(builds).await.map(|builds| skipped(session, builds));
    }
    let registries = session.connect_to_push().await?;
    let records = try_join_all(session.plan.platforms.iter().map(async |platform| {
        let built = build_image(session, &podman, platform).await?;
        let staged = stage_image(session, &podman, platform, &built.image, &registries).await?;
        Ok::<_, Failure>(Record::new(&staged, &built.steps, &registries, &session.identity()))
    }))
    .await?;
    commit(session, &records, &registries).await
}
