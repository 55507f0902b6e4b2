//! `publisher publish`: all platforms built, staged and published by one process on one machine.

use std::sync::Arc;

use futures::future::try_join_all;

use super::{
    build::{build_image, stage_image},
    merge::commit,
    result::skipped,
    session::Session,
};
use crate::{commit::Record, exit::Failure, registry::Registry, report::outcome::Publication};

/// Builds and stages all platforms in parallel, then publishes them.
///
/// # Errors
/// Those of `build` and `merge`.
pub async fn publish(session: &Session) -> Result<Publication, Failure> {
    let podman = session.podman();
    session.config.check_sources()?;
    podman.check().await?;
    let registries: Vec<Arc<Registry>> = if session.plan.push { session.connect().await? } else { Vec::new() };
    let records = try_join_all(session.plan.platforms.iter().map(async |platform| {
        let image = build_image(session, &podman, platform).await?;
        if registries.is_empty() {
            return Ok(None);
        }
        let staged = stage_image(session, &podman, platform, &image, &registries).await?;
        Ok::<_, Failure>(Some(Record::new(&staged, &registries, &session.identity())))
    }))
    .await?;
    let records: Vec<Record> = records.into_iter().flatten().collect();
    if records.is_empty() { Ok(skipped(session)) } else { commit(session, &records, &registries).await }
}
