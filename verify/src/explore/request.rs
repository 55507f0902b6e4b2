//! A request of a run, named so that it is called the same in every run of the same story.

use std::fmt;

use crate::history::Kind;

/// One request: which server it is sent to, what it is for, what it is about, and which of those that are alike it is.
///
/// Digests differ from build to build, so what it is about is told by its role: `newer-list`, `base-amd64`.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Request {
    /// `ghcr`, `dockerhub`, `github-api`, `hub-api`.
    pub server: String,
    /// What it is for.
    pub kind: Kind,
    /// A tag, or the role of a digest; empty if it is about nothing in particular.
    pub about: String,
    /// 1 for the first of its run, 2 for the next one like it.
    pub number: usize,
}

impl Request {
    /// Whether it changes tags or manifests: only such requests wait for their turn. Uploads show to nobody.
    pub const fn writes(&self) -> bool {
        self.kind.deletes() || matches!(self.kind, Kind::ManifestPut | Kind::PackageRestore)
    }
}

/// `ghcr/manifest-put/latest`, `dockerhub/manifest-head/latest#2`
impl fmt::Display for Request {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let kind = serde_json::to_value(self.kind).unwrap_or_default();
        write!(f, "{}/{}", self.server, kind.as_str().unwrap_or_default())?;
        if !self.about.is_empty() {
            write!(f, "/{}", self.about)?;
        }
        if self.number > 1 { write!(f, "#{}", self.number) } else { Ok(()) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_request_is_named_by_what_it_is_about() {
        let put = Request { server: "ghcr".into(), kind: Kind::ManifestPut, about: "latest".into(), number: 1 };
        assert_eq!(put.to_string(), "ghcr/manifest-put/latest");
        let token = Request { kind: Kind::Token, about: String::new(), number: 2, ..put.clone() };
        assert_eq!(token.to_string(), "ghcr/token#2");
        assert!(put.writes() && !token.writes());
    }
}
