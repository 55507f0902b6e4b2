//! Lends a credential to another program: an auth file for it alone, as neither an argument nor a login would be.

use std::{
    io::{self, Write as _},
    path::Path,
    sync::Arc,
};

use tempfile::NamedTempFile;

use super::{
    AuthError, Credential,
    file::{AuthFile, Content},
    find::files,
};
use crate::{environment::Environment, oci::Repository};

/// An auth file that only this user can read. It is removed when this is dropped.
#[derive(Debug)]
pub struct Lent(NamedTempFile);

impl Lent {
    /// Where it is.
    pub fn path(&self) -> &Path {
        self.0.path()
    }
}

/// Writes an auth file that has this credential for this repository, and for all others what the user's own files have:
/// the program may need them too, and reads no other file. Nothing is written for somebody who is nobody.
///
/// # Errors
/// When a file of the user's is not readable, or the new one cannot be written.
pub async fn lend(
    env: &Environment,
    repository: &Repository,
    credential: &Credential,
) -> Result<Option<Lent>, AuthError> {
    if !credential.is_somebody() {
        return Ok(None);
    }
    let mut content = Content::default();
    for path in files(env).await? {
        if let Some(file) = AuthFile::read(&path).await? {
            content.take_over(file.content);
        }
    }
    content.set(repository, credential);
    let written = write(&content).map_err(|error| AuthError::FileNotWritten { source: Arc::new(error) });
    written.map(|file| Some(Lent(file)))
}

/// Temporary files have mode 0600 from the moment they are there.
fn write(content: &Content) -> io::Result<NamedTempFile> {
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

    /// Lends where `HOME` has these files.
    async fn lent(home: &[(&str, &str)], credential: &Credential) -> Result<Option<Lent>, AuthError> {
        let folder = TempDir::new().unwrap();
        for (path, text) in home {
            let path = folder.path().join(path);
            std::fs::create_dir_all(path.parent().unwrap()).unwrap();
            std::fs::write(path, text).unwrap();
        }
        let env = [("HOME", folder.path().to_str().unwrap())].into_iter().collect();
        lend(&env, &REPOSITORY.parse().unwrap(), credential).await
    }

    fn read(lent: &Lent) -> Value {
        serde_json::from_slice(&std::fs::read(lent.path()).unwrap()).unwrap()
    }

    #[tokio::test]
    async fn the_file_is_for_this_user_alone_and_goes_with_the_loan() {
        let lent = lent(&[], &Credential::basic("ann", "pw")).await.unwrap().unwrap();
        let path = lent.path().to_owned();
        assert_eq!(path.metadata().unwrap().permissions().mode() & 0o777, 0o600);
        assert_eq!(read(&lent), json!({ "auths": { REPOSITORY: { "auth": "YW5uOnB3" } } }));
        drop(lent);
        assert!(!path.exists());
    }

    #[tokio::test]
    async fn the_users_own_logins_stay_of_use_but_for_what_would_stand_above_the_loan() {
        let podman = r#"{"auths":{"quay.io":{"auth":"Ym9iOnB3"},"ghcr.io/acme/cache-amd64":{"auth":"Ym9iOnB3"}}}"#;
        let docker = r#"{"auths":{"quay.io":{"auth":"ZXZlOnB3"},"ghcr.io":{"auth":"ZXZlOnB3"}},
            "credHelpers":{"ghcr.io":"pass","gcr.io":"gcloud"},"credsStore":"desktop"}"#;
        let home = [(".config/containers/auth.json", podman), (".docker/config.json", docker)];
        let lent = lent(&home, &Credential::basic("ann", "pw")).await.unwrap().unwrap();
        let expected = json!({
            "auths": {
                "quay.io": { "auth": "Ym9iOnB3" },
                "ghcr.io": { "auth": "ZXZlOnB3" },
                REPOSITORY: { "auth": "YW5uOnB3" },
            },
            "credHelpers": { "gcr.io": "gcloud" },
        });
        assert_eq!(read(&lent), expected);
    }

    #[tokio::test]
    async fn what_is_lent_is_what_is_found_in_it() {
        for credential in [Credential::basic("ann", "p:w"), Credential::IdentityToken(Secret::new("t"))] {
            let lent = lent(&[], &credential).await.unwrap().unwrap();
            let env = [("REGISTRY_AUTH_FILE", lent.path().to_str().unwrap())].into_iter().collect();
            let found = find(&env, &REPOSITORY.parse().unwrap(), None).await.unwrap();
            assert_eq!(found.credential, credential);
        }
    }

    #[tokio::test]
    async fn nobody_gets_no_file() {
        assert!(lent(&[], &Credential::Anonymous).await.unwrap().is_none());
    }

    #[tokio::test]
    async fn a_broken_file_is_not_passed_over() {
        let home = [(".docker/config.json", "{")];
        assert!(lent(&home, &Credential::basic("ann", "pw")).await.is_err());
    }
}
