//! Three attempts in all, and one for what cannot succeed.

use std::sync::atomic::Ordering::Relaxed;

use rstest::rstest;

use super::{
    super::{
        Name, Registry, RegistryError,
        testing::{Answer, Effect, Fault, Scripted, registry},
    },
    NAME, blob, manifest, push,
};
use crate::{http::ATTEMPTS_MAX, oci::Tag};

const BLOB: &str = "/v2/acme/hello/blobs/sha256:*";
const UPLOADS: &str = "/v2/acme/hello/blobs/uploads/";
const UPLOAD: &str = "/v2/acme/hello/blobs/uploads/u*";
const MANIFEST: &str = "/v2/acme/hello/manifests/*";

#[derive(Clone, Copy)]
enum Operation {
    LookUpBlob,
    ReadBlob,
    PushBlob,
    LookUpManifest,
    ReadManifest,
    ResolveTag,
    PutManifest,
    DeleteManifest,
}

impl Operation {
    async fn run(self, registry: &Registry) -> Result<(), RegistryError> {
        let (manifest, latest) = (manifest(), Tag::latest());
        let name = Name::Digest(&manifest.digest);
        match self {
            Self::LookUpBlob => registry.has_blob(&blob().digest).await.map(drop),
            Self::ReadBlob => registry.blob(&blob().digest).await.map(drop),
            Self::PushBlob => push(registry).await.map(drop),
            Self::LookUpManifest => registry.has_manifest(&manifest.digest).await.map(drop),
            Self::ReadManifest => registry.manifest(name).await.map(drop),
            Self::ResolveTag => registry.resolve(&latest).await.map(drop),
            Self::PutManifest => registry.put_manifest(name, &manifest).await,
            Self::DeleteManifest => registry.delete_manifest(name).await.map(drop),
        }
    }
}

/// How many of the requests were of this method.
fn count(server: &Scripted, method: &str) -> usize {
    server.seen().iter().filter(|seen| seen.method == method && seen.path != "/token").count()
}

#[rstest]
#[case::look_up_blob(Operation::LookUpBlob, "HEAD", BLOB)]
#[case::read_blob(Operation::ReadBlob, "GET", BLOB)]
#[case::push_blob_look_up(Operation::PushBlob, "HEAD", BLOB)]
#[case::push_blob_open(Operation::PushBlob, "POST", UPLOADS)]
#[case::push_blob_send(Operation::PushBlob, "PATCH", UPLOAD)]
#[case::push_blob_close(Operation::PushBlob, "PUT", UPLOAD)]
#[case::look_up_manifest(Operation::LookUpManifest, "HEAD", MANIFEST)]
#[case::read_manifest(Operation::ReadManifest, "GET", MANIFEST)]
#[case::resolve_tag(Operation::ResolveTag, "HEAD", MANIFEST)]
#[case::put_manifest(Operation::PutManifest, "PUT", MANIFEST)]
#[case::delete_manifest(Operation::DeleteManifest, "DELETE", MANIFEST)]
#[tokio::test]
async fn an_operation_is_tried_three_times(
    #[case] operation: Operation,
    #[case] method: &'static str,
    #[case] path: &'static str,
    #[values(
        Effect::Answer(Answer::status(503).body("<html>")),
        Effect::Answer(Answer::error(429, "TOOMANYREQUESTS")),
        Effect::Break { after: 0, kept: false }
    )]
    effect: Effect,
) {
    let server = Scripted::start(vec![Fault::always(method, path, effect)]).await;
    let (registry, told) = registry(&server, NAME);
    let error = operation.run(&registry).await.unwrap_err();
    assert_eq!((error.attempts, count(&server, method)), (ATTEMPTS_MAX, ATTEMPTS_MAX as usize), "{error:?}");
    assert_eq!((told.waits().len(), registry.traffic.retries.load(Relaxed)), (2, 2));
    assert!(error.to_string().ends_with("after 3 attempts"), "{error}");
}

