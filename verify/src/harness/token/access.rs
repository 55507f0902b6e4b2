//! Scopes such as `repository:acme/hello:pull,push`, and the accounts that may have them.

use std::{collections::BTreeSet, fmt};

use serde::Serialize;

/// Actions on one resource, as in scopes and in tokens.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Access {
    /// `repository` or `registry`.
    #[serde(rename = "type")]
    pub kind: String,
    /// `acme/hello`. In what an account may do, `acme/*` stands for all repositories of `acme`.
    pub name: String,
    /// `pull`, `push`, `delete`, `*`.
    pub actions: BTreeSet<String>,
}

impl Access {
    /// Actions on a repository.
    pub fn repository(name: &str, actions: &[&str]) -> Self {
        Self::new("repository", name, actions)
    }

    fn new(kind: &str, name: &str, actions: &[&str]) -> Self {
        let actions = actions.iter().map(|&action| action.to_owned()).collect();
        Self { kind: kind.to_owned(), name: name.to_owned(), actions }
    }

    /// Reads one scope; none if it is malformed. The name may contain colons.
    pub(super) fn parse(scope: &str) -> Option<Self> {
        let (kind, rest) = scope.split_once(':')?;
        let (name, actions) = rest.rsplit_once(':')?;
        let actions: Vec<&str> = actions.split(',').filter(|action| !action.is_empty()).collect();
        (!kind.is_empty() && !name.is_empty() && !actions.is_empty()).then(|| Self::new(kind, name, &actions))
    }

    /// The part of what is wanted that these rights allow; none if they allow nothing of it.
    pub(super) fn granted(rights: &[Self], wanted: &Self) -> Option<Self> {
        let matches = |right: &&Self| match right.name.strip_suffix('*') {
            Some(prefix) => right.kind == wanted.kind && wanted.name.starts_with(prefix),
            None => right.kind == wanted.kind && wanted.name == right.name,
        };
        let allowed = rights.iter().filter(matches).flat_map(|right| wanted.actions.intersection(&right.actions));
        let granted = Self { actions: allowed.cloned().collect(), ..wanted.clone() };
        (!granted.actions.is_empty()).then_some(granted)
    }
}

impl fmt::Display for Access {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let actions: Vec<&str> = self.actions.iter().map(String::as_str).collect();
        write!(f, "{}:{}:{}", self.kind, self.name, actions.join(","))
    }
}

/// An account that may log in.
#[derive(Clone)]
pub struct Account {
    /// Its name; none where any name is accepted with the password, as at GHCR.
    pub name: Option<String>,
    /// Its password or token.
    pub password: String,
    /// What it may do.
    pub rights: Vec<Access>,
}

impl Account {
    pub(super) fn accepts(&self, name: &str, password: &str) -> bool {
        self.password == password && self.name.as_deref().is_none_or(|own| own == name)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[rstest::rstest]
    #[case("repository:acme/hello:pull", Some(Access::repository("acme/hello", &["pull"])))]
    #[case("repository:acme/hello:push,pull", Some(Access::repository("acme/hello", &["pull", "push"])))]
    #[case("repository:host:5000/hello:pull", Some(Access::repository("host:5000/hello", &["pull"])))]
    #[case("repository:acme/hello", None)]
    #[case("repository::pull", None)]
    #[case("repository:acme/hello:", None)]
    #[case("", None)]
    fn a_scope_names_a_resource_and_actions(#[case] scope: &str, #[case] access: Option<Access>) {
        assert_eq!(Access::parse(scope), access);
    }

    #[rstest::rstest]
    #[case::all("repository:acme/hello:pull,push", Some("repository:acme/hello:pull,push"))]
    #[case::a_part("repository:acme/hello:delete,pull", Some("repository:acme/hello:pull"))]
    #[case::two_rights_add_up("repository:acme/open:delete,pull", Some("repository:acme/open:delete,pull"))]
    #[case::nothing("repository:other/hello:pull", None)]
    #[case::another_kind("registry:catalog:*", None)]
    fn what_is_allowed_is_granted(#[case] wanted: &str, #[case] expected: Option<&str>) {
        let rights = [Access::repository("acme/*", &["pull", "push"]), Access::repository("acme/open", &["delete"])];
        let granted = Access::granted(&rights, &Access::parse(wanted).unwrap());
        assert_eq!(granted.map(|it| it.to_string()).as_deref(), expected);
    }
}
