//! A repository with all the interfaces by which it can be cleaned, on one socket: the registry, GitHub Packages, Docker
//! Hub's API. It behaves as theirs do, fails as a test says, and lets somebody else act at a chosen moment.

use std::{
    collections::BTreeMap,
    fmt::Write as _,
    sync::{Arc, Mutex, MutexGuard},
};

use axum::{
    Router,
    body::{Body, Bytes},
    extract::{Request, State},
    http::HeaderMap,
    response::Response,
};
use serde_json::{Value, json};
use tokio::{net::TcpListener, task::AbortHandle};

use crate::{
    auth::Credential,
    clean::{Report, Site, Task},
    config::DriverKind,
    environment::Environment,
    oci::{DOCKER_LIST, DOCKER_MANIFEST, Digest, OCI_INDEX, RawManifest, Tag},
    registry::{
        Hosts,
        testing::{Told, client},
    },
};

/// The token that is good.
pub(super) const TOKEN: &str = "canary-token";
/// What the clock of the repository says before anything is in it, in seconds since 1970.
const EPOCH: u64 = 1_700_000_000;

/// A repository that ends with the test.
pub(super) struct Ground {
    host: String,
    state: Arc<Mutex<Contents>>,
    serving: AbortHandle,
}

/// A manifest with what only the registry knows of it.
#[derive(Clone)]
struct Version {
    manifest: RawManifest,
    id: u64,
}

/// An answer that is given in place of the usual one.
struct Canned {
    contains: String,
    left: usize,
    status: u16,
    headers: Vec<(&'static str, String)>,
    body: String,
}

type Act = Box<dyn FnOnce(&mut Contents) + Send>;

/// What it holds and how it behaves.
#[derive(Default)]
pub(super) struct Contents {
    kind: Option<DriverKind>,
    /// Oldest first.
    versions: Vec<Version>,
    pub(super) tags: BTreeMap<String, Digest>,
    /// When tags changed, on Docker Hub's clock.
    changed: BTreeMap<String, u64>,
    clock: u64,
    /// `METHOD /path?query` of every request.
    pub(super) log: Vec<String>,
    answers: Vec<Canned>,
    acts: Vec<(String, Act)>,
    /// Below which address GitHub shows the package.
    pub(super) home: &'static str,
    /// Whether GitHub lists the oldest first.
    pub(super) oldest_first: bool,
    /// Whether GitHub leaves out when versions were made.
    pub(super) undated: bool,
    /// How often GitHub still shows `latest` on what it was moved from, and where that is.
    pub(super) lagging: Option<(usize, Digest)>,
    /// Keys that Docker Hub leaves out of its list.
    pub(super) omitted: Vec<&'static str>,
    logins: usize,
}

impl Contents {
    /// Puts in an image for one platform.
    pub(super) fn image(&mut self, name: &str) -> Digest {
        let document = json!({ "schemaVersion": 2, "mediaType": DOCKER_MANIFEST, "config": { "name": name } });
        self.put(DOCKER_MANIFEST, &document)
    }

    /// Puts in a list of what is there.
    pub(super) fn list(&mut self, children: &[&Digest]) -> Digest {
        let entry = |digest: &&Digest| {
            let child = self.find(digest).expect("a list needs its children");
            json!({ "mediaType": child.manifest.media_type, "digest": digest, "size": child.manifest.bytes.len() })
        };
        let entries: Vec<_> = children.iter().map(entry).collect();
        self.put(DOCKER_LIST, &json!({ "schemaVersion": 2, "mediaType": DOCKER_LIST, "manifests": entries }))
    }

    /// Puts in a list that is what its digest says, and makes no sense.
    pub(super) fn nonsense(&mut self, tag: &str) {
        let digest = self.put(DOCKER_LIST, &json!({ "mediaType": DOCKER_LIST, "manifests": [{ "size": 1 }] }));
        self.tag(tag, &digest);
    }

    /// Puts in a list of two new images under a tag.
    pub(super) fn publish(&mut self, tag: &str, name: &str) -> Digest {
        let [one, two] = ["amd64", "arm64"].map(|platform| self.image(&format!("{name}-{platform}")));
        let list = self.list(&[&one, &two]);
        self.tag(tag, &list);
        list
    }

