//! The rights that a token is requested for (distribution specification, "token scope").

use std::fmt;

/// Resources with actions: `repository:acme/hello:pull,push`. Several where a request touches several repositories.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Scope(Vec<String>);

impl Scope {
    /// To read from a repository, given by its name on the registry.
    pub fn pull(name: &str) -> Self {
        Self(vec![format!("repository:{name}:pull")])
    }

    /// To read from a repository and to write to it.
    pub fn push(name: &str) -> Self {
        Self(vec![format!("repository:{name}:pull,push")])
    }

    /// To link a blob of the repository `from` into `name`: it takes the right to read the source.
    pub fn mount(name: &str, from: &str) -> Self {
        Self([Self::push(name).0, Self::pull(from).0].concat())
    }

    /// To remove manifests of a repository.
    pub fn delete(name: &str) -> Self {
        Self(vec![format!("repository:{name}:pull,delete")])
    }

    /// The single scopes, each a `scope=` of a token request.
    pub(super) fn parts(&self) -> &[String] {
        &self.0
    }

    /// Adds the parts of `wanted`, the space-separated scope of a challenge, that are not covered yet; whether there were
    /// any.
    pub(super) fn merge(&mut self, wanted: &str) -> bool {
        let missing: Vec<_> =
            wanted.split_ascii_whitespace().filter(|part| !self.covers(part)).map(Into::into).collect();
        let grows = !missing.is_empty();
        self.0.extend(missing);
        grows
    }

    /// Whether a part has no actions, or only ones that this scope has for the same resource.
    fn covers(&self, part: &str) -> bool {
        let Some((resource, actions)) = part.rsplit_once(':') else { return true };
        self.0.iter().filter_map(|known| known.rsplit_once(':')).any(|(known, granted)| {
            known == resource && actions.split(',').all(|action| granted.split(',').any(|known| known == action))
        })
    }
}

/// Space-separated, as OAuth 2 has it.
impl fmt::Display for Scope {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0.join(" "))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn scopes_read_as_the_specification_has_them() {
        assert_eq!(Scope::pull("a/b").to_string(), "repository:a/b:pull");
        assert_eq!(Scope::push("a/b").to_string(), "repository:a/b:pull,push");
        assert_eq!(Scope::delete("a/b").to_string(), "repository:a/b:pull,delete");
        assert_eq!(Scope::mount("a/b", "c").parts(), ["repository:a/b:pull,push", "repository:c:pull"]);
    }

    #[rstest::rstest]
    #[case("repository:a:pull", "repository:a:pull,push")]
    #[case("repository:a:push,pull", "repository:a:pull,push")]
    #[case("", "repository:a:pull,push")]
    #[case("repository:a:pull,delete", "repository:a:pull,push repository:a:pull,delete")]
    #[case("repository:b:pull", "repository:a:pull,push repository:b:pull")]
    #[case("repository:a:* registry:catalog:*", "repository:a:pull,push repository:a:* registry:catalog:*")]
    #[case("repository:host:5000/a:pull", "repository:a:pull,push repository:host:5000/a:pull")]
    #[case("odd", "repository:a:pull,push")]
    fn missing_parts_are_added(#[case] wanted: &str, #[case] merged: &str) {
        let mut scope = Scope::push("a");
        let grew = scope.merge(wanted);
        assert_eq!((scope.to_string().as_str(), grew), (merged, merged != "repository:a:pull,push"));
        assert!(!scope.merge(wanted), "a second time adds nothing");
    }
}
