//! A temporary auth file that gives podman a credential: an argument or a login would show or keep it.

use std::{
    io::{self, Write as _},
    path::Path,
    sync::Arc,
};

use tempfile::NamedTempFile;

use super::{AuthError, Credential, file::AuthFile, find::auth_file_paths};
use crate::{environment::Environment, oci::Repository};

/// An auth file that only this user can read. It is removed when this is dropped.
#[derive(Debug)]
pub struct TemporaryAuthFile(NamedTempFile);

impl TemporaryAuthFile {
    /// Where it is.
    pub fn path(&self) -> &Path {
        self.0.path()
    }
}

/// Writes an auth file with this credential for this repository, and with the entries of the user's own files: podman
/// may need them too, and reads no other file. Nothing is written without a credential.
///
/// # Errors
/// When one of the user's files is not readable, or the new one cannot be written.
pub async fn write_auth_file(
    env: &Environment,
    repository: &Repository,
    credential: &Credential,
) -> Result<Option<TemporaryAuthFile>, AuthError> {
    if credential.is_anonymous() {
        return Ok(None);
    }
    let mut merged = AuthFile::default();
    for path in auth_file_paths(env).await? {
        if let Some(file) = AuthFile::read(&path).await? {
            merged.merge(file);
        }
    }
    merged.set(repository, credential);
    let written = write(&merged).map_err(|error| AuthError::FileNotWritten(Arc::new(error)))?;
    Ok(Some(TemporaryAuthFile(written)))
}

/// Temporary files have mode 0600 from the moment they exist.
fn write(content: &AuthFile) -> io::Result<NamedTempFile> {
    let mut file = NamedTempFile::with_prefix("tallyman-auth-")?;
    file.write_all(&serde_json::to_vec(content)?)?;
    Ok(file)
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt as _;

    use serde_json::{Value, json};
    use tempfile::TempDir;

    use super::*;
    use crate::auth::{Secret, find};

    const REPOSITORY: &str = "ghcr.io/acme/cache-amd64";

    /// Writes an auth file where `HOME` has these files.
    async fn written(home: &[(&str, &str)], credential: &Credential) -> Result<Option<TemporaryAuthFile>, AuthError> {
        let folder = TempDir::new().unwrap();
        for (path, text) in home {
            let path = folder.path().join(path);
            std::fs::create_dir_all(path.parent().unwrap()).unwrap();
            std::fs::write(path, text).unwrap();
        }
        let env = [("HOME", folder.path().to_str().unwrap())].into_iter().collect();
        write_auth_file(&env, &REPOSITORY.parse().unwrap(), credential).await
    }

    fn read(file: &TemporaryAuthFile) -> Value {
        serde_json::from_slice(&std::fs::read(file.path()).unwrap()).unwrap()
    }

    #[tokio::test]
    async fn only_this_user_can_read_the_file_and_it_is_removed_when_dropped() {
        let file = written(&[], &Credential::basic("ann", "pw")).await.unwrap().unwrap();
        let path = file.path().to_owned();
        assert_eq!(path.metadata().unwrap().permissions().mode() & 0o777, 0o600);
        assert_eq!(read(&file), json!({ "auths": { REPOSITORY: { "auth": "YW5uOnB3" } } }));
        drop(file);
        assert!(!path.exists());
    }

    #[tokio::test]
    async fn the_users_own_entries_are_kept_but_for_the_helper_of_this_registry() {
        let podman = r#"{"auths":{"quay.io":{"auth":"Ym9iOnB3"},"ghcr.io/acme/cache-amd64":{"auth":"Ym9iOnB3"}}}"#;
        let docker = r#"{"auths":{"quay.io":{"auth":"ZXZlOnB3"},"ghcr.io":{"auth":"ZXZlOnB3"}},
            "credHelpers":{"ghcr.io":"pass","gcr.io":"gcloud"},"credsStore":"desktop"}"#;
        let home = [(".config/containers/auth.json", podman), (".docker/config.json", docker)];
        let file = written(&home, &Credential::basic("ann", "pw")).await.unwrap().unwrap();
        let expected = json!({
            "auths": {
                "quay.io": { "auth": "Ym9iOnB3" },
                "ghcr.io": { "auth": "ZXZlOnB3" },
                REPOSITORY: { "auth": "YW5uOnB3" },
            },
            "credHelpers": { "gcr.io": "gcloud" },
        });
        assert_eq!(read(&file), expected);
    }

    #[tokio::test]
    async fn the_credential_is_found_in_the_file() {
        for credential in [Credential::basic("ann", "p:w"), Credential::IdentityToken(Secret::new("t"))] {
            let file = written(&[], &credential).await.unwrap().unwrap();
            let env = [("REGISTRY_AUTH_FILE", file.path().to_str().unwrap())].into_iter().collect();
            let found = find(&env, &REPOSITORY.parse().unwrap(), None).await.unwrap();
            assert_eq!(found.credential, credential);
        }
    }

    #[tokio::test]
    async fn no_credential_means_no_file() {
        assert!(written(&[], &Credential::Anonymous).await.unwrap().is_none());
    }

    #[tokio::test]
    async fn a_broken_file_of_the_user_is_an_error() {
        let home = [(".docker/config.json", "{")];
        assert!(written(&home, &Credential::basic("ann", "pw")).await.is_err());
    }
}
