//! The account for a repository: from variables, else from the files of `podman login` and `docker login`, in the order of
//! containers/image (containers-auth.json(5)). No error repeats what was read.

use std::{
    collections::BTreeMap,
    fs,
    io::{self, ErrorKind},
    path::{Path, PathBuf},
};

use docker_credential::{CredentialRetrievalError, DockerCredential, get_credential_from_reader};

use super::{ClientError, Credentials, IDENTITY_TOKEN_USER, Repository};

/// Variables of a process. Empty ones count as unset.
pub type Environment = BTreeMap<String, String>;

/// What credential helpers print for a registry that they do not know.
const UNKNOWN_TO_HELPER: &str = "credentials not found";

/// The variables of this process, without those that are not UTF-8.
pub fn process_environment() -> Environment {
    std::env::vars_os()
        .filter_map(|(name, value)| Some((name.into_string().ok()?, value.into_string().ok()?)))
        .collect()
}

/// The account for a repository; none if there is none, and then only public images can be read.
///
/// # Errors
/// [`ClientError::Credentials`]: one variable without the other, an unreadable file, a failing helper.
pub async fn credentials(
    environment: &Environment,
    repository: &Repository,
) -> Result<Option<Credentials>, ClientError> {
    if let Some(found) = from_variables(environment, repository)? {
        return Ok(Some(found));
    }
    let (files, repository) = (auth_files(environment), repository.clone());
    // Files and helpers block.
    let search = move || files.iter().find_map(|file| from_file(file, &repository).transpose()).transpose();
    tokio::task::spawn_blocking(search).await.map_err(io::Error::other)?
}

/// `VERIFY_USER_GHCR_IO` and `VERIFY_PASSWORD_GHCR_IO`
fn from_variables(environment: &Environment, repository: &Repository) -> Result<Option<Credentials>, ClientError> {
    let host = repository.host.replace(|it: char| !it.is_ascii_alphanumeric(), "_").to_ascii_uppercase();
    let names = [format!("VERIFY_USER_{host}"), format!("VERIFY_PASSWORD_{host}")];
    let values = names.each_ref().map(|name| environment.get(name).filter(|value| !value.is_empty()).cloned());
    let lacks =
        |set: &str, unset: &str| failed(repository, "the environment", format!("{set} is set, but not {unset}"));
    match values {
        [Some(user), Some(password)] => Ok(Some(Credentials { user, password })),
        [None, None] => Ok(None),
        [Some(_), None] => Err(lacks(&names[0], &names[1])),
        [None, Some(_)] => Err(lacks(&names[1], &names[0])),
    }
}

fn auth_files(environment: &Environment) -> Vec<PathBuf> {
    let path = |name: &str| environment.get(name).filter(|value| !value.is_empty()).map(PathBuf::from);
    if let Some(file) = path("REGISTRY_AUTH_FILE") {
        return vec![file];
    }
    if let Some(folder) = path("DOCKER_CONFIG") {
        return vec![folder.join("config.json")];
    }
    let home = path("HOME");
    let config = path("XDG_CONFIG_HOME").or_else(|| Some(home.as_ref()?.join(".config")));
    let podman = [path("XDG_RUNTIME_DIR"), config].into_iter().flatten().map(|it| it.join("containers/auth.json"));
    podman.chain(home.map(|it| it.join(".docker/config.json"))).collect()
}

fn from_file(file: &Path, repository: &Repository) -> Result<Option<Credentials>, ClientError> {
    let failed = |problem: String| failed(repository, &file.display().to_string(), problem);
    let bytes = match fs::read(file) {
        Ok(bytes) => bytes,
        Err(error) if matches!(error.kind(), ErrorKind::NotFound | ErrorKind::NotADirectory) => return Ok(None),
        Err(error) => return Err(failed(error.to_string())),
    };
    for key in keys(repository) {
        let found = account(get_credential_from_reader(bytes.as_slice(), &key)).map_err(failed)?;
        if found.is_some() {
            return Ok(found);
        }
    }
    Ok(None)
}

