//! One repository on a registry, and the account that reads it.

use std::{fmt, path::PathBuf};

/// Docker Hub, as references name it.
const DOCKER_HUB: &str = "docker.io";
/// The host of Docker Hub's registry.
const DOCKER_HUB_HOST: &str = "registry-1.docker.io";

/// A repository on a registry.
#[derive(Debug, Clone)]
pub struct Repository {
    /// The registry's name in reports: `ghcr`.
    pub server: String,
    /// The registry: `ghcr.io`, `127.0.0.1:41234`.
    pub host: String,
    /// The repository: `acme/hello`.
    pub name: String,
    /// Whether to use TLS. Without a value, a registry on this machine gets TLS only when a CA is named.
    pub tls: Option<bool>,
    /// A PEM file with a CA that is trusted besides the machine's own.
    pub ca: Option<PathBuf>,
    /// The account; none to read anonymously.
    pub credentials: Option<Credentials>,
}

/// The user name that credential helpers give with an identity token instead of a password.
pub const IDENTITY_TOKEN_USER: &str = "<token>";

/// An account.
#[derive(Clone)]
pub struct Credentials {
    /// Its name, or [`IDENTITY_TOKEN_USER`].
    pub user: String,
    /// Its password or token.
    pub password: String,
}

impl fmt::Debug for Credentials {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.debug_struct("Credentials").field("user", &self.user).finish_non_exhaustive()
    }
}

impl Repository {
    /// Reads `127.0.0.1:41234/acme/hello` or `https://127.0.0.1:41234/acme/hello`. None if it names no registry.
    pub fn parse(server: &str, text: &str) -> Option<Self> {
        let (tls, text) = match text.split_once("://") {
            None => (None, text),
            Some(("https", rest)) => (Some(true), rest),
            Some(("http", rest)) => (Some(false), rest),
            Some(_) => return None,
        };
        let (host, name) = text.split_once('/')?;
        let names_host = host == "localhost" || host.contains(['.', ':']);
        (names_host && !name.is_empty()).then(|| Self {
            server: server.to_owned(),
            host: host.to_owned(),
            name: name.to_owned(),
            tls,
            ca: None,
            credentials: None,
        })
    }

    /// The same repository, read by an account.
    #[must_use]
    pub fn with_credentials(self, user: &str, password: &str) -> Self {
        Self { credentials: Some(Credentials { user: user.to_owned(), password: password.to_owned() }), ..self }
    }

    /// The same repository, with a CA that its certificate may come from.
    #[must_use]
    pub fn with_ca(self, ca: PathBuf) -> Self {
        Self { ca: Some(ca), ..self }
    }

    /// `ghcr.io/acme/hello:latest`, `ghcr.io/acme/hello@sha256:…`
    pub fn reference(&self, tag_or_digest: &str) -> String {
        let separator = if tag_or_digest.contains(':') { '@' } else { ':' };
        format!("{self}{separator}{tag_or_digest}")
    }

    /// The base of its API: `https://ghcr.io/v2/acme/hello`.
    pub(super) fn base(&self) -> String {
        let scheme = if self.uses_tls() { "https" } else { "http" };
        let host = if self.host == DOCKER_HUB { DOCKER_HUB_HOST } else { &self.host };
        format!("{scheme}://{host}/v2/{}", self.path())
    }

    /// Its name in the API. Docker Hub's official images are in `library`.
    fn path(&self) -> String {
        let official = self.host == DOCKER_HUB && !self.name.contains('/');
        if official { format!("library/{}", self.name) } else { self.name.clone() }
    }

    pub(super) fn uses_tls(&self) -> bool {
        self.tls.unwrap_or(self.ca.is_some() || !self.is_local())
    }

    /// Whether the registry is on this machine.
    pub(super) fn is_local(&self) -> bool {
        is_local(&self.host)
    }

    /// The scope that a token needs.
    pub(super) fn scope(&self) -> String {
        format!("repository:{}:pull", self.path())
    }
}

/// `ghcr.io/acme/hello`
impl fmt::Display for Repository {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(out, "{}/{}", self.host, self.name)
    }
}

/// Whether a host, with or without a port, is this machine.
pub(super) fn is_local(host: &str) -> bool {
    let host = host.rsplit_once(':').filter(|(_, port)| !port.ends_with(']')).map_or(host, |(host, _)| host);
    host == "localhost" || host == "[::1]" || host.starts_with("127.")
}

#[cfg(test)]
mod tests {
    use rstest::rstest;

    use super::*;

    #[rstest]
    #[case("ghcr.io/acme/hello", "https://ghcr.io/v2/acme/hello", "repository:acme/hello:pull")]
    #[case("docker.io/acme/hello", "https://registry-1.docker.io/v2/acme/hello", "repository:acme/hello:pull")]
    #[case("docker.io/hello", "https://registry-1.docker.io/v2/library/hello", "repository:library/hello:pull")]
    #[case("127.0.0.1:5000/acme/hello", "http://127.0.0.1:5000/v2/acme/hello", "repository:acme/hello:pull")]
    #[case("localhost/a", "http://localhost/v2/a", "repository:a:pull")]
    fn a_repository_has_a_base_url_and_a_scope(#[case] text: &str, #[case] base: &str, #[case] scope: &str) {
        let repository = Repository::parse("x", text).unwrap();
        assert_eq!((repository.base(), repository.scope()), (base.to_owned(), scope.to_owned()));
        assert_eq!(repository.to_string(), text);
    }

    #[rstest]
    #[case("https://127.0.0.1:5000/a", "https://127.0.0.1:5000/v2/a")]
    #[case("https://[::1]:5000/a", "https://[::1]:5000/v2/a")]
    #[case("http://registry.lan/a", "http://registry.lan/v2/a")]
    fn a_scheme_decides_about_tls(#[case] text: &str, #[case] base: &str) {
        assert_eq!(Repository::parse("x", text).unwrap().base(), base);
    }

    #[test]
    fn a_ca_means_tls_on_this_machine_too() {
        let repository = Repository::parse("x", "127.0.0.1:5000/a").unwrap().with_ca("/ca.pem".into());
        assert_eq!(repository.base(), "https://127.0.0.1:5000/v2/a");
    }

    #[rstest]
    #[case("acme/hello")]
    #[case("hello")]
    #[case("ghcr.io/")]
    #[case("ftp://ghcr.io/a")]
    fn a_name_without_a_registry_is_no_repository(#[case] text: &str) {
        assert!(Repository::parse("x", text).is_none());
    }

    #[test]
    fn a_password_is_not_shown() {
        let repository = Repository::parse("x", "ghcr.io/a").unwrap().with_credentials("acme", "hunter2");
        assert!(!format!("{repository:?}").contains("hunter2"));
    }
}
