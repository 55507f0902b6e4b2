//! Whose account is taken, and that nothing of it shows.

use std::{fs, os::unix::fs::PermissionsExt as _, path::Path};

use rstest::rstest;
use tempfile::TempDir;

use super::{Environment, account};
use crate::look::Place;

/// `acme:from-file`, `acme:longest`
const FROM_FILE: &str = r#"{"auths": {
    "ghcr.io": {"auth": "YWNtZTpmcm9tLWZpbGU="},
    "ghcr.io/acme": {"auth": "YWNtZTpsb25nZXN0"},
    "https://index.docker.io/v1/": {"username": "hub", "password": "word"},
    "quay.io": {"identitytoken": "identity"},
    "empty.example": {}
}}"#;

fn write(folder: &TempDir, path: &str, content: &str) -> String {
    let path = folder.path().join(path);
    fs::create_dir_all(path.parent().unwrap()).unwrap();
    fs::write(&path, content).unwrap();
    path.to_string_lossy().into_owned()
}

/// A helper that knows `known` and says so of what it was asked.
fn helper(folder: &TempDir, name: &str, known: &str) {
    let program = write(
        folder,
        &format!("bin/docker-credential-{name}"),
        &format!(
            "#!/bin/sh\nread -r server || :\n[ \"$1 $server\" = 'get {known}' ] || {{ echo 'credentials not found'; exit 1; }}\n\
             echo '{{\"ServerURL\":\"{known}\",\"Username\":\"helped\",\"Secret\":\"by {name}\"}}'\n"
        ),
    );
    fs::set_permissions(Path::new(&program), fs::Permissions::from_mode(0o755)).unwrap();
}

async fn found(environment: &Environment, repository: &str) -> Result<String, String> {
    let place = Place::open("x", repository).unwrap();
    match account(environment, &place).await {
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
async fn a_file_says_who_we_are(#[case] repository: &str, #[case] expected: &str) {
    let folder = tempfile::tempdir().unwrap();
    let file = write(&folder, "auth.json", FROM_FILE);
    let environment = Environment::from([("REGISTRY_AUTH_FILE", file.as_str())]);
    assert_eq!(found(&environment, repository).await.unwrap(), expected);
}

#[tokio::test]
async fn variables_come_before_files_and_stand_in_pairs() {
    let folder = tempfile::tempdir().unwrap();
    let file = write(&folder, "auth.json", FROM_FILE);
    let file = ("REGISTRY_AUTH_FILE", file.as_str());
    let both = Environment::from([file, ("VERIFY_USER_GHCR_IO", "me"), ("VERIFY_PASSWORD_GHCR_IO", "mine")]);
    assert_eq!(found(&both, "ghcr.io/acme/hello").await.unwrap(), "me:mine");
    let half = Environment::from([file, ("VERIFY_PASSWORD_GHCR_IO", "mine")]);
    let told = found(&half, "ghcr.io/acme/hello").await.unwrap_err();
    assert!(told.contains("VERIFY_PASSWORD_GHCR_IO is set, but not VERIFY_USER_GHCR_IO"), "{told}");
    let empty = Environment::from([file, ("VERIFY_USER_GHCR_IO", ""), ("VERIFY_PASSWORD_GHCR_IO", "")]);
    assert_eq!(found(&empty, "ghcr.io/x/y").await.unwrap(), "acme:from-file");
}

#[tokio::test]
async fn files_are_read_in_the_order_of_podman() {
    let folder = tempfile::tempdir().unwrap();
    let auth = |user: &str| format!(r#"{{"auths": {{"ghcr.io": {{"username": "{user}", "password": "p"}}}}}}"#);
    let at = |path: &str| folder.path().join(path).to_string_lossy().into_owned();
    let (home, runtime) = (at("home"), at("runtime"));
    let environment = Environment::from([("HOME", home.as_str()), ("XDG_RUNTIME_DIR", runtime.as_str())]);
    assert_eq!(found(&environment, "ghcr.io/a").await.unwrap(), "nobody");
    for (path, user) in [
        ("home/.docker/config.json", "docker"),
        ("home/.config/containers/auth.json", "config"),
        ("runtime/containers/auth.json", "runtime"),
    ] {
        write(&folder, path, &auth(user));
        assert_eq!(found(&environment, "ghcr.io/a").await.unwrap(), format!("{user}:p"));
    }
    let docker = at("home/.docker");
    let environment = Environment::from([("XDG_RUNTIME_DIR", runtime.as_str()), ("DOCKER_CONFIG", docker.as_str())]);
    assert_eq!(found(&environment, "ghcr.io/a").await.unwrap(), "docker:p");
}

#[rstest]
#[case("ghcr.io/a", "helped:by one")]
#[case("docker.io/a", "helped:by two")]
#[case("quay.io/a", "q:p")]
#[case("other.example/a", "nobody")]
#[tokio::test]
async fn helpers_are_asked(#[case] repository: &str, #[case] expected: &str) {
    let folder = tempfile::tempdir().unwrap();
    helper(&folder, "one", "ghcr.io");
    helper(&folder, "two", "https://index.docker.io/v1/");
    let file = write(
        &folder,
        "auth.json",
        r#"{"credHelpers": {"ghcr.io": "one"}, "credsStore": "two", "auths": {
            "ghcr.io": {"username": "g", "password": "p"}, "quay.io": {"username": "q", "password": "p"}, "docker.io": {}}}"#,
    );
    let path = format!("{}:{}", folder.path().join("bin").display(), std::env::var("PATH").unwrap());
    let environment = Environment::from([("REGISTRY_AUTH_FILE", file.as_str()), ("PATH", path.as_str())]);
    assert_eq!(found(&environment, repository).await.unwrap(), expected);
}

#[rstest]
#[case(r#"{"auths": {"ghcr.io": {"auth": "hunter2!"}}}"#, "not base64")]
#[case(r#"{"auths": {"ghcr.io": {"auth": ["hunter2"]}}}"#, "no auth file")]
#[case(r#"{"credHelpers": {"ghcr.io": "gone"}}"#, "docker-credential-gone: it is not in the PATH")]
#[case(r#"{"credHelpers": {"ghcr.io": "../../bin/sh"}}"#, "it is not in the PATH")]
#[tokio::test]
async fn what_cannot_be_read_is_told_without_it(#[case] content: &str, #[case] expected: &str) {
    let folder = tempfile::tempdir().unwrap();
    let file = write(&folder, "auth.json", content);
    let environment = Environment::from([("REGISTRY_AUTH_FILE", file.as_str()), ("PATH", "/usr/bin")]);
    let told = found(&environment, "ghcr.io/acme/hello").await.unwrap_err();
    assert!(told.contains(expected) && !told.contains("hunter2"), "{told}");
}