    /// Puts in a signature of something, and the index and fallback tag by which it is found.
    pub(super) fn sign(&mut self, subject: &Digest) -> (Digest, Digest) {
        let document = json!({ "mediaType": DOCKER_MANIFEST, "config": {}, "subject": { "digest": subject } });
        let signature = self.put(DOCKER_MANIFEST, &document);
        let entries = json!([{ "mediaType": DOCKER_MANIFEST, "digest": signature }]);
        let index = self.put(OCI_INDEX, &json!({ "mediaType": OCI_INDEX, "manifests": entries }));
        self.tag(&subject.to_string().replace(':', "-"), &index);
        (index, signature)
    }

    /// Sets a tag.
    pub(super) fn tag(&mut self, tag: &str, digest: &Digest) {
        self.clock += 1;
        self.tags.insert(tag.into(), digest.clone());
        self.changed.insert(tag.into(), self.clock);
    }

    /// What a list names.
    pub(super) fn children(&self, list: &Digest) -> Vec<Digest> {
        let document: Value = serde_json::from_slice(&self.find(list).unwrap().manifest.bytes).unwrap();
        let entries = document["manifests"].as_array().cloned().unwrap_or_default();
        entries.iter().filter_map(|entry| entry["digest"].as_str()?.parse().ok()).collect()
    }

    pub(super) fn manifest(&self, digest: &Digest) -> RawManifest {
        self.find(digest).unwrap().manifest.clone()
    }

    pub(super) fn holds(&self, digest: &Digest) -> bool {
        self.find(digest).is_some()
    }

    pub(super) fn forget(&mut self, digest: &Digest) {
        self.versions.retain(|version| version.manifest.digest != *digest);
        self.tags.retain(|_, at| at != digest);
    }

    /// From now on, so many requests whose line contains this text are answered so.
    pub(super) fn answer(&mut self, contains: &str, times: usize, status: u16, body: &str) {
        let (contains, body) = (contains.into(), body.into());
        self.answers.push(Canned { contains, left: times, status, headers: Vec::new(), body });
    }

