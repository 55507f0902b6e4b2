//! Scopes: what is asked for and granted, `repository:acme/hello:pull,push`.

use std::{collections::BTreeSet, fmt};

use serde::{Deserialize, Serialize};

/// Actions on one resource, as they stand in scopes and in tokens.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Access {
    /// `repository` or `registry`.
    #[serde(rename = "type")]
    pub kind: String,
    /// `acme/hello`; of the whole registry: `catalog`.
    pub name: String,
    /// `pull`, `push`, `delete`, `*`.
    pub actions: BTreeSet<String>,
}

impl Access {
    /// Actions on a repository.
    pub fn repository(name: &str, actions: &[&str]) -> Self {
        Self::new("repository", name, actions)
    }

    /// Everything that can be done with the catalogue.
    pub fn catalog() -> Self {
        Self::new("registry", "catalog", &["*"])
    }

    fn new(kind: &str, name: &str, actions: &[&str]) -> Self {
        let actions = actions.iter().map(|&action| action.to_owned()).collect();
        Self { kind: kind.to_owned(), name: name.to_owned(), actions }
    }

    /// One scope. The name may hold colons, the rest may not. A scope that makes no sense is none.
    pub fn parse(scope: &str) -> Option<Self> {
        let (kind, rest) = scope.split_once(':')?;
        let (name, actions) = rest.rsplit_once(':')?;
        let actions: Vec<&str> = actions.split(',').filter(|action| !action.is_empty()).collect();
        (!kind.is_empty() && !name.is_empty() && !actions.is_empty()).then(|| Self::new(kind, name, &actions))
    }

    /// Whether these rights are enough for all that another names.
    pub fn covers(&self, wanted: &Self) -> bool {
        self.kind == wanted.kind && self.name == wanted.name && wanted.actions.is_subset(&self.actions)
    }
}

impl fmt::Display for Access {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let actions: Vec<&str> = self.actions.iter().map(String::as_str).collect();
        write!(f, "{}:{}:{}", self.kind, self.name, actions.join(","))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[rstest::rstest]
    #[case("repository:acme/hello:pull", Some(Access::repository("acme/hello", &["pull"])))]
    #[case("repository:acme/hello:push,pull", Some(Access::repository("acme/hello", &["pull", "push"])))]
    #[case("repository:host:5000/hello:pull", Some(Access::repository("host:5000/hello", &["pull"])))]
    #[case("registry:catalog:*", Some(Access::catalog()))]
    #[case("repository:acme/hello", None)]
    #[case("repository::pull", None)]
    #[case("repository:acme/hello:", None)]
    #[case("", None)]
    fn a_scope_names_a_resource_and_actions(#[case] scope: &str, #[case] access: Option<Access>) {
        assert_eq!(Access::parse(scope), access);
    }

    #[rstest::rstest]
    #[case("repository:a:pull,push", "repository:a:pull", true)]
    #[case("repository:a:pull", "repository:a:pull,push", false)]
    #[case("repository:a:pull", "repository:b:pull", false)]
    #[case("registry:a:pull", "repository:a:pull", false)]
    fn rights_cover_what_they_name(#[case] held: &str, #[case] wanted: &str, #[case] enough: bool) {
        assert_eq!(Access::parse(held).unwrap().covers(&Access::parse(wanted).unwrap()), enough);
    }
}
