//! `publisher merge`: what all platforms staged becomes one list under one tag.

use std::{path::Path, sync::Arc};

use super::{prune, result::published, session::Session, superseded::Superseded, visibility};
use crate::{
    commit::{
        HandOver, Record, TagMove, assemble, compare, confirm, ensure_children, move_tag, put_list, read_children,
    },
    event::Phase,
    exit::{Exit, Failure, NOTHING_PUBLISHED},
    registry::Registry,
    report::outcome::Publication,
};

/// Takes over the builds from `folder` and publishes them.
///
/// # Errors
/// [`Exit::Failed`] when the set is incomplete or belongs elsewhere, [`Exit::PushFailed`] when a registry fails,
/// [`Exit::Superseded`] when a newer build is live.
pub async fn merge(session: &Session, folder: &Path) -> Result<Publication, Failure> {
    let registries = session.connect().await?;
    let records = HandOver::new(folder).read(&session.plan.platforms, &registries, &session.identity());
    let records = records.map_err(|error| Failure::from(error).left(NOTHING_PUBLISHED))?;
    commit(session, &records, &registries).await
}

/// Puts the list everywhere, then moves the tag, then removes what the tag pointed at before.
pub(super) async fn commit(
    session: &Session,
    records: &[Record],
    registries: &[Arc<Registry>],
) -> Result<Publication, Failure> {
    let unpublished = |failure: Failure| failure.left(NOTHING_PUBLISHED);
    let prepared = session.phase(Phase::List, async {
        let children = read_children(registries, records, &session.plan.commit).await?;
        let list = assemble(&children)
            .map_err(|error| Failure::new(Exit::Failed, "failed to assemble the list").because(error))?;
        let fresh = put_list(registries, &list).await?;
        Ok::<_, Failure>((children, list, fresh))
    });
    let (children, list, fresh) = prepared.await.map_err(unpublished)?;
    let build = children.first().map(|child| child.build.clone()).unwrap_or_default();
    let to = TagMove {
        tag: &session.plan.tag,
        list: &list,
        build: &build,
        floating: session.plan.floating(),
        fresh: &fresh,
    };
    let superseded = Superseded::open(session, registries, &list).await;
    session.gate.pass().await;
    let events = session.events();
    let moved = session.phase(Phase::Commit, async {
        let journal = compare(registries, &to, &events).await?;
        if let Some(superseded) = &superseded {
            superseded.before(&journal).await;
        }
        move_tag(registries, &to, &journal, &events).await?;
        Ok::<_, Failure>(journal)
    });
    let journal = moved.await?;
    let movements = session.phase(Phase::ReadBack, async {
        let movements = confirm(registries, &to, &journal, &events).await?;
        ensure_children(registries, &children, &to, &events).await?;
        Ok::<_, Failure>(movements)
    });
    let movements = movements.await?;
    visibility::check(session, &list.digest).await;
    let cleanup = match &superseded {
        Some(superseded) => {
            let cleaned = async {
                let mut reports = superseded.after(&journal).await;
                reports.extend(prune::after(session, records).await);
                Ok::<_, Failure>(reports)
            };
            session.phase(Phase::Clean, cleaned).await?
        }
        None => Vec::new(),
    };
    Ok(published(session, records, registries, &list.digest, &movements, cleanup))
}
