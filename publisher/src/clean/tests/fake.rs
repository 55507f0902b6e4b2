//! A repository with all the interfaces by which it can be cleaned, on one socket: the registry, GitHub Packages, Docker
//! Hub's API. It behaves as theirs do, fails as a test says, and lets another user act at a chosen moment.

mod contents;
mod dockerhub;
mod github;
mod registry;
mod script;

use std::{
    collections::BTreeMap,
    fmt::Write as _,
    sync::{Arc, Mutex, MutexGuard},
};

use axum::{
    Router,
    body::Body,
    extract::{Request, State},
    response::Response,
};
use tokio::{net::TcpListener, task::AbortHandle};

pub(super) use self::contents::{Contents, day, key};
use crate::{
    auth::Credential,
    clean::{Cleaner, Report, Task},
    config::DriverKind,
    environment::Environment,
    oci::{Digest, Tag},
    registry::{
        Hosts,
        testing::{Told, client},
    },
};

/// The token that is good.
pub(super) const TOKEN: &str = "canary-token";

/// A repository that ends with the test.
pub(super) struct FakeRegistry {
    host: String,
    state: Arc<Mutex<Contents>>,
    serving: AbortHandle,
}

impl FakeRegistry {
    pub(super) async fn start(kind: DriverKind) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let host = listener.local_addr().unwrap().to_string();
        let contents = Contents { kind: Some(kind), home: "orgs/acme", ..Contents::default() };
        let state = Arc::new(Mutex::new(contents));
        let router = Router::new().fallback(serve).with_state(Arc::clone(&state));
        let serving = tokio::spawn(async move { axum::serve(listener, router).await.unwrap() });
        Self { host, state, serving: serving.abort_handle() }
    }

    pub(super) fn contents(&self) -> MutexGuard<'_, Contents> {
        self.state.lock().unwrap()
    }

    /// The repository `acme/hello` with its driver, with this token.
    pub(super) fn cleaner_of(&self, name: &str, token: &str) -> (Cleaner, Arc<Told>) {
        let (registry, told) =
            client(&format!("{}/{name}", self.host), Credential::basic("ann", token), &Hosts::default());
        let address = format!("http://{}", self.host);
        let env: Environment =
            [("TALLYMAN_GITHUB_API", address.as_str()), ("TALLYMAN_DOCKERHUB_API", &address)].into_iter().collect();
        let kind = self.contents().kind.unwrap();
        (Cleaner::new(Arc::new(registry), kind, &Credential::basic("ann", token), &env).unwrap(), told)
    }

    pub(super) fn cleaner(&self) -> Cleaner {
        self.cleaner_of("acme/hello", TOKEN).0
    }

    /// Publishes a new `latest` and cleans up after the old one, as a run does.
    pub(super) async fn superseded(&self, old: &Digest) -> Report {
        let (previous, new) = {
            let mut contents = self.contents();
            let new = contents.publish("latest", &format!("after {old}"));
            contents.log.clear();
            (contents.manifest(old), contents.manifest(&new))
        };
        let latest = Tag::latest();
        let task =
            Task { recorded: vec![old.clone()], known: vec![previous], moved: Some((&latest, &new)), dry_run: false };
        self.cleaner().clean(task).await
    }
}

impl Drop for FakeRegistry {
    fn drop(&mut self) {
        self.serving.abort();
    }
}

fn answer(status: u16, body: impl Into<Body>) -> Response {
    Response::builder().status(status).body(body.into()).unwrap()
}

fn absent() -> Response {
    answer(404, r#"{"message":"Not Found"}"#)
}

async fn serve(State(state): State<Arc<Mutex<Contents>>>, request: Request) -> Response {
    let (parts, body) = request.into_parts();
    let body = axum::body::to_bytes(body, usize::MAX).await.unwrap();
    let (method, address) = (parts.method.to_string(), parts.uri.to_string());
    let line = format!("{method} {address}");
    let mut contents = state.lock().unwrap();
    if let Some(prepared) = contents.meet(&line) {
        return prepared;
    }
    let path = parts.uri.path().to_owned();
    let query: BTreeMap<String, String> =
        url::form_urlencoded::parse(parts.uri.query().unwrap_or_default().as_bytes()).into_owned().collect();
    let authorization = parts.headers.get("authorization").map_or("", |it| it.to_str().unwrap()).to_owned();
    if let Some(rest) = path.strip_prefix("/v2/acme/hello/") {
        contents.registry(&method, rest, &parts.headers, &body)
    } else if path.contains("/packages/container/") {
        contents.github(&method, path.trim_start_matches('/'), &query, &authorization)
    } else {
        contents.hub(&method, &path, &query, &authorization, &body)
    }
}

/// What a test sees of a report: each item's fate, one word an item.
pub(super) fn outcomes(report: &Report) -> String {
    let mut text = String::new();
    for item in &report.items {
        write!(text, "{}{:?}", if text.is_empty() { "" } else { " " }, item.outcome).unwrap();
    }
    text
}
