//! What a token is asked to allow (distribution specification, "token scope").

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

    /// Adds what `wanted`, the space-separated scope of a challenge, has and this one lacks; whether there was any.
    pub(super) fn merge(&mut self, wanted: &str) -> bool {
        let before = self.clone();
        for part in wanted.split_ascii_whitespace() {
            self.merge_part(part);
        }
        *self != before
    }

    fn merge_part(&mut self, part: &str) {
        // What has no actions is no scope.
        let Some((resource, actions)) = part.rsplit_once(':') else { return };
        let same = |known: &&mut String| known.rsplit_once(':').is_some_and(|(known, _)| known == resource);
        let Some(known) = self.0.iter_mut().find(same) else { return self.0.push(part.into()) };
        let has = known.rsplit_once(':').map_or("", |(_, actions)| actions).to_owned();
        for action in actions.split(',').filter(|action| !has.split(',').any(|known| known == *action)) {
            known.push(',');
            known.push_str(action);
        }
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
    #[case("repository:a:pull,delete", "repository:a:pull,push,delete")]
    #[case("repository:b:pull", "repository:a:pull,push repository:b:pull")]
    #[case("repository:a:* registry:catalog:*", "repository:a:pull,push,* registry:catalog:*")]
    #[case("repository:host:5000/a:pull", "repository:a:pull,push repository:host:5000/a:pull")]
    #[case("odd", "repository:a:pull,push")]
    fn what_is_missing_is_merged_in(#[case] wanted: &str, #[case] merged: &str) {
        let mut scope = Scope::push("a");
        let grew = scope.merge(wanted);
        assert_eq!((scope.to_string().as_str(), grew), (merged, merged != "repository:a:pull,push"));
        assert!(!scope.merge(wanted), "a second time adds nothing");
    }
}
