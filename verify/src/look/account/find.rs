//! Where an account is looked for: in variables, then in the files of podman and docker, in the order of containers/image.

use std::{io::ErrorKind, path::PathBuf};

use super::{
    environment::Environment,
    file::{AuthFile, keys},
    helper,
};
use crate::look::{Credentials, LookError, Place};

/// The variables with the account for a registry; what follows is its host in capitals, other characters as `_`.
const USER_VARIABLE: &str = "VERIFY_USER_";
/// See [`USER_VARIABLE`].
const PASSWORD_VARIABLE: &str = "VERIFY_PASSWORD_";

/// The account for a place; none if nobody named one, and then only what is public is seen.
///
/// # Errors
/// [`LookError::Credentials`]: one variable without the other, files and helpers that do not do their part.
pub async fn account(environment: &Environment, place: &Place) -> Result<Option<Credentials>, LookError> {
    if let Some(found) = in_variables(environment, place)? {
        return Ok(Some(found));
    }
    for path in files(environment) {
        let wrong = |problem: String| wrong(place, path.display().to_string(), problem);
        let bytes = match tokio::fs::read(&path).await {
            Ok(bytes) => bytes,
            Err(error) if matches!(error.kind(), ErrorKind::NotFound | ErrorKind::NotADirectory) => continue,
            Err(error) => return Err(wrong(error.to_string())),
        };
        // What serde says could repeat a password.
        let file: AuthFile = serde_json::from_slice(&bytes).map_err(|_| wrong("it is no auth file".to_owned()))?;
        if let Some(found) = in_file(environment, &file, place, &wrong).await? {
            return Ok(Some(found));
        }
    }
    Ok(None)
}

fn in_variables(environment: &Environment, place: &Place) -> Result<Option<Credentials>, LookError> {
    let host: String =
        place.host.chars().map(|it| if it.is_ascii_alphanumeric() { it.to_ascii_uppercase() } else { '_' }).collect();
    let (user, password) = (format!("{USER_VARIABLE}{host}"), format!("{PASSWORD_VARIABLE}{host}"));
    match (environment.get(&user), environment.get(&password)) {
        (Some(user), Some(password)) => Ok(Some(Credentials { user: user.to_owned(), password: password.to_owned() })),
        (None, None) => Ok(None),
        (Some(_), None) => Err(wrong(place, "the environment".into(), format!("{user} is set, but not {password}"))),
        (None, Some(_)) => Err(wrong(place, "the environment".into(), format!("{password} is set, but not {user}"))),
    }
}

fn files(environment: &Environment) -> Vec<PathBuf> {
    if let Some(file) = environment.path("REGISTRY_AUTH_FILE") {
        return vec![file];
    }
    if let Some(folder) = environment.path("DOCKER_CONFIG") {
        return vec![folder.join("config.json")];
    }
    let home = environment.path("HOME");
    let config = environment.path("XDG_CONFIG_HOME").or_else(|| Some(home.as_ref()?.join(".config")));
    let podman = [environment.path("XDG_RUNTIME_DIR"), config].into_iter().flatten();
    podman
        .map(|folder| folder.join("containers/auth.json"))
        .chain(home.map(|it| it.join(".docker/config.json")))
        .collect()
}

async fn in_file(
    environment: &Environment,
    file: &AuthFile,
    place: &Place,
    wrong: &impl Fn(String) -> LookError,
) -> Result<Option<Credentials>, LookError> {
    if let Some(found) = in_helper(environment, file.helper(&place.host), place).await? {
        return Ok(Some(found));
    }
    if let Some(found) = file.entry(&place.host, &place.name).map_err(|problem| wrong(problem.to_owned()))? {
        return Ok(Some(found));
    }
    in_helper(environment, file.store(), place).await
}

async fn in_helper(
    environment: &Environment,
    name: Option<&str>,
    place: &Place,
) -> Result<Option<Credentials>, LookError> {
    let Some(name) = name.map(|name| format!("docker-credential-{name}")) else { return Ok(None) };
    let missing = || wrong(place, name.clone(), "it is not in the PATH".to_owned());
    let program = environment.program(&name).ok_or_else(missing)?;
    for server in keys(&place.host) {
        let asked = helper::ask(&program, server).await;
        if let Some(found) = asked.map_err(|problem| wrong(place, name.clone(), problem))? {
            return Ok(Some(found));
        }
    }
    Ok(None)
}

fn wrong(place: &Place, whence: String, problem: String) -> LookError {
    LookError::Credentials { host: place.host.clone(), whence, problem }
}