/// What a file or a helper has under one name; an error in words that repeat nothing of it.
fn account(found: Result<DockerCredential, CredentialRetrievalError>) -> Result<Option<Credentials>, String> {
    let (user, password) = match found {
        Ok(DockerCredential::UsernamePassword(user, password)) => (user, password),
        Ok(DockerCredential::IdentityToken(token)) => (IDENTITY_TOKEN_USER.to_owned(), token),
        Err(CredentialRetrievalError::NoCredentialConfigured) => return Ok(None),
        Err(CredentialRetrievalError::HelperFailure { stdout, .. }) if stdout.contains(UNKNOWN_TO_HELPER) => {
            return Ok(None);
        }
        Err(CredentialRetrievalError::HelperFailure { helper, .. }) => return Err(format!("{helper} failed")),
        Err(error) => return Err(error.to_string()),
    };
    Ok((!password.is_empty()).then_some(Credentials { user, password }))
}

/// The names under which a file may have the account: the longest wins, `ghcr.io/acme` over `ghcr.io`.
fn keys(repository: &Repository) -> Vec<String> {
    let whole = repository.to_string();
    let ends = whole.match_indices('/').map(|(at, _)| at).rev();
    let mut keys: Vec<String> = std::iter::once(whole.len()).chain(ends).map(|end| whole[..end].to_owned()).collect();
    if repository.host == "docker.io" {
        keys.push("https://index.docker.io/v1/".to_owned());
    }
    keys
}

fn failed(repository: &Repository, source_name: &str, problem: String) -> ClientError {
    ClientError::Credentials { host: repository.host.clone(), source_name: source_name.to_owned(), problem }
}

#[cfg(test)]
mod tests {
    use rstest::rstest;
    use tempfile::TempDir;

    use super::*;

