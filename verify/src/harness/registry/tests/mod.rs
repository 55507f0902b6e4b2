//! Tests with the real registry: what its storage shows, and that it believes the token service's tokens.

mod leaks;

use std::time::{Duration, SystemTime};

use reqwest::{Client, Method, StatusCode};
use serde_json::{Value, json};
use sha2::{Digest as _, Sha256};

use super::{Backend, Registry};
use crate::harness::token::{Access, TokenService};

const REPOSITORY: &str = "acme/hello";
const IMAGE: &str = "application/vnd.docker.distribution.manifest.v2+json";
const LIST: &str = "application/vnd.docker.distribution.manifest.list.v2+json";

pub(in crate::harness) fn sha256(bytes: &[u8]) -> String {
    Sha256::digest(bytes).iter().fold("sha256:".to_owned(), |text, byte| text + &format!("{byte:02x}"))
}

pub(in crate::harness) fn http() -> Client {
    // The client is not made without a provider, though it never speaks TLS.
    let _ = rustls::crypto::ring::default_provider().install_default();
    Client::builder().no_proxy().build().unwrap()
}

/// Sends a request to a path in the repository.
async fn send(registry: &Registry, method: Method, path: &str, media_type: &str, body: Vec<u8>) -> reqwest::Response {
    let url = format!("http://{}/v2/{REPOSITORY}/{path}", registry.host());
    let request = http().request(method, url).header("content-type", media_type).header("accept", media_type);
    request.body(body).send().await.unwrap()
}

async fn push_blob(registry: &Registry, bytes: &[u8]) -> String {
    let begun = send(registry, Method::POST, "blobs/uploads/", "application/octet-stream", Vec::new()).await;
    let location = begun.headers()["location"].to_str().unwrap();
    let request = http().put(format!("{location}&digest={}", sha256(bytes)));
    let put = request.header("content-type", "application/octet-stream").body(bytes.to_vec()).send().await.unwrap();
    assert_eq!(put.status(), StatusCode::CREATED);
    sha256(bytes)
}

async fn put(registry: &Registry, reference: &str, media_type: &str, document: &Value) -> String {
    let bytes = document.to_string().into_bytes();
    let (digest, path) = (sha256(&bytes), format!("manifests/{reference}"));
    assert_eq!(send(registry, Method::PUT, &path, media_type, bytes).await.status(), StatusCode::CREATED);
    digest
}

/// Pushes an image by digest and puts a list of it under two tags. Returns both digests.
async fn push(registry: &Registry) -> (String, String) {
    let config = push_blob(registry, b"{}").await;
    let image = json!({"schemaVersion": 2, "mediaType": IMAGE, "layers": [],
        "config": {"mediaType": "application/vnd.docker.container.image.v1+json", "digest": config, "size": 2}});
    let (digest, size) = (sha256(image.to_string().as_bytes()), image.to_string().len());
    let image = put(registry, &digest, IMAGE, &image).await;
    let entry = json!({"mediaType": IMAGE, "digest": image, "size": size,
        "platform": {"architecture": "amd64", "os": "linux"}});
    let list = json!({"schemaVersion": 2, "mediaType": LIST, "manifests": [entry]});
    put(registry, "latest", LIST, &list).await;
    (put(registry, "1.2.0", LIST, &list).await, image)
}

async fn status(registry: &Registry, reference: &str) -> u16 {
    send(registry, Method::GET, &format!("manifests/{reference}"), LIST, Vec::new()).await.status().as_u16()
}

#[rstest::rstest]
#[case::process(Backend::Process)]
#[case::container(Backend::Container)]
#[tokio::test]
async fn a_storage_shows_what_was_pushed_and_what_it_removes_is_gone_for_clients(#[case] backend: Backend) {
    let registry = Registry::start(backend, None).await.unwrap();
    let storage = registry.storage();
    assert!(storage.repositories().unwrap().is_empty() && storage.tags(REPOSITORY).unwrap().is_empty());
    let (list, image) = push(&registry).await;

    assert_eq!(storage.repositories().unwrap(), [REPOSITORY]);
    let tags = ["1.2.0", "latest"].map(|tag| (tag.to_owned(), list.clone()));
    assert_eq!(storage.tags(REPOSITORY).unwrap().into_iter().collect::<Vec<_>>(), tags);
    assert_eq!(storage.manifests(REPOSITORY).unwrap().len(), 2);
    let stored = storage.manifest(REPOSITORY, &list).unwrap().unwrap();
    assert_eq!((stored.media_type.as_str(), sha256(&stored.bytes)), (LIST, list.clone()));
    assert_eq!(storage.manifest("acme/other", &list).unwrap(), None);
    assert!(storage.has_blob(REPOSITORY, &sha256(b"{}")).unwrap());
    assert!(!storage.has_blob("acme/other", &sha256(b"{}")).unwrap());
    assert!(!storage.has_blob(REPOSITORY, "latest").unwrap());

    assert!(storage.remove_tag(REPOSITORY, "latest").unwrap());
    assert!(!storage.remove_tag(REPOSITORY, "latest").unwrap(), "it is gone already");
    assert_eq!([status(&registry, "latest").await, status(&registry, "1.2.0").await], [404, 200]);
    assert!(storage.remove_manifest(REPOSITORY, &list).unwrap());
    assert!(!storage.remove_manifest(REPOSITORY, &list).unwrap(), "it is gone already");
    assert_eq!([status(&registry, "1.2.0").await, status(&registry, &list).await], [404, 404]);
    assert_eq!(status(&registry, &image).await, 200);
}

