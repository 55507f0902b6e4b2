//! Other hosts than the registry's: they get the request, never the authorization.

use reqwest::Method;
use rstest::rstest;

use super::{
    super::{
        Cause, Hosts, Name, Registry, RegistryError,
        testing::{Answer, Effect, Fault, Scripted, client, client_with_tls},
    },
    NAME, blob, bytes, push,
};
use crate::{
    auth::{Credential, Scope},
    event::BlobOutcome,
    exit::Failure,
    oci::{Digest, Tag, digest_of},
};

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

/// A registry whose blobs are at `elsewhere`, where a HEAD of one leads.
async fn leading(elsewhere: &Scripted, status: u16, digest: &Digest) -> Scripted {
    let location = format!("http://{}/v2/kept/blobs/{digest}?signature=1", elsewhere.host());
    let redirect = Effect::Answer(Answer::status(status).header("location", location));
    Scripted::start(with_password(vec![Fault::nth(2, "HEAD", "*", redirect)])).await
}

#[rstest]
#[tokio::test]
async fn a_blob_that_is_kept_elsewhere_is_looked_up_there_without_our_authorization(
    #[values(301, 302, 303, 307, 308)] status: u16,
    #[values(true, false)] kept: bool,
) {
    let elsewhere = Scripted::start(Vec::new()).await;
    let digest = if kept { elsewhere.store(|store| store.put_blob("kept", CONFIG)) } else { digest_of(CONFIG) };
    let server = leading(&elsewhere, status, &digest).await;
    assert_eq!(ann(&server).has_blob(&digest).await.unwrap(), kept);
    assert_eq!((authorized(&server, "HEAD"), authorized(&elsewhere, "HEAD")), (vec![false, true], vec![false]));
}

/// An address that is signed for GET alone refuses HEAD: that says nothing about the blob, so it is sent.
#[rstest]
#[case(403)]
#[case(405)]
#[tokio::test]
async fn a_blob_that_cannot_be_looked_up_elsewhere_counts_as_absent(#[case] status: u16) {
    let refusal = Effect::Answer(Answer::status(status));
    let elsewhere = Scripted::start(vec![Fault::nth(1, "HEAD", "*", refusal)]).await;
    let server = leading(&elsewhere, 307, &blob().digest).await;
    assert_eq!(push(&ann(&server)).await.unwrap(), BlobOutcome::Uploaded);
    assert!(server.store(|store| store.blob(NAME, &blob().digest).is_some()));
}

/// A registry that is spoken to with TLS, and where an answer of its leads.
#[tokio::test]
async fn nothing_goes_without_tls_for_a_registry_that_has_it() {
    let elsewhere = Scripted::start(vec![]).await;
    let registry = client_with_tls(&format!("{}/{NAME}", elsewhere.host()));
    let url: reqwest::Url =
        format!("http://{}/v2/acme/hello/blobs/uploads/u1?secret", elsewhere.host()).parse().unwrap();
    let scope = Scope::push(NAME);
    let sent = registry.send(&scope, async || Ok(registry.request(Method::PATCH, url.clone()).body("bytes"))).await;
    let failure = Failure::from(RegistryError {
        registry: "test".into(),
        operation: "push".into(),
        attempts: 1,
        cause: sent.unwrap_err(),
    });
    let said = failure.chain().join(": ");
    assert!(said.contains("http://127.0.0.1") && !said.contains("secret"), "{said}");
    assert!(failure.hint.unwrap().contains("X-Forwarded-Proto"));
    assert!(elsewhere.seen().is_empty());
}

/// What a registry says may repeat what it was sent.
#[rstest]
#[case::password("you sent canary-4711", false)]
#[case::header("you sent Basic YW5uOmNhbmFyeS00NzEx", false)]
#[case::token("you sent Bearer token-1", true)]
#[tokio::test]
async fn a_refusal_that_repeats_a_secret_is_not_quoted(#[case] said: &str, #[case] tokens: bool) {
    let refusal = Answer::status(403).body(format!(r#"{{"errors":[{{"code":"DENIED","message":"{said}"}}]}}"#));
    let faults = vec![Fault::always("GET", "/v2/*", Effect::Answer(refusal))];
    let server = Scripted::start(if tokens { faults } else { with_password(faults) }).await;
    let server = if tokens { server.with_tokens() } else { server };
    let registry = ann(&server);
    registry.has_blob(&digest_of(CONFIG)).await.unwrap();
    let failure = Failure::from(registry.manifest(Name::Tag(&Tag::latest())).await.unwrap_err());
    let said = format!("{failure:?} {}", failure.chain().join(": "));
    assert!(said.contains("DENIED you sent"), "{said}");
    for secret in ["canary-4711", "YW5uOmNhbmFyeS00NzEx", "token-1"] {
        assert!(!said.contains(secret), "{said}");
    }
}
