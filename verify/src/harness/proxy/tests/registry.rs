//! The proxy before the real reference registry.

use std::{collections::BTreeSet, sync::Arc};

use sha2::{Digest as _, Sha256};

use super::support::{Reply, send};
use crate::{
    harness::{
        management::{docker_hub, github},
        proxy::{Effect, Proxy, Rule},
        registry::{Backend, Registry},
        token::{Access, TokenService},
    },
    history::{Challenge, Exchange, Kind, Recorder, Service},
};

const REPOSITORY: &str = "acme/hello";
const MANIFEST_TYPE: (&str, &str) = ("content-type", "application/vnd.oci.image.index.v1+json");
const ACCEPT: (&str, &str) = ("accept", "application/vnd.oci.image.index.v1+json");

/// A registry as a process, and a proxy before it.
struct Real {
    proxy: Proxy,
    recorder: Recorder,
    registry: Registry,
}

impl Real {
    async fn start() -> Self {
        Self::before(Registry::start(Backend::Process, None).await.unwrap()).await
    }

    async fn before(registry: Registry) -> Self {
        let recorder = Recorder::default();
        let proxy = Proxy::start("ghcr", Service::Registry, &recorder).await.unwrap();
        proxy.set_upstream(registry.host());
        Self { proxy, recorder, registry }
    }

    async fn send(
        &self,
        method: &str,
        path: &str,
        headers: &[(&str, &str)],
        body: &[u8],
    ) -> Result<Reply, hyper::Error> {
        let path = path.strip_prefix(&self.proxy.url()).unwrap_or(path);
        send(self.proxy.address(), method, path, headers, body.to_vec()).await
    }

    /// Asks the registry itself.
    async fn behind(&self, method: &str, path: &str) -> Reply {
        send(self.registry.host().parse().unwrap(), method, path, &[ACCEPT], "").await.unwrap()
    }

    /// Begins an upload; gives its address.
    async fn begin(&self) -> Reply {
        self.send("POST", &format!("/v2/{REPOSITORY}/blobs/uploads/"), &[], b"").await.unwrap()
    }

    async fn push(&self, blob: &[u8]) -> Reply {
        let location = self.begin().await.header("location").to_owned();
        let appended = self.send("PATCH", &location, &[], blob).await.unwrap();
        assert_eq!(appended.status, 202);
        let location = format!("{}&digest={}", appended.header("location"), digest(blob));
        self.send("PUT", &location, &[], b"").await.unwrap()
    }

    async fn put(&self, tag: &str, manifest: &str) -> Result<Reply, hyper::Error> {
        self.send("PUT", &manifest_path(tag), &[MANIFEST_TYPE], manifest.as_bytes()).await
    }

    async fn history(self) -> Vec<Exchange> {
        self.proxy.end().await;
        assert_eq!(self.recorder.trouble(), Vec::<String>::new());
        let history = self.recorder.history();
        assert!(history.iter().all(|it| it.operation.is_some()));
        history
    }
}

fn digest(bytes: &[u8]) -> String {
    Sha256::digest(bytes).iter().fold("sha256:".to_owned(), |text, byte| text + &format!("{byte:02x}"))
}

fn manifest_path(reference: &str) -> String {
    format!("/v2/{REPOSITORY}/manifests/{reference}")
}

