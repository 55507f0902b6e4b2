//! Which credentials are missing, found out before anything is built.

use crate::{
    auth,
    config::{Config, RegistryConfig, SecretNames},
    environment::Environment,
};

/// The variables that have to hold a secret and do not, each once, in the order of the registries.
///
/// A registry lacks nothing when its configuration names no secrets, when an auth file has a credential for it, or when it
/// is on this machine. The user name is not needed on ghcr.io, which takes any.
pub(super) async fn missing_secrets(config: &Config, env: &Environment) -> Vec<String> {
    let mut missing = Vec::new();
    for registry in &config.registries {
        let Some(SecretNames { username, password }) = &registry.secrets else { continue };
        let host = &registry.repository.host;
        let needed = [(!host.is_ghcr()).then_some(username), Some(password)].into_iter().flatten();
        let absent: Vec<_> = needed.filter(|name| env.get(name).is_none()).collect();
        if absent.is_empty() || host.is_loopback() || has_file_credential(registry, env).await {
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

/// Whether a file has a credential. One that cannot be read is an error of the first connection.
async fn has_file_credential(registry: &RegistryConfig, env: &Environment) -> bool {
    let found = auth::find(env, &registry.repository, None).await;
    found.is_ok_and(|found| !found.credential.is_anonymous())
}

#[cfg(test)]
mod tests {
    use rstest::rstest;

    use super::*;
    use crate::config::{Settings, load};

    /// What is missing for `registries` (the default ones if empty) where `variables` are set and an auth file has a
    /// credential for the host `known`.
    async fn missing(registries: &[&str], variables: &[&str], known: &str) -> Vec<String> {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("auth.json");
        std::fs::write(&file, format!(r#"{{"auths":{{"{known}":{{"auth":"YTpi"}}}}}}"#)).unwrap();
        let registries = registries.iter().map(|text| (*text).into()).collect();
        let settings = Settings { image: Some("acme/hello".into()), registries, ..Settings::default() };
        let file = ("REGISTRY_AUTH_FILE", file.to_str().unwrap());
        let env: Environment = variables.iter().map(|name| (*name, "value")).chain([file]).collect();
        missing_secrets(&load(folder.path(), &settings, &env).unwrap(), &env).await
    }

    #[rstest]
    #[case(&[], "", &["GITHUB_TOKEN", "DOCKERHUB_USERNAME", "DOCKERHUB_TOKEN"])]
    #[case(&["GITHUB_TOKEN"], "", &["DOCKERHUB_USERNAME", "DOCKERHUB_TOKEN"])]
    #[case(&["GITHUB_TOKEN", "DOCKERHUB_USERNAME"], "", &["DOCKERHUB_TOKEN"])]
    #[case(&["GITHUB_TOKEN", "DOCKERHUB_TOKEN"], "", &["DOCKERHUB_USERNAME"])]
    #[case(&["GITHUB_TOKEN", "DOCKERHUB_USERNAME", "DOCKERHUB_TOKEN"], "", &[])]
    #[case(&["GITHUB_ACTOR", "DOCKERHUB_USERNAME", "DOCKERHUB_TOKEN"], "", &["GITHUB_TOKEN"])]
    #[case(&["GITHUB_TOKEN"], "docker.io", &[])]
    #[case(&[], "ghcr.io", &["DOCKERHUB_USERNAME", "DOCKERHUB_TOKEN"])]
    #[tokio::test]
    async fn each_missing_secret_is_named(#[case] variables: &[&str], #[case] known: &str, #[case] expected: &[&str]) {
        assert_eq!(missing(&[], variables, known).await, expected);
    }

    #[rstest]
    #[case(&["a=quay.io/acme/hello"], &[])]
    #[case(&["a=127.0.0.1:5000/acme/hello"], &[])]
    #[case(&["a=ghcr.io/acme/one", "b=ghcr.io/acme/two"], &["GITHUB_TOKEN"])]
    #[tokio::test]
    async fn only_named_secrets_of_remote_registries_are_missed_and_each_once(
        #[case] registries: &[&str],
        #[case] expected: &[&str],
    ) {
        assert_eq!(missing(registries, &[], "").await, expected);
    }
}