#[rstest]
#[case::look_up_blob(Operation::LookUpBlob, "HEAD", BLOB, 403, "DENIED")]
#[case::push_blob_look_up(Operation::PushBlob, "HEAD", BLOB, 403, "DENIED")]
#[case::push_blob_nowhere(Operation::PushBlob, "POST", UPLOADS, 404, "NAME_UNKNOWN")]
#[case::push_blob_denied(Operation::PushBlob, "POST", UPLOADS, 403, "DENIED")]
#[case::push_blob_too_large(Operation::PushBlob, "PATCH", UPLOAD, 413, "")]
#[case::push_blob_unwanted(Operation::PushBlob, "PUT", UPLOAD, 400, "NAME_INVALID")]
#[case::read_manifest(Operation::ReadManifest, "GET", MANIFEST, 403, "DENIED")]
#[case::look_up_manifest(Operation::LookUpManifest, "HEAD", MANIFEST, 405, "UNSUPPORTED")]
#[case::put_invalid_manifest(Operation::PutManifest, "PUT", MANIFEST, 400, "MANIFEST_INVALID")]
#[case::put_manifest_nowhere(Operation::PutManifest, "PUT", MANIFEST, 404, "NAME_UNKNOWN")]
#[case::put_manifest_denied(Operation::PutManifest, "PUT", MANIFEST, 403, "DENIED")]
#[case::delete_denied(Operation::DeleteManifest, "DELETE", MANIFEST, 403, "DENIED")]
#[case::not_made(Operation::PutManifest, "PUT", MANIFEST, 501, "")]
#[tokio::test]
async fn a_permanent_error_is_tried_once(
    #[case] operation: Operation,
    #[case] method: &'static str,
    #[case] path: &'static str,
    #[case] status: u16,
    #[case] code: &str,
) {
    let refusal = Effect::Answer(Answer::error(status, code));
    let server = Scripted::start(vec![Fault::always(method, path, refusal)]).await;
    let (registry, told) = registry(&server, NAME);
    let error = operation.run(&registry).await.unwrap_err();
    assert_eq!((error.attempts, count(&server, method), told.waits().len()), (1, 1, 0), "{error:?}");
    assert_eq!(error.cause.refusal().unwrap().status, status);
}

#[rstest]
#[case::look_up_blob(Operation::LookUpBlob, "HEAD", BLOB)]
#[case::push_blob(Operation::PushBlob, "POST", UPLOADS)]
#[case::put_manifest(Operation::PutManifest, "PUT", MANIFEST)]
#[case::delete_manifest(Operation::DeleteManifest, "DELETE", MANIFEST)]
#[tokio::test]
async fn a_fresh_token_that_is_refused_ends_it(
    #[case] operation: Operation,
    #[case] method: &'static str,
    #[case] path: &'static str,
) {
    let refusal =
        Answer::error(401, "UNAUTHORIZED").header("www-authenticate", r#"Bearer realm="http://{host}/token""#);
    let server = Scripted::start(vec![Fault::always(method, path, Effect::Answer(refusal))]).await.with_tokens();
    let (registry, told) = registry(&server, NAME);
    let error = operation.run(&registry).await.unwrap_err();
    assert_eq!((error.attempts, count(&server, method), told.waits().len()), (1, 2, 0), "{error:?}");
    assert_eq!(error.cause.refusal().unwrap().status, 401);
}

#[rstest]
#[case(403, "rate limit exceeded", "PUT")]
#[case(429, "Too Many Requests", "PUT")]
#[case(499, "", "PUT")]
#[case(522, "<html>", "PUT")]
#[case(404, r#"{"errors":[{"code":"MANIFEST_BLOB_UNKNOWN"}]}"#, "PUT")]
#[case(404, r#"{"errors":[{"code":"MANIFEST_UNKNOWN"}]}"#, "PUT")]
#[tokio::test]
async fn what_passes_is_survived(#[case] status: u16, #[case] body: &str, #[case] method: &'static str) {
    let refusal = Effect::Answer(Answer::status(status).body(body));
    let server = Scripted::start(vec![
        Fault::nth(1, method, MANIFEST, refusal),
        Fault::nth(2, method, MANIFEST, Effect::Break { after: 1, kept: false }),
    ])
    .await;
    let (registry, told) = registry(&server, NAME);
    let manifest = manifest();
    registry.put_manifest(Name::Tag(&Tag::latest()), &manifest).await.unwrap();
    assert_eq!(told.waits().len(), 2);
    assert_eq!(
        server.store(|store| store.tag(NAME, "latest").map(ToOwned::to_owned)),
        Some(manifest.digest.to_string())
    );
}

#[tokio::test]
async fn a_refusal_before_the_body_was_read_is_reported() {
    let denied = Effect::EarlyAnswer(Answer::error(403, "DENIED"));
    let server = Scripted::start(vec![Fault::nth(1, "PATCH", UPLOAD, denied)]).await;
    let (registry, _) = registry(&server, NAME);
    let error = push(&registry).await.unwrap_err();
    assert_eq!(error.cause.refusal().map(|refusal| refusal.status), Some(403), "{error:?}");
    assert_eq!(error.attempts, 1);
}
