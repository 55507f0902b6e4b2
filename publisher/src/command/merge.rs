//! `publisher merge`: what all platforms staged becomes one list under one tag.

use std::{
    path::Path,
    sync::Arc,
    time::{Duration, UNIX_EPOCH},
};

use tokio::time::{sleep, timeout};

use super::{
    cache,
    result::published,
    run::Run,
    superseded::{Superseded, open_cleaners},
    visibility,
};
use crate::{
    commit::{Build, Mover, Record, TagMove, assemble, put_list, read_child, restore_children, take_over},
    event::Phase,
    exit::{Exit, Failure},
    oci::{DOCKER_LIST, RawManifest, Tag},
    registry::Registry,
    report::outcome::Publication,
    stage::Commit,
};

/// How long a run goes on moving tags after a signal. With [`PUT_BACK_MAX`] it is less than the 7.5 s that GitHub
/// gives from one signal to the next.
const FINISH_MAX: Duration = Duration::from_millis(2500);
/// How long it then may take to put them back.
const PUT_BACK_MAX: Duration = Duration::from_millis(2500);

/// How long a deletion may take that was sent before a look could see the tag of this run.
const DELETION_MAX: Duration = Duration::from_secs(5);

/// Takes over the builds from `folder` and publishes them.
///
/// # Errors
/// [`Exit::Failed`] when the set is incomplete or belongs elsewhere, [`Exit::PushFailed`] when a registry fails,
/// [`Exit::Superseded`] when a newer build is live.
pub async fn merge(run: &Run, folder: &Path) -> Result<Publication, Failure> {
    let registries = run.connect(false).await?;
    let records = take_over(folder, &run.plan.platforms, &registries, &run.identity())?;
    commit(run, &records, &registries).await
}

/// Puts the list everywhere, then moves the tag, then removes what the tag pointed at before, and looks once more.
pub(super) async fn commit(
    run: &Run,
    records: &[Record],
    registries: &[Arc<Registry>],
) -> Result<Publication, Failure> {
    let children = records.iter().map(|record| read_child(record, &run.plan.commit)).collect::<Result<Vec<_>, _>>()?;
    let list = assemble(&children);
    let build = children.first().map(|child| child.build.clone()).unwrap_or_default();
    let (cleaners, events) = (open_cleaners(run, registries).await, run.events());
    let to = TagMove { children: &children, ..tag_move(run, &list, &build) };
    let mut mover = Mover::begin(registries, &cleaners, to, &events).await?;
    let staged = run.phase(Phase::List, async {
        for at in 0..registries.len() {
            restore_children(registries, at, &children, &events).await?;
        }
        Ok::<_, Failure>(put_list(registries, &list).await?)
    });
    if let Err(failure) = staged.await {
        return Err(mover.overtaken_or(failure).await);
    }
    let superseded = Superseded::new(run, &cleaners, &list);
    run.gate.pass();
    if let Some(superseded) = &superseded {
        superseded.before(&mover).await;
    }
    let committed = run.gate.finish(run.phase(Phase::Commit, mover.advance()), FINISH_MAX).await;
    let Some(committed) = committed else {
        let cancelled = |message| Failure::new(Exit::Superseded, message);
        let put_back = timeout(PUT_BACK_MAX, mover.put_back(cancelled("the run was cancelled"))).await;
        let left = || format!("{} may point at different images; the next run heals it", run.plan.tag);
        return Err(put_back.unwrap_or_else(|_| cancelled("the run was cancelled while it moved a tag").left(left())));
    };
    committed?;
    let mut cleanup = Vec::new();
    let rest = async {
        let read_back = async {
            mover.confirm().await?;
            let is_shared = records.iter().any(|record| record.image.bytes_uploaded == 0);
            if is_shared && !run.plan.floating() { outlast_clean_up(&mut mover).await } else { Ok(()) }
        };
        run.phase(Phase::ReadBack, read_back).await?;
        visibility::check(run, &list.digest).await;
        if let Some(superseded) = &superseded {
            let cleaned = async {
                cleanup = superseded.after(&mover).await;
                cleanup.extend(cache::prune_after(run, records).await);
                Ok::<_, Failure>(())
            };
            run.phase(Phase::Clean, cleaned).await?;
            // The last act: an older run may have overwritten the tag meanwhile.
            mover.settle().await?;
        }
        Ok::<_, Failure>(())
    };
    match run.gate.finish(rest, Duration::ZERO).await {
        Some(Ok(())) => {}
        Some(Err(failure)) if failure.exit == Exit::Superseded => return Err(failure),
        // What went wrong may be a newer run's doing.
        Some(Err(failure)) => return Err(mover.overtaken_or(failure).await),
        None => run.warn(format!(
            "told to stop: {} was moved on all registries; reading it back and the clean-up were left to the next run",
            run.plan.tag
        )),
    }
    Ok(published(run, records, registries, &list.digest, &mover, cleanup))
}

/// How a run ends that could not stage an image: overtaken, if a newer build is live.
pub(super) async fn overtaken_or(run: &Run, registries: &[Arc<Registry>], failure: Failure) -> Failure {
    let Commit { revision, time, parents, .. } = &run.commit;
    let build = Build {
        revision: Some(revision.clone()),
        committed: time.map(|seconds| UNIX_EPOCH + Duration::from_secs(seconds)),
        parents: parents.iter().flat_map(|it| it.split_whitespace()).map(Into::into).collect(),
    };
    let nothing = RawManifest::new(DOCKER_LIST, "");
    match Mover::begin(registries, &[], tag_move(run, &nothing, &build), &run.events()).await {
        Err(overtaken) if overtaken.exit == Exit::Superseded => overtaken.because(failure),
        _ => failure,
    }
}

/// This run's move of its tag to a list.
fn tag_move<'a>(run: &'a Run, list: &'a RawManifest, build: &'a Build) -> TagMove<'a> {
    let (tag, floating, even_if_older) = (&run.plan.tag, run.plan.floating(), run.even_if_older);
    TagMove { tag, list, children: &[], build, floating, even_if_older }
}

/// A release of an image that was there before shares it with what `latest` pointed at. If `latest` has left it, that
/// run's clean-up may have looked before the release had its tag, and its deletion may be on its way: a registry takes
/// the tag with it then. So the release outlasts that deletion and looks once more. A clean-up that begins later sees it.
async fn outlast_clean_up(mover: &mut Mover<'_>) -> Result<(), Failure> {
    if mover.was_tagged_before() || mover.shares_with(&Tag::latest()).await {
        return Ok(());
    }
    sleep(DELETION_MAX).await;
    mover.confirm().await
}
