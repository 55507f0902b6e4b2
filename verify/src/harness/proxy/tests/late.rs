//! Tags that show late what they point at.

use rstest::rstest;

use super::support::{MANIFEST, Setup};
use crate::{
    harness::proxy::{Effect, Rule},
    history::Kind,
};

const OTHER: &str = "/v2/acme/hello/manifests/1.0.0";

#[tokio::test]
async fn the_next_reads_show_what_was_there_before() {
    let setup = Setup::start().await;
    setup.send("PUT", MANIFEST, "old").await.unwrap();
    setup.send("PUT", OTHER, "other").await.unwrap();
    let late = setup
        .proxy
        .add(Rule::on(Kind::ManifestPut).reference("latest").named("late").times(1).then(Effect::StaleReads(2)));
    assert_eq!(setup.send("PUT", MANIFEST, "new").await.unwrap().status, 201);
    assert_eq!(setup.send("GET", OTHER, "").await.unwrap().text(), "other");
    let head = setup.send("HEAD", MANIFEST, "").await.unwrap();
    assert_eq!((head.status, head.header("content-length"), &*head.body), (200, "3", &b""[..]));
    let get = setup.send("GET", MANIFEST, "").await.unwrap();
    assert_eq!((get.text(), get.header("content-type")), ("old", "application/json"));
    assert_eq!(setup.send("GET", MANIFEST, "").await.unwrap().text(), "new");
    assert_eq!(late.times(), 1);
    let faults: Vec<_> = setup.history().await.into_iter().map(|it| it.fault.is_some()).collect();
    assert_eq!(faults, [false, false, true, false, true, true, false]);
}

#[tokio::test]
async fn a_first_tag_is_not_there_until_the_rule_is_released() {
    let (setup, late) = Setup::with(Rule::on(Kind::ManifestPut).then(Effect::StaleReads(9))).await;
    assert_eq!(setup.send("PUT", MANIFEST, "new").await.unwrap().status, 201);
    assert_eq!(setup.send("GET", MANIFEST, "").await.unwrap().status, 404);
    late.release();
    assert_eq!(setup.send("GET", MANIFEST, "").await.unwrap().text(), "new");
}

#[rstest]
#[case("/v2/acme/hello/manifests/sha256:12")]
#[case("/v2/acme/hello/blobs/uploads/1?digest=sha256:12")]
#[tokio::test]
async fn only_tags_show_late(#[case] path: &str) {
    let rule = Rule::on_any(&[Kind::ManifestPut, Kind::UploadFinish]).then(Effect::StaleReads(1));
    let (setup, late) = Setup::with(rule).await;
    assert_eq!(setup.send("PUT", path, "new").await.unwrap().status, 201);
    assert_eq!(late.times(), 0);
}
