//! A real distribution registry as a child process, and what pushes to it.

use std::{
    fs::File,
    io::{BufRead as _, BufReader},
    process::{Child, Command, Stdio},
};

use reqwest::{Method, StatusCode, header};
use serde_json::Value;
use tempfile::TempDir;

use crate::{
    client::{Client, Raw, Repository},
    harness::token::Auth,
};

/// The one account of a registry that wants a login, and its password.
pub(crate) const ACCOUNT: (&str, &str) = ("acme", "correct horse");
/// The same as the registry reads it (bcrypt).
const HTPASSWD: &str = "acme:$2b$04$u724Gxe5YL3VRGbLEYV83.TpLukdJKtGOHehvMGy69xPLVPKbu23e\n";
/// What the registry writes when it is there.
const LISTENS: &str = "listening on ";

/// A registry that ends with the test.
pub(crate) struct Registry {
    pub(crate) host: String,
    folder: TempDir,
    child: Child,
    http: reqwest::Client,
    /// What lets the test in, where the registry wants tokens.
    token: Option<String>,
}

impl Registry {
    pub(crate) fn start() -> Self {
        Self::launch("")
    }

    pub(crate) fn start_with_login() -> Self {
        Self::launch("auth: { htpasswd: { realm: test, path: htpasswd } }\n")
    }

    /// One that believes a token service, and a token of it that allows everything.
    pub(crate) fn start_with_tokens(auth: &Auth, token: String) -> Self {
        let Auth { realm, service, issuer, .. } = auth;
        let token_auth = format!(
            "auth: {{ token: {{ realm: \"{realm}\", service: {service}, issuer: {issuer}, rootcertbundle: authority.pem }} }}\n"
        );
        let mut registry = Self::launch_with(&token_auth, &[("authority.pem", &auth.authority)]);
        registry.token = Some(token);
        registry
    }

    fn launch(auth: &str) -> Self {
        Self::launch_with(auth, &[("htpasswd", HTPASSWD)])
    }

    fn launch_with(auth: &str, files: &[(&str, &str)]) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let config = format!(
            "version: 0.1\nlog: {{ level: info }}\n{auth}\
             storage: {{ filesystem: {{ rootdirectory: data }}, delete: {{ enabled: true }} }}\n\
             http: {{ addr: \"127.0.0.1:0\" }}\n"
        );
        std::fs::write(folder.path().join("config.yml"), config).unwrap();
        for (name, content) in files {
            std::fs::write(folder.path().join(name), content).unwrap();
        }
        let mut child = Command::new("docker-registry")
            .args(["serve", "config.yml"])
            .current_dir(folder.path())
            .env_clear()
            .stdin(Stdio::null())
            .stdout(File::create(folder.path().join("log")).unwrap())
            .stderr(Stdio::piped())
            .spawn()
            .expect("docker-registry is missing: run ./setup.sh");
        let mut lines = BufReader::new(child.stderr.take().unwrap()).lines().map(Result::unwrap);
        let line = lines.find(|line| line.contains(LISTENS)).expect("the registry does not start");
        // It must not block on a full pipe, nor end for a closed one.
        std::thread::spawn(move || lines.for_each(drop));
        let host = line.split_once(LISTENS).unwrap().1;
        let host = host.split(|c: char| c != '.' && c != ':' && !c.is_ascii_digit()).next().unwrap().to_owned();
        let _ = rustls::crypto::ring::default_provider().install_default();
        Self { host, folder, child, http: reqwest::Client::builder().no_proxy().build().unwrap(), token: None }
    }

    pub(crate) fn repository(&self) -> Repository {
        Repository::parse("ghcr", &format!("{}/acme/hello", self.host)).unwrap()
    }

    pub(crate) fn client(&self) -> Client {
        Client::new(self.repository()).unwrap()
    }

    /// Puts a blob; its digest.
    pub(crate) async fn put_blob(&self, bytes: &[u8]) -> String {
        let digest = Raw::from(bytes.to_vec()).digest();
        let begin = self.request(Method::POST, "blobs/uploads/").send().await.unwrap();
        let location = begin.headers()[header::LOCATION].to_str().unwrap();
        let query = [("digest", digest.as_str())];
        let put = self.let_in(self.http.put(location)).query(&query).body(bytes.to_vec()).send().await.unwrap();
        assert_eq!(put.status(), StatusCode::CREATED);
        digest
    }

    /// Puts a manifest under a tag or, without one, under its digest; its digest and size.
    pub(crate) async fn put_manifest(&self, tag: Option<&str>, media_type: &str, body: &Value) -> (String, usize) {
        let bytes = serde_json::to_vec(body).unwrap();
        let (digest, size) = (Raw::from(bytes.clone()).digest(), bytes.len());
        let path = format!("manifests/{}", tag.unwrap_or(&digest));
        let put = self.request(Method::PUT, &path).header(header::CONTENT_TYPE, media_type).body(bytes);
        let answer = put.send().await.unwrap();
        assert!(answer.status().is_success(), "{}", answer.text().await.unwrap());
        (digest, size)
    }

    /// Deletes below the repository: `manifests/sha256:…`.
    pub(crate) async fn delete(&self, path: &str) {
        let answer = self.request(Method::DELETE, path).send().await.unwrap();
        assert_eq!(answer.status(), StatusCode::ACCEPTED, "{path}");
    }

    /// Changes a blob or manifest behind the registry's back.
    pub(crate) fn corrupt(&self, digest: &str, bytes: &[u8]) {
        let hex = digest.strip_prefix("sha256:").unwrap();
        let path = format!("data/docker/registry/v2/blobs/sha256/{}/{hex}/data", &hex[..2]);
        let path = self.folder.path().join(path);
        assert!(path.exists());
        std::fs::write(path, bytes).unwrap();
    }

    fn request(&self, method: Method, path: &str) -> reqwest::RequestBuilder {
        self.let_in(self.http.request(method, format!("http://{}/v2/acme/hello/{path}", self.host)))
    }

    fn let_in(&self, request: reqwest::RequestBuilder) -> reqwest::RequestBuilder {
        match &self.token {
            Some(token) => request.bearer_auth(token),
            None => request,
        }
    }
}

impl Drop for Registry {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
