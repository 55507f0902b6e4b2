//! Who may do what.

use super::scope::Access;

/// Actions on a family of repositories.
#[derive(Debug, Clone)]
pub struct Right {
    /// What may be done; the name is that of one repository, or ends in `*` for all that begin so.
    access: Access,
}

impl Right {
    /// Actions on one repository, or, if the name ends in `*`, on all whose names begin like that.
    pub fn on(repositories: &str, actions: &[&str]) -> Self {
        Self { access: Access::repository(repositories, actions) }
    }

    /// To read the names of all repositories.
    pub fn catalog() -> Self {
        Self { access: Access::catalog() }
    }

    fn concerns(&self, wanted: &Access) -> bool {
        let name = match self.access.name.strip_suffix('*') {
            Some(beginning) => wanted.name.starts_with(beginning),
            None => wanted.name == self.access.name,
        };
        name && self.access.kind == wanted.kind
    }
}

/// Of what was asked for, what these rights allow. Resources of which nothing is allowed are left out.
pub(super) fn granted(rights: &[Right], wanted: &[Access]) -> Vec<Access> {
    let grant = |wanted: &Access| {
        let rights = rights.iter().filter(|right| right.concerns(wanted));
        let allowed = rights.flat_map(|right| wanted.actions.intersection(&right.access.actions)).cloned().collect();
        Access { actions: allowed, ..wanted.clone() }
    };
    wanted.iter().map(grant).filter(|access| !access.actions.is_empty()).collect()
}

/// Somebody who may log in.
#[derive(Clone)]
pub struct Account {
    name: Option<String>,
    password: String,
    pub(super) rights: Vec<Right>,
}

impl Account {
    /// Somebody with a name and a password, or token.
    pub fn new(name: &str, password: &str, rights: &[Right]) -> Self {
        Self { name: Some(name.to_owned()), ..Self::any_name(password, rights) }
    }

    /// Somebody with a token, whatever name is given with it, as at GHCR.
    pub fn any_name(password: &str, rights: &[Right]) -> Self {
        Self { name: None, password: password.to_owned(), rights: rights.to_vec() }
    }

    pub(super) fn is(&self, name: &str, password: &str) -> bool {
        self.password == password && self.name.as_deref().is_none_or(|own| own == name)
    }
}

/// The password is told to nobody.
impl std::fmt::Debug for Account {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Account").field("name", &self.name).field("rights", &self.rights).finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[rstest::rstest]
    #[case::all("repository:acme/hello:pull,push", &["repository:acme/hello:pull,push"])]
    #[case::a_part("repository:acme/hello:delete,pull", &["repository:acme/hello:pull"])]
    #[case::two_rights_add_up("repository:acme/open:delete,pull", &["repository:acme/open:delete,pull"])]
    #[case::nothing("repository:other/hello:pull", &[])]
    #[case::another_kind("registry:catalog:*", &[])]
    fn what_is_allowed_is_granted(#[case] wanted: &str, #[case] expected: &[&str]) {
        let rights = [Right::on("acme/*", &["pull", "push"]), Right::on("acme/open", &["delete"])];
        let granted = granted(&rights, &[Access::parse(wanted).unwrap()]);
        assert_eq!(granted.iter().map(Access::to_string).collect::<Vec<_>>(), expected);
    }

    #[test]
    fn debug_does_not_tell_the_password() {
        let account = Account::new("acme", "s3cr3t", &[]);
        assert!(!format!("{account:?}").contains("s3cr3t"));
    }
}
