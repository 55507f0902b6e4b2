//! Which endpoint a path names (distribution: registry/api/v2).

use super::digest::looks_like_a_digest;

/// The longest tag.
const TAG_LENGTH_MAX: usize = 128;
/// What stands between the parts of a component of a repository's name.
const SEPARATORS: &[char] = &['.', '_', '-'];

/// An endpoint.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Route {
    Base,
    Catalog,
    Tags { name: String },
    Manifest { name: String, reference: String },
    Blob { name: String, digest: String },
    Uploads { name: String },
    Upload { name: String, id: String },
}

impl Route {
    /// The endpoint of a path; none if there is no such endpoint.
    pub(super) fn of(path: &str) -> Option<Self> {
        let rest = path.strip_prefix("/v2/")?;
        match rest {
            "" => return Some(Self::Base),
            "_catalog" => return Some(Self::Catalog),
            _ => {}
        }
        let (name, route) = Self::split(rest)?;
        is_name(&name).then_some(route)
    }

    fn split(rest: &str) -> Option<(String, Self)> {
        if let Some(name) = rest.strip_suffix("/tags/list") {
            let name = name.to_owned();
            return Some((name.clone(), Self::Tags { name }));
        }
        let (rest, last) = rest.rsplit_once('/')?;
        let last = last.to_owned();
        if let Some(name) = rest.strip_suffix("/blobs/uploads") {
            let name = name.to_owned();
            let route = if last.is_empty() {
                Self::Uploads { name: name.clone() }
            } else {
                Self::Upload { name: name.clone(), id: last }
            };
            return Some((name, route));
        }
        if let Some(name) = rest.strip_suffix("/manifests").filter(|_| is_tag(&last) || looks_like_a_digest(&last)) {
            let name = name.to_owned();
            return Some((name.clone(), Self::Manifest { name, reference: last }));
        }
        let name = rest.strip_suffix("/blobs").filter(|_| looks_like_a_digest(&last))?.to_owned();
        Some((name.clone(), Self::Blob { name, digest: last }))
    }

    /// The repository, for those endpoints that are about one.
    pub(super) fn repository(&self) -> Option<&str> {
        match self {
            Self::Base | Self::Catalog => None,
            Self::Tags { name }
            | Self::Manifest { name, .. }
            | Self::Blob { name, .. }
            | Self::Uploads { name }
            | Self::Upload { name, .. } => Some(name),
        }
    }

    /// The methods that it knows, as its `Allow` header has them.
    pub(super) const fn methods(&self) -> &'static str {
        match self {
            Self::Base => "DELETE, GET, HEAD, POST, PUT, PATCH",
            Self::Catalog | Self::Tags { .. } => "GET",
            Self::Manifest { .. } => "DELETE, GET, HEAD, PUT",
            Self::Blob { .. } => "DELETE, GET, HEAD",
            Self::Uploads { .. } => "DELETE, GET, HEAD, PATCH, POST, PUT",
            Self::Upload { .. } => "DELETE, GET, HEAD, PATCH, PUT",
        }
    }
}

/// `[a-zA-Z0-9_][a-zA-Z0-9._-]{0,127}` (distribution-spec 1.1, Pulling manifests).
pub(super) fn is_tag(text: &str) -> bool {
    let word = |c: char| c.is_ascii_alphanumeric() || c == '_';
    text.len() <= TAG_LENGTH_MAX && text.starts_with(word) && text.chars().all(|c| word(c) || c == '.' || c == '-')
}

/// `[a-z0-9]+((\.|_|__|-+)[a-z0-9]+)*(\/[a-z0-9]+((\.|_|__|-+)[a-z0-9]+)*)*` (distribution-spec 1.1).
fn is_name(text: &str) -> bool {
    text.split('/').all(is_component)
}

fn is_component(text: &str) -> bool {
    let alphanumeric = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit();
    let known = text.chars().all(|c| alphanumeric(c) || SEPARATORS.contains(&c));
    let ends = text.starts_with(alphanumeric) && text.ends_with(alphanumeric);
    let between = text.split(alphanumeric).filter(|between| !between.is_empty());
    known && ends && between.into_iter().all(|it| matches!(it, "." | "_" | "__") || it.bytes().all(|byte| byte == b'-'))
}

#[cfg(test)]
mod tests {
    use super::*;

    const DIGEST: &str = "sha256:2cf24dba5fb0a30e26e83b2ac5b9e29e1b161e5c1fa7425e73043362938b9824";

    fn name() -> String {
        "acme/hello".to_owned()
    }

    #[rstest::rstest]
    #[case("/v2/", Some(Route::Base))]
    #[case("/v2/_catalog", Some(Route::Catalog))]
    #[case("/v2/acme/hello/tags/list", Some(Route::Tags { name: name() }))]
    #[case("/v2/acme/hello/manifests/v1", Some(Route::Manifest { name: name(), reference: "v1".into() }))]
    #[case(&format!("/v2/acme/hello/manifests/{DIGEST}"), Some(Route::Manifest { name: name(), reference: DIGEST.into() }))]
    #[case(&format!("/v2/acme/hello/blobs/{DIGEST}"), Some(Route::Blob { name: name(), digest: DIGEST.into() }))]
    #[case("/v2/acme/hello/blobs/uploads/", Some(Route::Uploads { name: name() }))]
    #[case("/v2/acme/hello/blobs/uploads/1f", Some(Route::Upload { name: name(), id: "1f".into() }))]
    #[case("/v2/manifests/manifests/manifests", Some(Route::Manifest { name: "manifests".into(), reference: "manifests".into() }))]
    #[case("/v2/acme/hello/blobs/latest", None)]
    #[case("/v2/acme/hello/manifests/-x", None)]
    #[case("/v2/acme/HELLO/tags/list", None)]
    #[case("/v2/acme/a___b/tags/list", None)]
    #[case("/v2/acme//tags/list", None)]
    #[case("/v2/manifests/latest", None)]
    #[case("/v1/", None)]
    fn a_path_names_an_endpoint(#[case] path: &str, #[case] expected: Option<Route>) {
        assert_eq!(Route::of(path), expected);
    }

    #[rstest::rstest]
    #[case("a.b-c__d--e/f", true)]
    #[case("a..b", false)]
    #[case(".a", false)]
    #[case("a-", false)]
    #[case("", false)]
    fn a_name_has_components(#[case] name: &str, #[case] good: bool) {
        assert_eq!(is_name(name), good);
    }
}
