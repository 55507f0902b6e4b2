//! Finds the credential of a repository: the environment first, then the auth files in the order of containers/image.

use std::{path::PathBuf, sync::Arc};

use super::{AuthError, Credential, file::AuthFile, helper};
use crate::{environment::Environment, oci::Repository};

/// GHCR takes any user name; this is the one that GitHub's own documents use for installation tokens.
const GHCR_USER: &str = "x-access-token";
/// What helpers know Docker Hub by: docker's name for it, then podman's.
const DOCKER_HUB_SERVERS: &[&str] = &["https://index.docker.io/v1/", "docker.io"];

/// A credential and where it comes from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FoundCredential {
    /// The credential; [`Credential::Anonymous`] where none was found.
    pub credential: Credential,
    /// Where it was found, or where it was looked for: `environment DOCKERHUB_USERNAME/DOCKERHUB_TOKEN`, `auth file …`,
    /// `helper docker-credential-pass named in …`.
    pub origin: String,
}

/// Finds the credential of a repository.
///
/// `env_names` are the variables for user name and password, which win over all files. One of them without the other is
/// an error: falling back to a file would publish with another account. For GHCR the password alone is enough, and the
/// user name alone counts for nothing, because GitHub sets `GITHUB_ACTOR` always.
///
/// Then `REGISTRY_AUTH_FILE` alone, or `$DOCKER_CONFIG/config.json` alone, or podman's two files and docker's. The first
/// that knows the repository wins; those behind it are not read. In a file: `credHelpers`, `auths`, `credsStore`.
///
/// # Errors
/// When the environment is half set, and when a file or helper on the way fails.
pub async fn find(
    env: &Environment,
    repository: &Repository,
    env_names: Option<(&str, &str)>,
) -> Result<FoundCredential, AuthError> {
    if let Some(names) = env_names
        && let Some(found) = in_environment(env, repository, names)?
    {
        return Ok(found);
    }
    let paths = auth_file_paths(env).await?;
    for path in &paths {
        if let Some(file) = AuthFile::read(path).await?
            && let Some(found) = in_file(env, &file, repository).await?
        {
            return Ok(found);
        }
    }
    let places = env_names.map(|(username, password)| format!("environment {username}/{password}"));
    let places: Vec<_> = places.into_iter().chain(paths.iter().map(|path| path.display().to_string())).collect();
    Ok(FoundCredential {
        credential: Credential::Anonymous,
        origin: format!("nowhere, looked in {}", places.join(", ")),
    })
}

fn in_environment(
    env: &Environment,
    repository: &Repository,
    (username_name, password_name): (&str, &str),
) -> Result<Option<FoundCredential>, AuthError> {
    // A line break at the end is what `echo` left in a secret; no header could carry it.
    let value = |name| env.get(name).map(|text| text.trim_end_matches(['\r', '\n'])).filter(|text| !text.is_empty());
    let half = |present: &str, missing: &str| AuthError::HalfSet { present: present.into(), missing: missing.into() };
    let any_user = repository.host.is_ghcr();
    let (username, password, origin) = match (value(username_name), value(password_name)) {
        (Some(username), Some(password)) => {
            (username, password, format!("environment {username_name}/{password_name}"))
        }
        (None, Some(password)) if any_user => (GHCR_USER, password, format!("environment {password_name}")),
        (None, Some(_)) => return Err(half(password_name, username_name)),
        (Some(_), None) if !any_user => return Err(half(username_name, password_name)),
        (_, None) => return Ok(None),
    };
    Ok(Some(FoundCredential { credential: Credential::basic(username, password), origin }))
}

/// The auth files to read, in this order. A file that the user named must exist.
pub(super) async fn auth_file_paths(env: &Environment) -> Result<Vec<PathBuf>, AuthError> {
    let path = |name| env.get(name).map(PathBuf::from);
    if let Some(path) = path("REGISTRY_AUTH_FILE") {
        return match tokio::fs::metadata(&path).await {
            Ok(_) => Ok(vec![path]),
            Err(error) => Err(AuthError::File { path, source: Arc::new(error) }),
        };
    }
    if let Some(docker) = path("DOCKER_CONFIG") {
        return Ok(vec![docker.join("config.json")]);
    }
    let home = path("HOME");
    let config = path("XDG_CONFIG_HOME").or_else(|| home.as_ref().map(|home| home.join(".config")));
    let candidates = [
        path("XDG_RUNTIME_DIR").map(|folder| folder.join("containers/auth.json")),
        config.map(|folder| folder.join("containers/auth.json")),
        home.map(|home| home.join(".docker/config.json")),
    ];
    Ok(candidates.into_iter().flatten().collect())
}

async fn in_file(
    env: &Environment,
    file: &AuthFile,
    repository: &Repository,
) -> Result<Option<FoundCredential>, AuthError> {
    if let Some(name) = file.helper(&repository.host)
        && let Some(found) = in_helper(env, file, name, repository).await?
    {
        return Ok(Some(found));
    }
    if let Some(credential) = file.credential(repository)? {
        return Ok(Some(FoundCredential { credential, origin: format!("auth file {}", file.path.display()) }));
    }
    match file.store() {
        Some(name) => in_helper(env, file, name, repository).await,
        None => Ok(None),
    }
}

async fn in_helper(
    env: &Environment,
    file: &AuthFile,
    name: &str,
    repository: &Repository,
) -> Result<Option<FoundCredential>, AuthError> {
    let program = helper::program(name);
    let host = [repository.host.as_str()];
    for server in if repository.host.is_docker_hub() { DOCKER_HUB_SERVERS } else { &host } {
        let credential = helper::get(env, &program, server).await.map_err(|error| AuthError::Helper {
            helper: program.clone(),
            file: file.path.clone(),
            source: Arc::new(error),
        })?;
        if let Some(credential) = credential {
            let origin = format!("helper {program} named in {}", file.path.display());
            return Ok(Some(FoundCredential { credential, origin }));
        }
    }
    Ok(None)
}

#[cfg(test)]
mod tests;
