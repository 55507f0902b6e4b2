//! What users name: `ghcr.io/acme/hello:1.2.0`, `docker.io/acme/hello@sha256:…` (distribution's reference grammar, as far as
//! it matters here).

use std::{fmt, str::FromStr};

use crate::client::Repository;

/// The longest tag.
const TAG_CHARS_MAX: usize = 128;
/// How many hexadecimal digits a SHA-256 digest has.
const SHA256_CHARS: usize = 64;

/// A repository on a registry, and a tag or digest in it.
#[derive(Debug, Clone)]
pub struct Reference {
    /// The repository.
    pub repository: Repository,
    /// The tag or digest.
    pub name: String,
}

/// Why something cannot be looked at.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ReferenceError {
    /// A name without a registry, which would be a different one with each program.
    #[error("`{0}` names no registry")]
    NoRegistry(String),
    /// Neither tag nor digest.
    #[error("`{0}` has neither tag nor digest")]
    NoName(String),
    /// A tag or digest where a repository is wanted.
    #[error("`{0}` is a repository with a tag or digest")]
    NotARepository(String),
    /// Something that is no tag.
    #[error("`{0}` is no tag")]
    Tag(String),
    /// Something that is no digest.
    #[error("`{0}` is no digest")]
    Digest(String),
}

impl ReferenceError {
    /// What helps.
    pub const fn hint(&self) -> &'static str {
        match self {
            Self::NoRegistry(_) => "name the registry too: ghcr.io/acme/hello, docker.io/library/alpine",
            Self::NoName(_) => {
                "a reference has one: ghcr.io/acme/hello:1.2.0; a repository alone goes with --image and --tag"
            }
            Self::NotARepository(_) => "--image takes a repository and --tag its tag; whole references stand alone",
            Self::Tag(_) => {
                "a tag has at most 128 letters, digits, `.`, `_` and `-`, and begins with none of `.` and `-`"
            }
            Self::Digest(_) => "a digest is sha256: and 64 hexadecimal digits in lower case",
        }
    }
}

impl Reference {
    /// A tag of a repository: `ghcr.io/acme/hello`, `latest`.
    ///
    /// # Errors
    /// A repository without a registry or with a tag, something that is no tag.
    pub fn tagged(repository: &str, tag: &str) -> Result<Self, ReferenceError> {
        if split(repository).is_some() {
            return Err(ReferenceError::NotARepository(repository.to_owned()));
        }
        Ok(Self { repository: parse(repository)?, name: checked_tag(tag)? })
    }
}

impl FromStr for Reference {
    type Err = ReferenceError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let (repository, name) = split(text).ok_or_else(|| ReferenceError::NoName(text.to_owned()))?;
        let name = if name.contains(':') { checked_digest(name)? } else { checked_tag(name)? };
        Ok(Self { repository: parse(repository)?, name })
    }
}

impl fmt::Display for Reference {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str(&self.repository.reference(&self.name))
    }
}

/// A registry is called by its host.
fn parse(repository: &str) -> Result<Repository, ReferenceError> {
    let host = repository.split_once("://").map_or(repository, |(_, rest)| rest).split('/').next().unwrap_or_default();
    Repository::parse(host, repository).ok_or_else(|| ReferenceError::NoRegistry(repository.to_owned()))
}

/// Repository and tag or digest: a colon behind the last slash is a tag's, one before it a port's.
fn split(reference: &str) -> Option<(&str, &str)> {
    if let Some((named, digest)) = reference.split_once('@') {
        // With both, the digest counts.
        return Some((split(named).map_or(named, |(repository, _)| repository), digest));
    }
    let at = reference.rfind(':').filter(|at| !reference[*at..].contains('/'))?;
    Some((&reference[..at], &reference[at + 1..]))
}

fn checked_tag(tag: &str) -> Result<String, ReferenceError> {
    let rest = |it: char| it.is_ascii_alphanumeric() || matches!(it, '_' | '.' | '-');
    let good =
        tag.len() <= TAG_CHARS_MAX && tag.chars().all(rest) && tag.starts_with(|it| rest(it) && it != '.' && it != '-');
    if good { Ok(tag.to_owned()) } else { Err(ReferenceError::Tag(tag.to_owned())) }
}

/// A SHA-256 digest, which is what registries use.
///
/// # Errors
/// Anything else.
pub fn checked_digest(digest: &str) -> Result<String, ReferenceError> {
    let hex = |it: char| it.is_ascii_digit() || ('a'..='f').contains(&it);
    let good = digest.strip_prefix("sha256:").is_some_and(|sum| sum.len() == SHA256_CHARS && sum.chars().all(hex));
    if good { Ok(digest.to_owned()) } else { Err(ReferenceError::Digest(digest.to_owned())) }
}

#[cfg(test)]
mod tests {
    use rstest::rstest;

    use super::*;

    const DIGEST: &str = "sha256:e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855";

    #[rstest]
    #[case("ghcr.io/acme/hello:1.2.0", "ghcr.io", "1.2.0")]
    #[case("127.0.0.1:5000/acme/hello:latest", "127.0.0.1:5000", "latest")]
    #[case("https://127.0.0.1:5000/acme/hello:latest", "127.0.0.1:5000", "latest")]
    #[case(&format!("ghcr.io/acme/hello@{DIGEST}"), "ghcr.io", DIGEST)]
    #[case(&format!("ghcr.io/acme/hello:1.2.0@{DIGEST}"), "ghcr.io", DIGEST)]
    fn references_are_read(#[case] text: &str, #[case] server: &str, #[case] name: &str) {
        let reference: Reference = text.parse().unwrap();
        assert_eq!(
            (&*reference.repository.server, &*reference.repository.name, &*reference.name),
            (server, "acme/hello", name)
        );
    }

    #[rstest]
    #[case("127.0.0.1:5000/acme/hello", ReferenceError::NoName("127.0.0.1:5000/acme/hello".into()))]
    #[case("acme/hello:latest", ReferenceError::NoRegistry("acme/hello".into()))]
    #[case("ghcr.io/acme/hello:-x", ReferenceError::Tag("-x".into()))]
    #[case("ghcr.io/acme/hello:", ReferenceError::Tag(String::new()))]
    #[case("ghcr.io/acme/hello@sha256:ab", ReferenceError::Digest("sha256:ab".into()))]
    fn what_cannot_be_looked_at_is_told(#[case] text: &str, #[case] expected: ReferenceError) {
        assert_eq!(text.parse::<Reference>().unwrap_err(), expected);
    }

    #[test]
    fn a_repository_has_no_tag_yet() {
        assert_eq!(Reference::tagged("ghcr.io/acme/hello", "1.2.0").unwrap().to_string(), "ghcr.io/acme/hello:1.2.0");
        let told = Reference::tagged("ghcr.io/acme/hello:1", "2").unwrap_err();
        assert_eq!(told, ReferenceError::NotARepository("ghcr.io/acme/hello:1".into()));
        assert!(Reference::tagged("127.0.0.1:5000/hello", &"x".repeat(129)).is_err());
    }
}
