//! How registries are asked: with measure, with patience, and as who one is.

use std::time::{Duration, Instant};

use hyper::{
    StatusCode,
    header::{HeaderName, HeaderValue, RETRY_AFTER},
};

use super::published::{Published, Side, looking};
use crate::{
    client::{
        Environment, Publication, Wait,
        tests::image::{AARCH64, DOCKER, X86_64, image, push_good, push_list},
    },
    harness::proxy::{Answer, Injected, Rule},
    history::Kind,
    target::Live,
    verdict::Verdict,
};

/// Longer than any registry here takes.
const PATIENT: Duration = Duration::from_secs(60);

/// Publishes a good image everywhere.
async fn good(published: &Published, tag: &str) -> String {
    push_good(&published.ghcr.registry, tag, DOCKER).await;
    push_good(&published.dockerhub.registry, tag, DOCKER).await
}

/// What was waited for, and whether it came.
fn told(waits: &[Wait]) -> Vec<(&str, bool)> {
    waits.iter().map(|it| (it.until.as_str(), it.came)).collect()
}

/// Counts of the requests that a registry gets, by what they are for.
struct Counts(Vec<Injected>);

impl Counts {
    fn of(side: &Side) -> Self {
        let rules = [
            Rule::on(Kind::ManifestHead),
            Rule::on(Kind::ManifestGet).any_tag(),
            Rule::on(Kind::ManifestGet).any_digest(),
            Rule::on(Kind::BlobHead),
            Rule::on(Kind::BlobGet),
        ];
        Self(rules.into_iter().map(|rule| side.proxy.add(rule)).collect())
    }

    /// Manifests by HEAD, by tag, by digest; blobs by HEAD, by GET.
    fn now(&self) -> Vec<usize> {
        self.0.iter().map(Injected::times).collect()
    }
}

#[tokio::test]
async fn each_manifest_is_read_once_and_later_rounds_only_ask_whether_it_is_there() {
    let published = Published::start(false).await;
    good(&published, "latest").await;
    good(&published, "1.2.0").await;
    let counts = Counts::of(&published.ghcr);
    let live = published.live(published.options(&["latest", "1.2.0"])).await;
    let first = live.take().await;
    assert_eq!((first.trouble.len(), first.publications.len()), (0, 4));
    assert_eq!(first.publications.iter().filter(|it| it.reference == "latest").count(), 2);
    // Two tags, one of them again with a token; a list and two images with a configuration and a layer each.
    assert_eq!(counts.now(), [3, 0, 3, 0, 4]);
    let second = live.take().await;
    assert_eq!(second.publications, first.publications);
    // Two tags, and once all that they name but the list.
    assert_eq!(counts.now(), [7, 0, 3, 4, 4]);
}

#[tokio::test]
async fn what_goes_missing_between_two_rounds_is_noticed() {
    let published = Published::start(false).await;
    let digest = good(&published, "latest").await;
    let live = published.live(published.options(&["latest"])).await;
    let first = live.take().await;
    let arm64 = first.publications[0].platform("linux/arm64").unwrap().digest().unwrap().to_owned();
    published.dockerhub.registry.delete(&format!("manifests/{arm64}")).await;
    let second = live.take().await;
    let missing: Vec<_> = second.publications.iter().flat_map(|it| &it.missing).collect();
    assert_eq!((missing.len(), missing[0].what.as_str()), (1, &*format!("manifest {arm64}")));
    published.dockerhub.registry.delete(&format!("manifests/{digest}")).await;
    let third = live.take().await;
    assert_eq!(third.publications.iter().filter(|it| it.is_there()).count(), 1);
}

#[tokio::test]
async fn a_public_image_needs_no_account_and_a_private_one_is_nobodys_failure() {
    let published = Published::start(true).await;
    good(&published, "latest").await;
    let nobody = Environment::default();
    let live = Live::new(published.options(&["latest"]), &nobody).await.unwrap();
    let verdicts = live.judge(&looking(), &live.take().await);
    assert!(verdicts.iter().all(|(_, verdict)| verdict.is_green()), "{verdicts:?}");

    let private = Published::start(false).await;
    good(&private, "latest").await;
    let live = Live::new(private.options(&["latest"]), &nobody).await.unwrap();
    let evidence = live.take().await;
    assert!(
        evidence.trouble[0].contains("401") && evidence.trouble[0].contains("podman login"),
        "{:?}",
        evidence.trouble
    );
    let verdicts = live.judge(&looking(), &evidence);
    assert!(verdicts.iter().all(|(_, verdict)| matches!(verdict, Verdict::Unknown { .. })), "{verdicts:?}");
}

#[tokio::test]
async fn a_tag_that_shows_late_is_waited_for_and_the_wait_is_told() {
    let published = Published::start(false).await;
    let old = good(&published, "latest").await;
    let mut new = String::new();
    for side in published.sides() {
        let changed = image("amd64", X86_64).running(serde_json::json!({"Entrypoint": ["/bin/app"]}));
        let entries = [changed.push(&side.registry).await, image("arm64", AARCH64).push(&side.registry).await];
        new = push_list(&side.registry, "latest", DOCKER, &entries).await;
    }
    assert_ne!(old, new);
    let mut options = published.options(&["latest"]);
    (options.expect_digest, options.wait) = (Some(new.clone()), PATIENT);
    let live = published.live(options).await;
    // The first request has no token yet.
    published.dockerhub.proxy.add(Rule::on(Kind::ManifestHead).reference("latest").times(1));
    let digest = HeaderName::from_static("docker-content-digest");
    let stale = Answer::empty(StatusCode::OK).header(digest, HeaderValue::try_from(old).unwrap());
    published.dockerhub.proxy.add(Rule::on(Kind::ManifestHead).reference("latest").times(1).answer(stale));
    let evidence = live.take().await;
    assert_eq!((evidence.trouble.len(), evidence.waits.len()), (0, 1), "{evidence:?}");
    let wait = &evidence.waits[0];
    assert!(wait.came && wait.waited_ms > 0 && wait.until == format!("it shows {new}"), "{wait:?}");
    assert!(evidence.publications.iter().all(|it| it.digest() == Some(&new)));
}

