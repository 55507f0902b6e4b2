//! Registries that fail: for a moment, for good, or with conditions.

use hyper::StatusCode;

use crate::{
    harness::{
        HarnessError,
        proxy::{Answer, Effect, Limit, Rule},
    },
    history::Kind,
    scenario::{AMD64, ARM64, World},
};

/// How often a request fails before it works: one time less than it may be tried.
const FAILURES: usize = 2;
/// Requests that begin an upload.
pub(super) const BEGINS: [Kind; 3] = [Kind::UploadBegin, Kind::UploadMount, Kind::UploadWhole];
/// Requests that carry the bytes of a blob.
pub(super) const BYTES: [Kind; 3] = [Kind::UploadAppend, Kind::UploadFinish, Kind::UploadWhole];

/// Docker Hub takes amd64's image, then no more layers.
pub(super) async fn push_fails(world: &mut World) -> Result<(), HarnessError> {
    world.publish_main("good").await?;
    world.change("second")?;
    let mut run = world.begin_main("arm64 cannot be pushed");
    run.prepare(world).await?;
    let amd64 = run.build(world, AMD64).await?;
    world.dockerhub().add(Rule::on_any(&BEGINS).named("no more layers").answer(503));
    let arm64 = run.build(world, ARM64).await?;
    world.heal();
    if amd64 && arm64 {
        run.merge(world).await?;
    }
    world.end(run).await
}

/// Whichever registry is asked second takes everything but the tag.
pub(super) async fn tag_refused(world: &mut World) -> Result<(), HarnessError> {
    world.publish_main("good").await?;
    world.change("second")?;
    world.on_the_second(|| Rule::on(Kind::ManifestPut).reference("latest").named("tag refused").answer(500));
    world.publish_main("refused").await
}

/// Each kind of writing request fails twice with another status, and then works.
pub(super) async fn transients(world: &mut World) -> Result<(), HarnessError> {
    world.ghcr().add(Rule::on_any(&BYTES).named("bytes fail twice").times(FAILURES).answer(502));
    world.dockerhub().add(Rule::on_any(&BEGINS).named("uploads fail twice").times(FAILURES).answer(503));
    world.publish_main("uploads").await?;
    world.heal();
    world.change("second")?;
    world
        .ghcr()
        .add(Rule::on(Kind::ManifestPut).any_digest().named("manifests fail twice").times(FAILURES).answer(500));
    world.dockerhub().add(Rule::on(Kind::ManifestPut).any_tag().named("tags fail twice").times(FAILURES).answer(504));
    world.publish_main("manifests").await
}

/// Docker Hub denies, and then is down.
pub(super) async fn refusals(world: &mut World) -> Result<(), HarnessError> {
    world.publish_main("good").await?;
    world.change("denied")?;
    let denied = Answer::error(StatusCode::FORBIDDEN, "DENIED", "requested access to the resource is denied");
    world.dockerhub().add(Rule::on_any(&BEGINS).named("denied").answer(denied));
    world.publish_main("denied").await?;
    world.heal();
    world.change("down")?;
    world.dockerhub().add(Rule::on_any(&BEGINS).named("down").answer(503));
    world.publish_main("down").await
}

/// Both registries limit the rate, each time in another form.
pub(super) async fn rate_limits(world: &mut World) -> Result<(), HarnessError> {
    world.dockerhub().add(Rule::on_any(&BEGINS).named("wait in seconds").times(1).limit(Limit::Seconds(1)));
    world
        .dockerhub()
        .add(Rule::on(Kind::ManifestPut).any_digest().named("wait until a date").times(1).limit(Limit::Date(2)));
    world.ghcr().add(Rule::on_any(&BEGINS).named("too many requests in plain text").times(1).limit(Limit::Plain(1)));
    world.ghcr().add(
        Rule::on(Kind::ManifestPut).any_digest().named("secondary rate limit").times(1).limit(Limit::Secondary(1)),
    );
    world.publish_main("limited").await
}

/// Each registry once calls a good token expired when it is given a manifest.
pub(super) async fn token_expires(world: &mut World) -> Result<(), HarnessError> {
    for (name, proxy) in [("ghcr's token expires", world.ghcr()), ("docker hub's token expires", world.dockerhub())] {
        proxy.add(Rule::on(Kind::ManifestPut).named(name).times(1).then(Effect::ExpireToken));
    }
    world.publish_main("main").await
}

/// The connection breaks in the middle of a layer, and the answer to a tag gets lost.
pub(super) async fn broken_upload(world: &mut World) -> Result<(), HarnessError> {
    world
        .dockerhub()
        .add(Rule::on_any(&BYTES).named("breaks off").times(1).then(Effect::CutRequest(BYTES_BEFORE_BREAK)));
    world.ghcr().add(Rule::on(Kind::ManifestPut).any_tag().named("answer lost").times(1).then(Effect::LoseAnswer));
    world.publish_main("broken").await
}

/// So many bytes of a blob reach the registry before the connection breaks.
const BYTES_BEFORE_BREAK: u64 = 100;

/// GHCR goes on showing the old image for some reads after it has taken the new one.
pub(super) async fn stale_reads(world: &mut World) -> Result<(), HarnessError> {
    world.publish_main("good").await?;
    world.change("second")?;
    world.ghcr().add(
        Rule::on(Kind::ManifestPut)
            .reference("latest")
            .named("shown late")
            .times(1)
            .then(Effect::StaleReads(STALE_READS)),
    );
    world.publish_main("stale").await
}

/// How many reads show what was there before.
const STALE_READS: usize = 2;
