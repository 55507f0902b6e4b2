//! Where to look: one repository on one registry, and how to be let in.

use std::{fmt, path::PathBuf};

/// Docker Hub, as references name it.
const DOCKER_HUB: &str = "docker.io";
/// Docker Hub, as it is reached.
const DOCKER_HUB_API: &str = "registry-1.docker.io";

/// A repository on a registry.
#[derive(Debug, Clone)]
pub struct Place {
    /// What reports call the registry: `ghcr`.
    pub server: String,
    /// The registry: `ghcr.io`, `127.0.0.1:41234`.
    pub host: String,
    /// The repository: `acme/hello`.
    pub name: String,
    /// Whether it is spoken to by TLS, if somebody said so. Else on this machine that is for those who name a CA.
    pub tls: Option<bool>,
    /// A CA that is trusted besides the machine's own: a PEM file.
    pub ca: Option<PathBuf>,
    /// Who asks; none for anybody.
    pub credentials: Option<Credentials>,
}

/// The name by which helpers, and this program, say that the password is an identity token, to be changed into others.
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

impl Place {
    /// A repository that everybody may read: `127.0.0.1:41234/acme/hello`, or with the scheme that it is to be spoken to by:
    /// `https://127.0.0.1:41234/acme/hello`. None if there is no registry in the name.
    pub fn open(server: &str, repository: &str) -> Option<Self> {
        let (scheme, repository) = match repository.split_once("://") {
            Some((scheme, rest)) => (Some(scheme), rest),
            None => (None, repository),
        };
        let (host, name) = repository.split_once('/')?;
        let tls = match scheme {
            None => None,
            Some("https") => Some(true),
            Some("http") => Some(false),
            Some(_) => return None,
        };
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

    /// The same for an account.
    #[must_use]
    pub fn with_credentials(self, user: &str, password: &str) -> Self {
        Self { credentials: Some(Credentials { user: user.to_owned(), password: password.to_owned() }), ..self }
    }

    /// The same by TLS with certificates of this CA.
    #[must_use]
    pub fn with_ca(self, ca: PathBuf) -> Self {
        Self { ca: Some(ca), ..self }
    }

    /// `ghcr.io/acme/hello`
    pub fn repository(&self) -> String {
        format!("{}/{}", self.host, self.name)
    }

    /// Where its interface begins: `https://ghcr.io/v2/acme/hello`.
    pub(super) fn base(&self) -> String {
        let scheme = if self.speaks_tls() { "https" } else { "http" };
        match self.host.as_str() {
            DOCKER_HUB if !self.name.contains('/') => format!("{scheme}://{DOCKER_HUB_API}/v2/library/{}", self.name),
            DOCKER_HUB => format!("{scheme}://{DOCKER_HUB_API}/v2/{}", self.name),
            host => format!("{scheme}://{host}/v2/{}", self.name),
        }
    }

    /// Whether it is spoken to by TLS.
    pub(super) fn speaks_tls(&self) -> bool {
        self.tls.unwrap_or(self.ca.is_some() || !self.is_local())
    }

    /// Whether it is on this machine.
    pub(super) fn is_local(&self) -> bool {
        is_local(&self.host)
    }

    /// What a token must allow.
    pub(super) fn scope(&self) -> String {
        let name = self.base();
        let name = name.split_once("/v2/").map_or(self.name.as_str(), |(_, name)| name);
        format!("repository:{name}:pull")
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
    fn a_repository_is_reached_at(#[case] repository: &str, #[case] base: &str, #[case] scope: &str) {
        let place = Place::open("x", repository).unwrap();
        assert_eq!((place.base(), place.scope()), (base.to_owned(), scope.to_owned()));
        assert_eq!(place.repository(), repository);
    }

    #[rstest]
    #[case("https://127.0.0.1:5000/a", "https://127.0.0.1:5000/v2/a")]
    #[case("https://[::1]:5000/a", "https://[::1]:5000/v2/a")]
    #[case("http://registry.lan/a", "http://registry.lan/v2/a")]
    fn a_scheme_decides_about_tls(#[case] repository: &str, #[case] base: &str) {
        assert_eq!(Place::open("x", repository).unwrap().base(), base);
    }

    #[test]
    fn a_ca_asks_for_tls_on_this_machine_too() {
        let place = Place::open("x", "127.0.0.1:5000/a").unwrap().with_ca("/ca.pem".into());
        assert_eq!(place.base(), "https://127.0.0.1:5000/v2/a");
    }

    #[rstest]
    #[case("acme/hello")]
    #[case("hello")]
    #[case("ghcr.io/")]
    #[case("ftp://ghcr.io/a")]
    fn what_names_no_registry_is_no_place(#[case] repository: &str) {
        assert!(Place::open("x", repository).is_none());
    }

    #[test]
    fn a_password_is_not_shown() {
        let place = Place::open("x", "ghcr.io/a").unwrap().with_credentials("acme", "hunter2");
        assert!(!format!("{place:?}").contains("hunter2"));
    }
}