#[tokio::test]
async fn a_tag_that_is_not_there_yet_is_waited_for() {
    let published = Published::start(false).await;
    good(&published, "latest").await;
    let mut options = published.options(&["latest"]);
    options.wait = PATIENT;
    published.ghcr.proxy.add(Rule::on(Kind::ManifestHead).reference("latest").times(1));
    let absent = published.ghcr.proxy.add(Rule::on(Kind::ManifestHead).reference("latest").times(2).answer(404));
    let evidence = published.live(options).await.take().await;
    assert_eq!(absent.times(), 2);
    assert_eq!(told(&evidence.waits), [("it is there", true)]);
    assert!(evidence.publications.iter().all(Publication::is_there));
}

#[tokio::test]
async fn a_part_that_shows_late_is_waited_for() {
    let published = Published::start(false).await;
    let digest = good(&published, "latest").await;
    let mut options = published.options(&["latest"]);
    (options.expect_digest, options.wait) = (Some(digest), PATIENT);
    // Behind the list, the first image.
    published.ghcr.proxy.add(Rule::on(Kind::ManifestGet).any_digest().times(1));
    let late = published.ghcr.proxy.add(Rule::on(Kind::ManifestGet).any_digest().times(1).answer(404));
    let evidence = published.live(options).await.take().await;
    assert_eq!(late.times(), 1);
    assert_eq!(told(&evidence.waits), [("all that it names is there", true)]);
    assert!(evidence.publications.iter().all(|it| it.missing.is_empty()));
}

#[tokio::test]
async fn what_never_shows_is_judged_when_patience_ends() {
    let published = Published::start(false).await;
    good(&published, "latest").await;
    let mut options = published.options(&["latest"]);
    let never = format!("sha256:{}", "0".repeat(64));
    (options.expect_digest, options.wait) = (Some(never), Duration::from_millis(50));
    let live = published.live(options).await;
    let evidence = live.take().await;
    assert_eq!(evidence.waits.iter().filter(|it| !it.came && it.waited_ms >= 50).count(), 2);
    let failed: Vec<String> =
        live.judge(&looking(), &evidence).into_iter().filter(|(_, it)| !it.is_green()).map(|(it, _)| it.id()).collect();
    assert_eq!(failed, ["sc_002::a_tag_has_the_same_digest_on_all_registries"]);
}

#[tokio::test]
async fn one_registry_alone_has_nothing_to_compare_a_digest_with() {
    let published = Published::start(false).await;
    good(&published, "latest").await;
    let mut options = published.options(&["latest"]);
    options.references.truncate(1);
    let live = published.live(options).await;
    let verdicts = live.judge(&looking(), &live.take().await);
    let not_run: Vec<String> =
        verdicts.iter().filter(|(_, it)| matches!(it, Verdict::NotRun { .. })).map(|(it, _)| it.id()).collect();
    assert_eq!(not_run, ["sc_002::a_tag_has_the_same_digest_on_all_registries"]);
    assert_eq!(verdicts.iter().filter(|(_, it)| it.is_green()).count(), verdicts.len() - 1);
}

#[tokio::test]
async fn who_asks_to_be_left_alone_for_long_is_not_asked_again() {
    let published = Published::start(false).await;
    good(&published, "latest").await;
    let hour = HeaderValue::from_static("3600");
    let limit = Answer::from(429).header(RETRY_AFTER, hour);
    published.ghcr.proxy.add(Rule::on(Kind::ManifestHead).times(1));
    let limited = published.ghcr.proxy.add(Rule::on(Kind::ManifestHead).answer(limit));
    let live = published.live(published.options(&["latest"])).await;
    let evidence = live.take().await;
    assert_eq!((limited.times(), evidence.trouble.len()), (1, 1));
    assert!(
        evidence.trouble[0].contains("answers 429") && evidence.trouble[0].contains("hint"),
        "{:?}",
        evidence.trouble
    );
    let verdicts = live.judge(&looking(), &evidence);
    assert!(verdicts.iter().all(|(_, verdict)| matches!(verdict, Verdict::Unknown { .. })), "{verdicts:?}");
}

#[tokio::test]
async fn who_asks_to_be_left_alone_for_a_moment_is_asked_again_then() {
    let published = Published::start(false).await;
    good(&published, "latest").await;
    let limit = Answer::from(429).header(RETRY_AFTER, HeaderValue::from_static("1"));
    let limited = published.ghcr.proxy.add(Rule::on(Kind::ManifestGet).times(2).answer(limit));
    let began = Instant::now();
    let live = published.live(published.options(&["latest"])).await;
    let evidence = live.take().await;
    assert_eq!((limited.times(), evidence.trouble.len()), (2, 0), "{:?}", evidence.trouble);
    assert!(began.elapsed() >= Duration::from_secs(2));
}
