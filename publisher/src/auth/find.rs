//! Finds the credential of a repository: the environment first, then the auth files in the order of containers/image.

use std::{path::PathBuf, sync::Arc};

use super::{AuthError, Credential, file::AuthFile, helper};
use crate::{
    environment::Environment,
    oci::{Host, Repository},
};

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

/// What one place has; [`None`] if nothing.
type Lookup = Result<Option<FoundCredential>, AuthError>;

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
    let paths = auth_file_paths(env)?;
    for path in &paths {
        if let Some(file) = AuthFile::read(path).await?
            && let Some(found) = in_file(env, &file, repository).await?
        {
            return Ok(found);
        }
    }
    let places = env_names.map(|(username, password)| format!("environment {username}/{password}"));
    let places: Vec<_> = places.into_iter().chain(paths.iter().map(|path| path.display().to_string())).collect();
    let origin = format!("nowhere, looked in {}", places.join(", "));
    Ok(FoundCredential { credential: Credential::Anonymous, origin })
}

fn in_environment(env: &Environment, repository: &Repository, (username_name, password_name): (&str, &str)) -> Lookup {
    // A line break at the end is what `echo` left in a secret; no header could carry it.
    let value = |name| env.get(name).map(|text| text.trim_end_matches(['\r', '\n'])).filter(|text| !text.is_empty());
    let half = |present: &str, missing: &str| AuthError::HalfSet { present: present.into(), missing: missing.into() };
    let any_user = repository.host.is_ghcr();
    let (credential, variables) = match (value(username_name), value(password_name)) {
        (Some(username), Some(password)) => {
            (Credential::basic(username, password), format!("{username_name}/{password_name}"))
        }
        (None, Some(password)) if any_user => (Credential::basic(GHCR_USER, password), password_name.into()),
        (None, Some(_)) => return Err(half(password_name, username_name)),
        (Some(_), None) if !any_user => return Err(half(username_name, password_name)),
        (_, None) => return Ok(None),
    };
    Ok(Some(FoundCredential { credential, origin: format!("environment {variables}") }))
}

/// The auth files to read, in this order. A file that the user named must exist.
pub(super) fn auth_file_paths(env: &Environment) -> Result<Vec<PathBuf>, AuthError> {
    let path = |name| env.get(name).map(PathBuf::from);
    if let Some(path) = path("REGISTRY_AUTH_FILE") {
        return match path.metadata() {
            Ok(_) => Ok(vec![path]),
            Err(error) => Err(AuthError::File { path, source: Arc::new(error) }),
        };
    }
    if let Some(docker) = path("DOCKER_CONFIG") {
        return Ok(vec![docker.join("config.json")]);
    }
    let config = path("XDG_CONFIG_HOME").or_else(|| Some(path("HOME")?.join(".config")));
    let containers = [path("XDG_RUNTIME_DIR"), config].into_iter().flatten();
    let docker = path("HOME").map(|home| home.join(".docker/config.json"));
    Ok(containers.map(|folder| folder.join("containers/auth.json")).chain(docker).collect())
}

async fn in_file(env: &Environment, file: &AuthFile, repository: &Repository) -> Lookup {
    if let Some(name) = file.helper(&repository.host)
        && let Some(found) = in_helper(env, file, name, &repository.host).await?
    {
        return Ok(Some(found));
    }
    if let Some(credential) = file.credential(repository)? {
        return Ok(Some(FoundCredential { credential, origin: format!("auth file {}", file.path.display()) }));
    }
    let Some(name) = file.store() else { return Ok(None) };
    in_helper(env, file, name, &repository.host).await
}

async fn in_helper(env: &Environment, file: &AuthFile, name: &str, host: &Host) -> Lookup {
    let program = format!("docker-credential-{name}");
    let host_alone = [host.as_str()];
    for server in if host.is_docker_hub() { DOCKER_HUB_SERVERS } else { &host_alone } {
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
