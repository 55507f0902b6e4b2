//! Which credentials are missing, found out before anything is built.

use crate::{
    config::{Config, RegistryConfig, SecretNames},
    environment::Environment,
};

/// The variables that have to hold a secret and do not, each once, in the order of the registries. To be asked only
/// when the plan publishes ([`Plan::push`](super::Plan::push)).
///
/// A registry lacks nothing when its configuration names no secrets, when an auth file has credentials for it
/// (`has_file_credentials`), or when it is on this machine. The user name is never missed on ghcr.io, which takes any.
pub fn missing_secrets(
    config: &Config,
    env: &Environment,
    has_file_credentials: impl Fn(&RegistryConfig) -> bool,
) -> Vec<String> {
    let mut missing = Vec::new();
    for registry in &config.registries {
        let Some(secrets) = &registry.secrets else { continue };
        if registry.repository.host.is_loopback() {
            continue;
        }
        let absent: Vec<_> = needed(registry, secrets).filter(|name| env.get(name).is_none()).collect();
        if absent.is_empty() || has_file_credentials(registry) {
            continue;
        }
        for name in absent {
            if !missing.contains(name) {
                missing.push(name.clone());
            }
        }
    }
    missing
}

fn needed<'a>(registry: &RegistryConfig, secrets: &'a SecretNames) -> impl Iterator<Item = &'a String> + use<'a> {
    let username = (!registry.repository.host.is_ghcr()).then_some(&secrets.username);
    username.into_iter().chain([&secrets.password])
}

#[cfg(test)]
mod tests {
    use rstest::rstest;

    use super::*;
    use crate::config::{Settings, load};

    /// What is missing for `registries` (the default ones if empty) where `variables` are set and auth files know
    /// `known`, a registry's short name.
    fn missing(registries: &[&str], variables: &[&str], known: &str) -> Vec<String> {
        let folder = tempfile::tempdir().unwrap();
        let registries = registries.iter().map(|text| (*text).into()).collect();
        let settings = Settings { image: Some("acme/hello".into()), registries, ..Settings::default() };
        let env: Environment = variables.iter().map(|name| (*name, "value")).collect();
        let config = load(folder.path(), &settings, &env).unwrap();
        missing_secrets(&config, &env, |registry| registry.name == known)
    }

    #[rstest]
    #[case(&[], "", &["GITHUB_TOKEN", "DOCKERHUB_USERNAME", "DOCKERHUB_TOKEN"])]
    #[case(&["GITHUB_TOKEN"], "", &["DOCKERHUB_USERNAME", "DOCKERHUB_TOKEN"])]
    #[case(&["GITHUB_TOKEN", "DOCKERHUB_USERNAME"], "", &["DOCKERHUB_TOKEN"])]
    #[case(&["GITHUB_TOKEN", "DOCKERHUB_TOKEN"], "", &["DOCKERHUB_USERNAME"])]
    #[case(&["GITHUB_TOKEN", "DOCKERHUB_USERNAME", "DOCKERHUB_TOKEN"], "", &[])]
    #[case(&["GITHUB_ACTOR", "DOCKERHUB_USERNAME", "DOCKERHUB_TOKEN"], "", &["GITHUB_TOKEN"])]
    #[case(&["GITHUB_TOKEN"], "dockerhub", &[])]
    #[case(&[], "ghcr", &["DOCKERHUB_USERNAME", "DOCKERHUB_TOKEN"])]
    fn each_missing_secret_is_named(#[case] variables: &[&str], #[case] known: &str, #[case] expected: &[&str]) {
        assert_eq!(missing(&[], variables, known), expected);
    }

    #[rstest]
    #[case(&["a=quay.io/acme/hello"], &[])]
    #[case(&["a=127.0.0.1:5000/acme/hello"], &[])]
    #[case(&["a=ghcr.io/acme/one", "b=ghcr.io/acme/two"], &["GITHUB_TOKEN"])]
    fn only_named_secrets_of_remote_registries_are_missed_and_each_once(
        #[case] registries: &[&str],
        #[case] expected: &[&str],
    ) {
        assert_eq!(missing(registries, &[], ""), expected);
    }
}