/// A list without children, unlike others.
fn list(name: &str) -> String {
    format!(r#"{{"schemaVersion":2,"mediaType":"{}","manifests":[],"annotations":{{"n":"{name}"}}}}"#, MANIFEST_TYPE.1)
}

#[tokio::test]
async fn a_push_goes_through_and_every_address_leads_back() {
    let real = Real::start().await;
    let begun = real.begin().await;
    assert!(begun.header("location").starts_with(&real.proxy.url()), "{}", begun.header("location"));
    let blob = vec![7; 1_000_000];
    assert_eq!(real.push(&blob).await.status, 201);
    assert_eq!(real.behind("HEAD", &format!("/v2/{REPOSITORY}/blobs/{}", digest(&blob))).await.status, 200);
    assert_eq!(real.put("latest", &list("a")).await.unwrap().status, 201);
    assert_eq!(real.behind("GET", &manifest_path("latest")).await.text(), list("a"));
    let history = real.history().await;
    let kinds: Vec<_> = history.iter().map(|it| it.operation.as_ref().unwrap().kind).collect();
    let upload = [Kind::UploadBegin, Kind::UploadAppend, Kind::UploadFinish];
    assert_eq!(kinds, [&[Kind::UploadBegin], &upload[..], &[Kind::ManifestPut]].concat());
    assert_eq!(history[3].operation.as_ref().unwrap().reference, Some(digest(&blob)));
    assert_eq!((history[2].sent, history[4].digest.clone()), (1_000_000, Some(digest(list("a").as_bytes()))));
}

#[tokio::test]
async fn an_upload_that_breaks_off_leaves_no_blob_and_works_anew() {
    let real = Real::start().await;
    let broken =
        real.proxy.add(Rule::on(Kind::UploadAppend).named("breaks off").times(1).then(Effect::CutRequest(100_000)));
    let blob = vec![7; 1_000_000];
    let location = real.begin().await.header("location").to_owned();
    assert!(real.send("PATCH", &location, &[], &blob).await.is_err());
    assert_eq!(broken.times(), 1);
    assert_eq!(real.behind("HEAD", &format!("/v2/{REPOSITORY}/blobs/{}", digest(&blob))).await.status, 404);
    assert_eq!(real.push(&blob).await.status, 201);
}

#[tokio::test]
async fn a_lost_answer_means_that_the_registry_has_it() {
    let real = Real::start().await;
    let lost = real.proxy.add(Rule::on(Kind::ManifestPut).any_tag().named("lost").times(1).then(Effect::LoseAnswer));
    assert!(real.put("latest", &list("a")).await.is_err());
    assert_eq!(lost.times(), 1);
    assert_eq!(real.behind("GET", &manifest_path("latest")).await.text(), list("a"));
}

#[tokio::test]
async fn a_refused_or_reset_put_means_that_the_registry_has_it_not() {
    let real = Real::start().await;
    real.proxy.add(Rule::on(Kind::ManifestPut).times(1).answer(500));
    real.proxy.add(Rule::on(Kind::ManifestPut).times(1).then(Effect::Reset(Arc::new(|| {}))));
    assert_eq!(real.put("latest", &list("a")).await.unwrap().status, 500);
    assert!(real.put("latest", &list("a")).await.is_err());
    assert_eq!(real.behind("GET", &manifest_path("latest")).await.status, 404);
    assert_eq!(real.put("latest", &list("a")).await.unwrap().status, 201);
}

#[tokio::test]
async fn a_tag_shows_late_while_the_registry_has_it() {
    let real = Real::start().await;
    real.put("latest", &list("old")).await.unwrap();
    real.proxy.add(Rule::on(Kind::ManifestPut).reference("latest").times(1).then(Effect::StaleReads(2)));
    real.put("latest", &list("new")).await.unwrap();
    assert_eq!(real.behind("GET", &manifest_path("latest")).await.text(), list("new"));
    for expected in ["old", "old", "new"] {
        let reply = real.send("GET", &manifest_path("latest"), &[ACCEPT], b"").await.unwrap();
        assert_eq!(reply.text(), list(expected));
        assert_eq!(reply.header("docker-content-digest"), digest(list(expected).as_bytes()));
    }
}

#[tokio::test]
async fn the_challenge_of_an_expired_token_is_the_registrys_own() {
    let tokens = TokenService::start("here", Vec::new(), &[]).await.unwrap();
    let auth = tokens.auth("http://127.0.0.1:1/token");
    let real = Real::before(Registry::start(Backend::Process, Some(&auth)).await.unwrap()).await;
    let anonymous = real.put("latest", &list("a")).await.unwrap();
    let own = Challenge::parse(anonymous.header("www-authenticate")).unwrap();
    let expired = real.proxy.add(Rule::on(Kind::ManifestPut).times(1).then(Effect::ExpireToken));
    let bearer = || {
        let access = Access::repository(REPOSITORY, &["pull", "push"]);
        format!("Bearer {}", tokens.token(&[access], std::time::SystemTime::now()).unwrap())
    };
    let (first, second) = (bearer(), bearer());
    let headers = [MANIFEST_TYPE, ("authorization", &first)];
    let refused = real.send("PUT", &manifest_path("latest"), &headers, list("a").as_bytes()).await.unwrap();
    let challenge = Challenge::parse(refused.header("www-authenticate")).unwrap();
    assert_eq!((refused.status, expired.times()), (401, 1));
    assert_eq!(challenge.get("error"), Some("invalid_token"));
    for name in ["realm", "service"] {
        assert_eq!(challenge.get(name), own.get(name), "{name}");
    }
    // The registry names the actions in any order.
    let scope = |challenge: &Challenge| {
        let (repository, actions) = challenge.get("scope").and_then(|scope| scope.rsplit_once(':')).unwrap();
        (repository.to_owned(), actions.split(',').map(str::to_owned).collect::<BTreeSet<_>>())
    };
    assert_eq!(scope(&challenge), scope(&own));
    let headers = [MANIFEST_TYPE, ("authorization", &second)];
    let taken = real.send("PUT", &manifest_path("latest"), &headers, list("a").as_bytes()).await.unwrap();
    assert_eq!(taken.status, 201);
}

#[tokio::test]
async fn ghcr_deletes_nothing() {
    let real = Real::start().await;
    real.proxy.add_standing(github::registry_rule());
    real.put("latest", &list("a")).await.unwrap();
    let path = manifest_path(&digest(list("a").as_bytes()));
    let refused = real.send("DELETE", &path, &[], b"").await.unwrap();
    assert_eq!(refused.status, 405);
    assert!(refused.text().contains("UNSUPPORTED"));
    assert_eq!(real.behind("HEAD", &path).await.status, 200);
    assert_eq!(real.proxy.fired(), []);
}

#[tokio::test]
async fn docker_hub_deletes_by_digest_what_no_tag_names() {
    let real = Real::start().await;
    real.proxy.add_standing(docker_hub::registry_rule(real.registry.storage().clone()));
    real.put("latest", &list("a")).await.unwrap();
    assert_eq!(real.send("DELETE", &manifest_path("latest"), &[], b"").await.unwrap().status, 405);
    let path = manifest_path(&digest(list("a").as_bytes()));
    assert_eq!(real.send("DELETE", &path, &[], b"").await.unwrap().status, 403);
    real.registry.storage().remove_tag(REPOSITORY, "latest").unwrap();
    assert_eq!(real.send("DELETE", &path, &[], b"").await.unwrap().status, 202);
    assert_eq!(real.behind("HEAD", &path).await.status, 404);
}
