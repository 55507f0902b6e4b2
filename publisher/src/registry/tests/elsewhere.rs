//! Other hosts than the registry's: they get the request, never the authorization.

use rstest::rstest;

use super::{
    super::{
        Cause, Hosts, Registry,
        testing::{Answer, Effect, Fault, Scripted, client},
    },
    NAME, blob, bytes, push,
};
use crate::{auth::Credential, oci::digest_of};

const CONFIG: &[u8] = b"{}";

/// A registry that wants a password, and a client that has it.
fn with_password(mut faults: Vec<Fault>) -> Vec<Fault> {
    let challenge = Answer::error(401, "UNAUTHORIZED").header("www-authenticate", "Basic realm=\"x\"");
    faults.push(Fault::nth(1, "HEAD", "*", Effect::Answer(challenge)));
    faults
}

fn ann(server: &Scripted) -> Registry {
    client(&format!("{}/{NAME}", server.host()), Credential::basic("ann", "canary-4711"), &Hosts::default()).0
}

fn authorized(server: &Scripted, method: &str) -> Vec<bool> {
    let seen = server.seen();
    let of_method = seen.iter().filter(|seen| seen.method == method);
    of_method.map(|seen| seen.header("authorization").is_some()).collect()
}

#[tokio::test]
async fn a_blob_that_is_kept_elsewhere_is_fetched_there_without_our_authorization() {
    let elsewhere = Scripted::start(Vec::new()).await;
    let digest = elsewhere.store(|store| store.put_blob("kept", CONFIG));
    let location = format!("http://{}/v2/kept/blobs/{digest}?signature=1", elsewhere.host());
    let redirect = Effect::Answer(Answer::status(307).header("location", location));
    let server = Scripted::start(with_password(vec![Fault::nth(1, "GET", "*", redirect)])).await;
    let registry = ann(&server);
    assert!(!registry.has_blob(&digest).await.unwrap());
    assert_eq!(registry.blob(&digest).await.unwrap().unwrap(), CONFIG);
    assert_eq!((authorized(&server, "GET"), authorized(&elsewhere, "GET")), (vec![true], vec![false]));
}

#[tokio::test]
async fn a_redirect_within_the_registry_keeps_the_authorization() {
    let digest = digest_of(CONFIG);
    let redirect = Answer::status(302).header("location", format!("/v2/moved/blobs/{digest}"));
    let server =
        Scripted::start(with_password(vec![Fault::nth(1, "GET", "/v2/acme/*", Effect::Answer(redirect))])).await;
    server.store(|store| store.put_blob("moved", CONFIG));
    let registry = ann(&server);
    assert!(!registry.has_blob(&digest).await.unwrap());
    assert_eq!(registry.blob(&digest).await.unwrap().unwrap(), CONFIG);
    assert_eq!(authorized(&server, "GET"), [true, true]);
}

#[tokio::test]
async fn a_circle_of_redirects_ends() {
    let circle = Effect::Answer(Answer::status(307).header("location", "http://{host}/v2/acme/hello/blobs/x"));
    let server = Scripted::start(vec![Fault::always("GET", "*", circle)]).await;
    let error = ann(&server).blob(&digest_of(CONFIG)).await.unwrap_err();
    assert_eq!((error.cause.refusal().unwrap().status, server.seen().len()), (307, 6));
}

#[tokio::test]
async fn bytes_that_another_host_has_changed_are_refused() {
    let elsewhere = Scripted::start(Vec::new()).await;
    let digest = digest_of(CONFIG);
    elsewhere.store(|store| store.put_spoiled_blob("kept", &digest, b"{ }"));
    let location = format!("http://{}/v2/kept/blobs/{digest}", elsewhere.host());
    let redirect = Effect::Answer(Answer::status(307).header("location", location));
    let server = Scripted::start(vec![Fault::nth(1, "GET", "*", redirect)]).await;
    let error = ann(&server).blob(&digest).await.unwrap_err();
    assert!(matches!(error.cause, Cause::DigestMismatch { .. }), "{error:?}");
}

/// The upload's address names another host: bytes and signature are for it, our password is not, even if it asks.
#[rstest]
#[case::it_takes_them(202)]
#[case::it_asks_for_a_login(401)]
#[tokio::test]
async fn an_upload_that_goes_elsewhere_carries_no_authorization(#[case] status: u16) {
    let answer = Answer::status(status).header("www-authenticate", "Basic realm=\"give\"");
    let answer = answer.header("location", "/v2/acme/hello/blobs/uploads/u1");
    let mut faults = vec![Fault::nth(1, "PATCH", "*", Effect::Answer(answer))];
    if status == 202 {
        faults.push(Fault::nth(1, "PUT", "*", Effect::Answer(Answer::status(201))));
    }
    let elsewhere = Scripted::start(faults).await;
    let location = format!("http://{}/v2/acme/hello/blobs/uploads/u1", elsewhere.host());
    let opened = Effect::Answer(Answer::status(202).header("location", location));
    let server = Scripted::start(with_password(vec![Fault::nth(1, "POST", "*", opened)])).await;
    assert_eq!(push(&ann(&server)).await.is_ok(), status == 202);
    assert_eq!(authorized(&server, "POST"), [true]);
    assert_eq!(elsewhere.seen()[0].body, bytes().len(), "{}", blob().digest);
    assert!(elsewhere.seen().iter().all(|seen| seen.header("authorization").is_none()));
    assert_eq!(elsewhere.seen().len(), if status == 202 { 2 } else { 1 });
}
