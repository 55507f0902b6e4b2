//! A real distribution registry as a child process, with a storage of its own and its access log kept.

use std::{
    fs::File,
    path::PathBuf,
    process::{Child, Command, Stdio},
    time::{Duration, Instant},
};

use serde_json::Value;
use tempfile::TempDir;

/// The one account of a registry that wants a login.
pub(crate) const USER: &str = "acme";
/// Its password.
pub(crate) const PASSWORD: &str = "correct horse";
/// User and password as the registry reads them (bcrypt).
const HTPASSWD: &str = "acme:$2b$04$u724Gxe5YL3VRGbLEYV83.TpLukdJKtGOHehvMGy69xPLVPKbu23e\n";
/// How long the registry may take to start.
const START_MAX: Duration = Duration::from_secs(20);

/// A registry that ends with the test.
pub(crate) struct Registry {
    /// Where it listens: `127.0.0.1:12345`.
    pub(crate) host: String,
    folder: TempDir,
    child: Child,
    login: bool,
}

impl Registry {
    /// An open registry.
    pub(crate) async fn start() -> Self {
        Self::launch(false).await
    }

    /// A registry that wants a login.
    pub(crate) async fn start_with_login() -> Self {
        Self::launch(true).await
    }

    async fn launch(login: bool) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let auth = if login { "auth: { htpasswd: { realm: test, path: htpasswd } }\n" } else { "" };
        let config = format!(
            "version: 0.1\nlog: {{ level: info, accesslog: {{ disabled: false }} }}\n{auth}\
             storage: {{ filesystem: {{ rootdirectory: data }}, delete: {{ enabled: true }} }}\n\
             http: {{ addr: \"127.0.0.1:0\" }}\n"
        );
        std::fs::write(folder.path().join("config.yml"), config).unwrap();
        std::fs::write(folder.path().join("htpasswd"), HTPASSWD).unwrap();
        let log = File::create(folder.path().join("log")).unwrap();
        let child = Command::new("docker-registry")
            .args(["serve", "config.yml"])
            .current_dir(folder.path())
            .env_clear()
            // It is a Go program and lives for seconds: collecting garbage would be a third of its work.
            .env("GOGC", "off")
            .stdin(Stdio::null())
            .stdout(log.try_clone().unwrap())
            .stderr(log)
            .spawn()
            .expect("docker-registry is missing: run ./setup.sh");
        let mut registry = Self { host: String::new(), folder, child, login };
        let start = Instant::now();
        registry.host = loop {
            if let Some(host) = registry.listens_on() {
                break host;
            }
            assert!(start.elapsed() < START_MAX, "the registry does not start:\n{}", registry.log());
            tokio::time::sleep(Duration::from_millis(10)).await;
        };
        registry
    }

    /// Where it says that it listens. It chooses the port itself: one that is looked up for it can be taken by somebody
    /// else before it listens.
    fn listens_on(&self) -> Option<String> {
        let log = self.log();
        let (_, rest) = log.split_once("listening on ")?;
        let end = rest.find(|c: char| c != '.' && c != ':' && !c.is_ascii_digit())?;
        Some(rest[..end].to_owned())
    }

    /// The access log so far, one line a request, and whatever else the registry says.
    pub(crate) fn log(&self) -> String {
        std::fs::read_to_string(self.folder.path().join("log")).unwrap()
    }

    /// The requests so far that are made with a method: their paths in order.
    pub(crate) fn requests(&self, method: &str) -> Vec<String> {
        let mark = format!("\"{method} ");
        let path = |line: &str| Some(line.split_once(&mark)?.1.split_once(' ')?.0.to_owned());
        self.log().lines().filter_map(path).collect()
    }

    /// The manifests whose deletion was asked for so far.
    pub(crate) fn deletions(&self) -> Vec<String> {
        self.requests("DELETE").into_iter().filter(|path| path.contains("/manifests/")).collect()
    }

    /// What was PUT as a manifest so far, in order: tags and digests.
    pub(crate) fn manifest_puts(&self) -> Vec<String> {
        let name = |path: String| Some(path.split_once("/manifests/")?.1.to_owned());
        self.requests("PUT").into_iter().filter_map(name).collect()
    }

    /// The tags of the repository `acme/hello`, sorted; none if there is no such repository.
    pub(crate) async fn tags(&self) -> Vec<String> {
        let answer = self.get("tags/list").await.unwrap_or_default();
        let answer: Value = serde_json::from_slice(&answer).unwrap_or_default();
        let names = answer["tags"].as_array().cloned().unwrap_or_default();
        let mut names: Vec<String> = names.iter().map(|name| name.as_str().unwrap().to_owned()).collect();
        names.sort();
        names
    }

    /// The manifest under a tag or digest, exact bytes.
    pub(crate) async fn manifest(&self, name: &str) -> Option<Vec<u8>> {
        self.get(&format!("manifests/{name}")).await
    }

    /// A blob.
    pub(crate) async fn blob(&self, digest: &str) -> Option<Vec<u8>> {
        self.get(&format!("blobs/{digest}")).await
    }

    /// The digest of what a tag points at, computed here.
    pub(crate) async fn digest(&self, tag: &str) -> Option<String> {
        Some(super::world::sha256(&self.manifest(tag).await?))
    }

    async fn get(&self, path: &str) -> Option<Vec<u8>> {
        let request = http()
            .get(format!("http://{}/v2/acme/hello/{path}", self.host))
            .header("accept", "application/vnd.docker.distribution.manifest.list.v2+json")
            .header("accept", "application/vnd.docker.distribution.manifest.v2+json");
        let request = if self.login { request.basic_auth(USER, Some(PASSWORD)) } else { request };
        let answer = request.send().await.unwrap();
        if answer.status().is_success() { Some(answer.bytes().await.unwrap().to_vec()) } else { None }
    }

    /// Where it keeps everything.
    pub(crate) fn storage(&self) -> PathBuf {
        self.folder.path().join("data")
    }
}

impl Drop for Registry {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

thread_local! {
    static HTTP: reqwest::Client = publisher::http::client().unwrap();
}

/// The test's own client. Each test has a thread and, with it, connections of its own; making a client takes long,
/// because the machine's root certificates are read.
pub(crate) fn http() -> reqwest::Client {
    HTTP.with(Clone::clone)
}
