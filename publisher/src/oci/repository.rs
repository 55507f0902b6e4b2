//! A repository on a registry: `ghcr.io/acme/hello`.

use std::{fmt, net::IpAddr, str::FromStr};

/// The longest repository name that registries take, in characters (distribution's reference grammar).
const NAME_LENGTH_MAX: usize = 255;

/// The host of a registry with its port where it has one, as it stands in references: `docker.io`, `127.0.0.1:5000`.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Host(String);

impl Host {
    /// The name as references and auth files have it.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// The host that answers the distribution API: Docker Hub's is not the one in its references.
    pub fn api(&self) -> &str {
        if self.is_docker_hub() { "registry-1.docker.io" } else { &self.0 }
    }

    /// Whether this is Docker Hub.
    pub fn is_docker_hub(&self) -> bool {
        self.0 == "docker.io"
    }

    /// Whether this is GitHub's container registry.
    pub fn is_ghcr(&self) -> bool {
        self.0 == "ghcr.io"
    }

    /// Whether the host is this machine, where plain HTTP is the custom.
    pub fn is_loopback(&self) -> bool {
        let is_port = |port: &str| port.bytes().all(|b| b.is_ascii_digit());
        is_loopback(self.0.rsplit_once(':').filter(|(_, port)| is_port(port)).map_or(&*self.0, |(name, _)| name))
    }
}

/// Whether a host without a port is this machine: `localhost`, `127.0.0.1`, `[::1]`.
pub fn is_loopback(host: &str) -> bool {
    host == "localhost" || host.trim_matches(['[', ']']).parse::<IpAddr>().is_ok_and(|ip| ip.is_loopback())
}

impl fmt::Display for Host {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// A repository: the host of its registry and its name there.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Repository {
    /// The registry.
    pub host: Host,
    /// The name on that registry, lower case, parts divided by `/`.
    pub name: String,
}

impl FromStr for Repository {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let no_host = || format!("`{text}` names no registry, expected host/name such as ghcr.io/acme/hello");
        let (host, name) = text.split_once('/').ok_or_else(no_host)?;
        let looks_like_a_host = host == "localhost" || host.contains(['.', ':']);
        let clean = host.bytes().all(|b| b.is_ascii_alphanumeric() || b".:-[]".contains(&b));
        if !looks_like_a_host || !clean {
            return Err(no_host());
        }
        if name.len() > NAME_LENGTH_MAX || !name.split('/').all(is_component) {
            let expected = "lower-case letters and digits, parts divided by `/` and joined by `.`, `_` or `-`";
            return Err(format!("`{name}` is not a repository name, expected {expected}"));
        }
        Ok(Self { host: Host(host.to_ascii_lowercase()), name: name.into() })
    }
}

impl fmt::Display for Repository {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.host, self.name)
    }
}

/// `[a-z0-9]+((\.|_|__|-+)[a-z0-9]+)*` of the distribution specification.
fn is_component(part: &str) -> bool {
    let is_alphanumeric = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit();
    let is_separator = |text: &str| matches!(text, "." | "_" | "__") || text.bytes().all(|b| b == b'-');
    let is_framed = part.starts_with(is_alphanumeric) && part.ends_with(is_alphanumeric);
    is_framed && part.split(is_alphanumeric).all(is_separator)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[rstest::rstest]
    #[case("ghcr.io/acme/hello", "ghcr.io", "acme/hello")]
    #[case("127.0.0.1:5000/a", "127.0.0.1:5000", "a")]
    #[case("localhost/a__b/c--d.e", "localhost", "a__b/c--d.e")]
    #[case("[::1]:5000/a", "[::1]:5000", "a")]
    fn repositories_are_read(#[case] text: &str, #[case] host: &str, #[case] name: &str) {
        let repository: Repository = text.parse().unwrap();
        assert_eq!((repository.host.as_str(), repository.name.as_str()), (host, name));
        assert_eq!(repository.to_string(), text);
    }

    #[rstest::rstest]
    #[case("hello")]
    #[case("acme/hello")]
    #[case("ghcr.io")]
    #[case("ghcr.io/")]
    #[case("ghcr.io/Acme/hello")]
    #[case("ghcr.io/a..b")]
    #[case("ghcr.io/a/-b")]
    #[case("ghcr.io/a___b")]
    #[case("ghcr.io/a:latest")]
    #[case("user@ghcr.io/a")]
    fn what_is_no_repository_is_refused(#[case] text: &str) {
        assert!(text.parse::<Repository>().is_err());
    }

    #[rstest::rstest]
    #[case("127.0.0.1:5000/a", true)]
    #[case("localhost:1/a", true)]
    #[case("[::1]:5000/a", true)]
    #[case("127.1.2.3/a", true)]
    #[case("10.0.0.1:5000/a", false)]
    #[case("localhost.example.org/a", false)]
    fn only_this_machine_is_loopback(#[case] text: &str, #[case] loopback: bool) {
        assert_eq!(text.parse::<Repository>().unwrap().host.is_loopback(), loopback);
    }

    #[test]
    fn docker_hub_is_asked_at_its_own_api_host() {
        let hub: Repository = "docker.io/acme/hello".parse().unwrap();
        assert_eq!((hub.host.as_str(), hub.host.api()), ("docker.io", "registry-1.docker.io"));
    }
}