    /// The same, with a header.
    pub(super) fn answer_with(&mut self, contains: &str, status: u16, headers: &[(&'static str, &str)], body: &str) {
        let headers = headers.iter().map(|(name, value)| (*name, (*value).to_owned())).collect();
        self.answers.push(Canned { contains: contains.into(), left: 1, status, headers, body: body.into() });
    }

    /// Somebody else acts right before the next request whose line contains this text is served.
    pub(super) fn before(&mut self, contains: &str, act: impl FnOnce(&mut Self) + Send + 'static) {
        self.acts.push((contains.into(), Box::new(act)));
    }

    /// How many requests there were whose line contains this text.
    pub(super) fn count(&self, contains: &str) -> usize {
        self.log.iter().filter(|line| line.contains(contains)).count()
    }

    fn put(&mut self, media_type: &str, document: &Value) -> Digest {
        let manifest = RawManifest::new(media_type, document.to_string());
        let digest = manifest.digest.clone();
        if !self.holds(&digest) {
            self.clock += 1;
            self.versions.push(Version { manifest, id: self.clock });
        }
        digest
    }

    fn find(&self, digest: &Digest) -> Option<&Version> {
        self.versions.iter().find(|version| version.manifest.digest == *digest)
    }

    fn resolve(&self, name: &str) -> Option<&Version> {
        let digest = self.tags.get(name).cloned().or_else(|| name.parse().ok())?;
        self.find(&digest)
    }

    /// The tags of a version, as GitHub shows them.
    fn shown_tags(&mut self, digest: &Digest) -> Vec<String> {
        let at = self.tags.iter().filter(|(_, at)| *at == digest).map(|(tag, _)| tag.clone());
        let mut tags: Vec<_> = at.collect();
        if let Some((left, old)) = &mut self.lagging
            && old == digest
            && *left > 0
        {
            *left -= 1;
            tags.push("latest".into());
        }
        tags
    }
}

impl Ground {
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

    /// The repository `acme/hello` with its driver, for somebody with this token.
    pub(super) fn site_of(&self, name: &str, token: &str) -> (Site, Arc<Told>) {
        let (registry, told) =
            client(&format!("{}/{name}", self.host), Credential::basic("ann", token), &Hosts::default());
        let address = format!("http://{}", self.host);
        let env: Environment =
            [("GITHUB_API_URL", address.as_str()), ("TALLYMAN_DOCKERHUB_API", &address)].into_iter().collect();
        let kind = self.contents().kind.unwrap();
        (Site::new(Arc::new(registry), kind, &Credential::basic("ann", token), &env).unwrap(), told)
    }

    pub(super) fn site(&self) -> Site {
        self.site_of("acme/hello", TOKEN).0
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
        self.site().clean(task).await
    }
}

impl Drop for Ground {
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
    if let Some(at) = contents.acts.iter().position(|(contains, _)| line.contains(contains)) {
        let (_, act) = contents.acts.remove(at);
        act(&mut contents);
    }
    contents.log.push(line.clone());
    let meant = |it: &&mut Canned| it.left > 0 && line.contains(&it.contains);
    if let Some(Canned { left, status, headers, body, .. }) = contents.answers.iter_mut().find(meant) {
        *left -= 1;
        let builder = headers.iter().fold(Response::builder().status(*status), |it, (k, v)| it.header(*k, v.as_str()));
        return builder.body(Body::from(body.clone())).unwrap();
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

impl Contents {
    fn registry(&mut self, method: &str, rest: &str, headers: &HeaderMap, body: &Bytes) -> Response {
        if rest.starts_with("tags/list") {
            return answer(200, json!({ "tags": self.tags.keys().collect::<Vec<_>>() }).to_string());
        }
        let Some(name) = rest.strip_prefix("manifests/") else { return absent() };
        match method {
            "PUT" => {
                let media_type = headers["content-type"].to_str().unwrap();
                let digest = self.put(media_type, &serde_json::from_slice(body).unwrap());
                if !name.contains(':') {
                    self.tag(name, &digest);
                }
                answer(201, "")
            }
            "DELETE" => self.delete(name),
            _ => {
                let Some(Version { manifest, .. }) = self.resolve(name) else { return absent() };
                let builder = Response::builder()
                    .header("content-type", &manifest.media_type)
                    .header("docker-content-digest", manifest.digest.to_string());
                builder.body(Body::from(manifest.bytes.clone())).unwrap()
            }
        }
    }

    fn delete(&mut self, name: &str) -> Response {
        let Ok(digest) = name.parse::<Digest>() else { return answer(405, "") };
        if !self.holds(&digest) {
            return absent();
        }
        match self.kind.unwrap() {
            DriverKind::GitHub => return answer(405, r#"{"errors":[{"code":"UNSUPPORTED"}]}"#),
            // "Only untagged or unreferenced manifests can be deleted."
            DriverKind::DockerHub => {
                let lists: Vec<_> = self.versions.iter().map(|version| version.manifest.digest.clone()).collect();
                let named = lists.iter().any(|list| self.children(list).contains(&digest));
                if named || self.tags.values().any(|at| *at == digest) {
                    return answer(403, r#"{"errors":[{"code":"DENIED"}]}"#);
                }
            }
            DriverKind::Distribution | DriverKind::None => {}
        }
        self.forget(&digest);
        answer(202, "")
    }

    fn github(&mut self, method: &str, path: &str, query: &BTreeMap<String, String>, authorization: &str) -> Response {
        if authorization != format!("Bearer {TOKEN}") {
            return answer(401, r#"{"message":"Bad credentials"}"#);
        }
        let Some(rest) = path.strip_prefix(self.home).and_then(|rest| rest.strip_prefix("/packages/container/")) else {
            return absent();
        };
        let (_, rest) = rest.split_once('/').unwrap_or((rest, ""));
        let rest = rest.strip_prefix("versions").unwrap_or(rest);
        let Some(id) = rest.strip_prefix('/') else { return self.page(path, query, rest.is_empty()) };
        let Some(digest) = self.versions.iter().find(|it| it.id.to_string() == id).map(|it| it.manifest.digest.clone())
        else {
            return absent();
        };
        if method == "DELETE" {
            let is_last = self.tags.values().any(|at| *at == digest) && self.tags.values().all(|at| *at == digest);
            if is_last {
                let message =
                    "You cannot delete the last tagged version of a package. You must delete the package instead.";
                return answer(400, json!({ "message": message }).to_string());
            }
            self.forget(&digest);
            return answer(204, "");
        }
        let version = self.find(&digest).unwrap().clone();
        answer(200, self.version(&version).to_string())
    }

    fn version(&mut self, version: &Version) -> Value {
        let born = std::time::UNIX_EPOCH + std::time::Duration::from_secs(EPOCH + version.id);
        let tags = self.shown_tags(&version.manifest.digest);
        let mut shown = json!({
            "id": version.id, "name": version.manifest.digest,
            "created_at": humantime::format_rfc3339_seconds(born).to_string(),
            "metadata": { "package_type": "container", "container": { "tags": tags } },
        });
        if self.undated {
            shown.as_object_mut().unwrap().remove("created_at");
        }
        shown
    }

    fn page(&mut self, path: &str, query: &BTreeMap<String, String>, whole: bool) -> Response {
        if !query.contains_key("page") {
            return if whole { answer(200, "{}") } else { absent() };
        }
        let (page, size): (usize, usize) = (query["page"].parse().unwrap(), query["per_page"].parse().unwrap());
        let mut versions = self.versions.clone();
        if !self.oldest_first {
            versions.reverse();
        }
        let some: Vec<_> = versions.iter().skip((page - 1) * size).take(size).collect();
        let shown: Vec<_> = some.into_iter().map(|version| self.version(version)).collect();
        let mut builder = Response::builder();
        if page * size < versions.len() {
            builder = builder.header("link", format!("</{path}?page={}>; rel=\"next\"", page + 1));
        }
        builder.body(Body::from(Value::from(shown).to_string())).unwrap()
    }

    fn hub(
        &mut self,
        method: &str,
        path: &str,
        query: &BTreeMap<String, String>,
        authorization: &str,
        body: &Bytes,
    ) -> Response {
        if path == "/v2/auth/token" {
            let login: Value = serde_json::from_slice(body).unwrap();
            if (&login["identifier"], &login["secret"]) != (&"ann".into(), &TOKEN.into()) {
                return answer(401, r#"{"detail":"Incorrect authentication credentials"}"#);
            }
            self.logins += 1;
            return answer(200, json!({ "access_token": format!("session-{}", self.logins) }).to_string());
        }
        if authorization != format!("Bearer session-{}", self.logins) {
            return answer(401, r#"{"detail":"Invalid token"}"#);
        }
        match (method, path) {
            ("GET", "/v2/namespaces/acme/repositories/hello/tags") => self.hub_tags(query),
            ("DELETE", path) => {
                let tag = path.strip_prefix("/v2/repositories/acme/hello/tags/").map(|it| it.trim_end_matches('/'));
                match tag.and_then(|tag| self.tags.remove(tag)) {
                    Some(_) => answer(204, ""),
                    None => absent(),
                }
            }
            _ => absent(),
        }
    }

    fn hub_tags(&self, query: &BTreeMap<String, String>) -> Response {
        let (page, size): (usize, usize) = (query["page"].parse().unwrap(), query["page_size"].parse().unwrap());
        let mut tags: Vec<_> = self.tags.iter().collect();
        tags.sort_by_key(|(tag, _)| std::cmp::Reverse(self.changed[*tag]));
        let entry = |(tag, digest): &(&String, &Digest)| {
            let moment = std::time::UNIX_EPOCH + std::time::Duration::from_secs(EPOCH + self.changed[*tag]);
            let mut images = self.leaves(digest);
            images.sort_by_key(ToString::to_string);
            let images: Vec<_> = images.iter().map(|digest| json!({ "digest": digest })).collect();
            let mut entry = json!({
                "name": tag, "digest": digest, "images": images,
                "last_updated": humantime::format_rfc3339_micros(moment).to_string(),
            });
            for key in &self.omitted {
                entry.as_object_mut().unwrap().remove(*key);
            }
            entry
        };
        let results: Vec<_> = tags.iter().skip((page - 1) * size).take(size).map(entry).collect();
        let next = (page * size < tags.len()).then_some("http://elsewhere.example/");
        answer(200, json!({ "count": tags.len(), "next": next, "results": results }).to_string())
    }

    /// The images below a manifest, as Docker Hub flattens them.
    fn leaves(&self, digest: &Digest) -> Vec<Digest> {
        let children = if self.holds(digest) { self.children(digest) } else { Vec::new() };
        if children.is_empty() {
            vec![digest.clone()]
        } else {
            children.iter().flat_map(|it| self.leaves(it)).collect()
        }
    }
}

/// What a test sees of a report: each item's fate, one word an item.
pub(super) fn fates(report: &Report) -> String {
    let mut text = String::new();
    for item in &report.items {
        write!(text, "{}{:?}", if text.is_empty() { "" } else { " " }, item.outcome).unwrap();
    }
    text
}