#[tokio::test]
async fn a_state_is_put_back_for_all_registries_on_the_storage() {
    let registry = Registry::start(Backend::Process, None).await.unwrap();
    let storage = registry.storage();
    let other = Registry::start_on(storage, None).await.unwrap();
    let (list, image) = push(&registry).await;
    let state = storage.state().unwrap();
    storage.record_changes();
    assert!(storage.remove_manifest(REPOSITORY, &image).unwrap());
    assert_eq!(send(&other, Method::DELETE, &format!("manifests/{list}"), LIST, Vec::new()).await.status(), 202);
    storage.record_change().unwrap();
    assert_eq!(storage.take_changes().iter().map(|it| it[REPOSITORY].manifests.len()).collect::<Vec<_>>(), [1, 0]);
    storage.restore(&state).unwrap();
    assert_eq!(storage.state().unwrap(), state);
    for registry in [&registry, &other] {
        assert_eq!([status(registry, "latest").await, status(registry, &image).await], [200, 200]);
    }
    storage.restore(&super::StorageState::new()).unwrap();
    assert_eq!(status(&registry, "latest").await, 404);
    assert_eq!(push(&registry).await, (list, image), "what was there can be pushed again");
}

#[tokio::test]
async fn a_link_that_is_being_written_is_read_again() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("link");
    assert_eq!(super::storage::read_link(&file).unwrap(), None);
    std::fs::write(&file, "").unwrap();
    assert_eq!(super::storage::read_link(&file).unwrap_err().kind(), std::io::ErrorKind::InvalidData);
    let late = file.clone();
    let writer = std::thread::spawn(move || std::fs::write(late, "sha256:1").unwrap());
    assert_eq!(super::storage::read_link(&file).unwrap().as_deref(), Some("sha256:1"));
    writer.join().unwrap();
}

#[rstest::rstest]
#[case::right(REPOSITORY, 0, 404)]
#[case::almost_expired(REPOSITORY, 290, 404)]
#[case::expired(REPOSITORY, 302, 401)]
#[case::of_another_repository("acme/other", 0, 401)]
#[tokio::test]
async fn the_registry_believes_tokens_for_as_long_as_they_live(
    #[case] repository: &str,
    #[case] age_s: u64,
    #[case] expected: u16,
) {
    let tokens = TokenService::start("registry.example", Vec::new(), &[]).await.unwrap();
    let registry = Registry::start(Backend::Process, Some(&tokens.auth("http://realm.example/token"))).await.unwrap();
    let issued = SystemTime::now() - Duration::from_secs(age_s);
    let token = tokens.token(&[Access::repository(repository, &["pull"])], issued).unwrap();
    let request = http().get(format!("http://{}/v2/{REPOSITORY}/tags/list", registry.host()));
    assert_eq!(request.bearer_auth(token).send().await.unwrap().status(), expected);
}

#[tokio::test]
async fn the_registry_believes_no_other_token_service() {
    let start = || TokenService::start("registry.example", Vec::new(), &[]);
    let (tokens, other) = (start().await.unwrap(), start().await.unwrap());
    let registry = Registry::start(Backend::Process, Some(&tokens.auth("http://realm.example/token"))).await.unwrap();
    let token = other.token(&[], SystemTime::now()).unwrap();
    let answer = http().get(format!("http://{}/v2/", registry.host())).bearer_auth(token).send().await.unwrap();
    let challenge = answer.headers()["www-authenticate"].to_str().unwrap();
    assert_eq!(challenge.split(',').next(), Some("Bearer realm=\"http://realm.example/token\""));
    assert_eq!(answer.status(), StatusCode::UNAUTHORIZED);
}