    /// `acme:from-file`, `acme:longest`
    const FROM_FILE: &str = r#"{"auths": {
        "ghcr.io": {"auth": "YWNtZTpmcm9tLWZpbGU="},
        "ghcr.io/acme": {"auth": "YWNtZTpsb25nZXN0"},
        "https://index.docker.io/v1/": {"username": "hub", "password": "word"},
        "quay.io": {"identitytoken": "identity"},
        "empty.example": {}
    }}"#;

    fn environment(variables: &[(&str, &str)]) -> Environment {
        variables.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect()
    }

    fn write(folder: &TempDir, path: &str, content: &str) -> String {
        let path = folder.path().join(path);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(&path, content).unwrap();
        path.to_string_lossy().into_owned()
    }

    async fn found(variables: &Environment, repository: &str) -> Result<String, String> {
        let repository = Repository::parse("x", repository).unwrap();
        match credentials(variables, &repository).await {
            Ok(Some(it)) => Ok(format!("{}:{}", it.user, it.password)),
            Ok(None) => Ok("nobody".to_owned()),
            Err(error) => Err(error.to_string()),
        }
    }

    #[rstest]
    #[case("ghcr.io/acme/hello", "acme:longest")]
    #[case("ghcr.io/acme2/hello", "acme:from-file")]
    #[case("docker.io/acme/hello", "hub:word")]
    #[case("quay.io/acme/hello", "<token>:identity")]
    #[case("empty.example/acme/hello", "nobody")]
    #[case("127.0.0.1:5000/acme/hello", "nobody")]
    #[tokio::test]
    async fn a_file_has_the_account(#[case] repository: &str, #[case] expected: &str) {
        let folder = tempfile::tempdir().unwrap();
        let file = write(&folder, "auth.json", FROM_FILE);
        let variables = environment(&[("REGISTRY_AUTH_FILE", file.as_str())]);
        assert_eq!(found(&variables, repository).await.unwrap(), expected);
    }

    #[tokio::test]
    async fn variables_come_before_files_and_in_pairs() {
        let folder = tempfile::tempdir().unwrap();
        let file = write(&folder, "auth.json", FROM_FILE);
        let file = ("REGISTRY_AUTH_FILE", file.as_str());
        let both = environment(&[file, ("VERIFY_USER_GHCR_IO", "me"), ("VERIFY_PASSWORD_GHCR_IO", "mine")]);
        assert_eq!(found(&both, "ghcr.io/acme/hello").await.unwrap(), "me:mine");
        let half = environment(&[file, ("VERIFY_PASSWORD_GHCR_IO", "mine")]);
        let told = found(&half, "ghcr.io/acme/hello").await.unwrap_err();
        assert!(told.contains("VERIFY_PASSWORD_GHCR_IO is set, but not VERIFY_USER_GHCR_IO"), "{told}");
        let empty = environment(&[file, ("VERIFY_USER_GHCR_IO", ""), ("VERIFY_PASSWORD_GHCR_IO", "")]);
        assert_eq!(found(&empty, "ghcr.io/x/y").await.unwrap(), "acme:from-file");
    }

    #[tokio::test]
    async fn files_are_read_in_the_order_of_podman() {
        let folder = tempfile::tempdir().unwrap();
        let auth = |user: &str| format!(r#"{{"auths": {{"ghcr.io": {{"username": "{user}", "password": "p"}}}}}}"#);
        let at = |path: &str| folder.path().join(path).to_string_lossy().into_owned();
        let (home, runtime) = (at("home"), at("runtime"));
        let variables = environment(&[("HOME", home.as_str()), ("XDG_RUNTIME_DIR", runtime.as_str())]);
        assert_eq!(found(&variables, "ghcr.io/a").await.unwrap(), "nobody");
        for (path, user) in [
            ("home/.docker/config.json", "docker"),
            ("home/.config/containers/auth.json", "config"),
            ("runtime/containers/auth.json", "runtime"),
        ] {
            write(&folder, path, &auth(user));
            assert_eq!(found(&variables, "ghcr.io/a").await.unwrap(), format!("{user}:p"));
        }
        let docker = at("home/.docker");
        let variables = environment(&[("XDG_RUNTIME_DIR", runtime.as_str()), ("DOCKER_CONFIG", docker.as_str())]);
        assert_eq!(found(&variables, "ghcr.io/a").await.unwrap(), "docker:p");
    }

    #[test]
    fn docker_hub_has_several_names_and_the_longest_comes_first() {
        let names = keys(&Repository::parse("x", "docker.io/acme/hello").unwrap());
        assert_eq!(names, ["docker.io/acme/hello", "docker.io/acme", "docker.io", "https://index.docker.io/v1/"]);
    }

    #[rstest]
    #[case::unknown("credentials not found in native keychain", Ok(false))]
    #[case::failed("hunter2", Err("docker-credential-x failed"))]
    fn a_helper_may_fail_or_know_nothing(#[case] stdout: &str, #[case] expected: Result<bool, &str>) {
        let (helper, stdout, stderr) = ("docker-credential-x".to_owned(), stdout.to_owned(), "hunter2".to_owned());
        let found = account(Err(CredentialRetrievalError::HelperFailure { helper, stdout, stderr }));
        assert_eq!(found.map(|it| it.is_some()), expected.map_err(str::to_owned));
    }

    #[test]
    fn a_helper_that_gives_nothing_knows_nothing() {
        assert!(account(Ok(DockerCredential::UsernamePassword("acme".into(), String::new()))).unwrap().is_none());
    }

    #[rstest]
    #[case(r#"{"auths": {"ghcr.io": {"auth": "hunter2!"}}}"#, "Unable to decode credential")]
    #[case(r#"{"auths": {"ghcr.io": {"auth": ["hunter2"]}}}"#, "Unable to read config")]
    #[case(r#"{"credHelpers": {"ghcr.io": "gone"}}"#, "Unable to communicate with credential helper")]
    #[case(r#"{"credHelpers": {"ghcr.io": "../../bin/sh"}}"#, "Unable to communicate with credential helper")]
    #[tokio::test]
    async fn an_error_repeats_nothing_that_was_read(#[case] content: &str, #[case] expected: &str) {
        let folder = tempfile::tempdir().unwrap();
        let file = write(&folder, "auth.json", content);
        let variables = environment(&[("REGISTRY_AUTH_FILE", file.as_str())]);
        let told = found(&variables, "ghcr.io/acme/hello").await.unwrap_err();
        assert!(told.contains(expected) && !told.contains("hunter2"), "{told}");
    }
}
