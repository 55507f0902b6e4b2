//! An auth file as docker and podman write it (containers-auth.json(5)): read, and written for podman.

use std::{
    collections::BTreeMap,
    io::{ErrorKind, Write as _},
    iter::successors,
    path::{Path, PathBuf},
    sync::Arc,
};

use base64::{Engine, prelude::BASE64_STANDARD};
use serde::Deserialize;
use serde_json::{Value, json};
use tempfile::{NamedTempFile, TempPath};

use super::{AuthError, Credential, Secret, find::auth_file_paths, helper::IDENTITY_TOKEN_USER};
use crate::{
    environment::Environment,
    oci::{Host, Repository},
};

/// The keys that may stand for Docker Hub beside its name, the one that docker writes first.
const DOCKER_HUB_KEYS: &[&str] = &["https://index.docker.io/v1/", "index.docker.io", "registry-1.docker.io"];

/// What an auth file contains. No `Debug`: the entries hold passwords.
#[derive(Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub(super) struct AuthFile {
    #[serde(skip)]
    pub(super) path: PathBuf,
    auths: Option<BTreeMap<String, Value>>,
    cred_helpers: Option<BTreeMap<String, String>>,
    creds_store: Option<String>,
}

impl AuthFile {
    /// Reads a file; [`None`] if there is none.
    ///
    /// # Errors
    /// [`AuthError::File`].
    pub(super) async fn read(path: &Path) -> Result<Option<Self>, AuthError> {
        let bytes = match tokio::fs::read(path).await {
            Ok(bytes) => bytes,
            Err(error) if matches!(error.kind(), ErrorKind::NotFound | ErrorKind::NotADirectory) => return Ok(None),
            Err(error) => return Err(AuthError::File { path: path.into(), source: Arc::new(error) }),
        };
        // docker takes an empty file for an empty configuration.
        let file = if bytes.trim_ascii().is_empty() { Ok(Self::default()) } else { serde_json::from_slice(&bytes) };
        // serde's message quotes the text, which may be a password: only the position is kept.
        let file = file.map_err(|error| {
            AuthError::invalid_file(path, format!("it is broken at line {}, column {}", error.line(), error.column()))
        })?;
        Ok(Some(Self { path: path.into(), ..file }))
    }

    /// The helper that keeps the credentials of this registry alone.
    pub(super) fn helper(&self, host: &Host) -> Option<&str> {
        let helper = names(host).find_map(|name| self.cred_helpers.as_ref()?.get(name))?;
        Some(helper.as_str()).filter(|helper| !helper.is_empty())
    }

    /// The helper that keeps the credentials of all registries.
    pub(super) fn store(&self) -> Option<&str> {
        self.creds_store.as_deref().filter(|store| !store.is_empty())
    }

    /// The credential with the closest key: the repository, a namespace around it, the registry. Entries without content,
    /// as docker leaves them beside a helper, do not count.
    ///
    /// # Errors
    /// [`AuthError::File`] for an entry that cannot be decoded.
    pub(super) fn credential(&self, repository: &Repository) -> Result<Option<Credential>, AuthError> {
        let (whole, host) = (repository.to_string(), &repository.host);
        // `ghcr.io/acme/hello`, `ghcr.io/acme`, then all names of the registry.
        let keys = successors(Some(whole.as_str()), |key| Some(key.rsplit_once('/')?.0)).chain(names(host));
        let exact = keys.filter_map(|key| self.auths.as_ref()?.get_key_value(key));
        let by_address = self.auths.iter().flatten().filter(|(key, _)| is_address_of(key, host));
        for (key, entry) in exact.chain(by_address) {
            let broken = || AuthError::invalid_file(&self.path, format!("the entry `{key}` cannot be decoded"));
            let field = |name: &str| entry.get(name).and_then(Value::as_str).filter(|text| !text.is_empty());
            if let Some(token) = field("identitytoken") {
                return Ok(Some(Credential::IdentityToken(Secret::new(token))));
            }
            if let Some(auth) = field("auth") {
                return decode(auth).map(Some).ok_or_else(broken);
            }
            if let Some((username, password)) = field("username").zip(field("password")) {
                return Ok(Some(Credential::basic(username, password)));
            }
        }
        Ok(None)
    }
}

/// Writes an auth file for podman with this credential for this repository, and with the entries of the user's own files:
/// podman may need them too, and reads no other file. An argument or a login would show or keep the credential. Nothing is
/// written without one.
///
/// Only this user can read the file. It is removed when the path is dropped.
///
/// # Errors
/// When one of the user's files is not readable, or the new one cannot be written.
pub async fn write_auth_file(
    env: &Environment,
    repository: &Repository,
    credential: &Credential,
) -> Result<Option<TempPath>, AuthError> {
    let entry = match credential {
        Credential::Anonymous => return Ok(None),
        // Without a user name the entry would count as empty.
        Credential::IdentityToken(token) => {
            json!({ "auth": Credential::basic(IDENTITY_TOKEN_USER, "").encoded(), "identitytoken": token.expose() })
        }
        Credential::Basic { .. } => json!({ "auth": credential.encoded() }),
    };
    let (mut auths, mut helpers) = (BTreeMap::new(), BTreeMap::new());
    // The first file that has an entry wins.
    for path in auth_file_paths(env)?.iter().rev() {
        if let Some(file) = AuthFile::read(path).await? {
            auths.extend(file.auths.unwrap_or_default());
            helpers.extend(file.cred_helpers.unwrap_or_default());
        }
    }
    auths.insert(repository.to_string(), entry);
    // The helper of the registry would be asked first.
    helpers.retain(|key, _| !names(&repository.host).any(|name| name == key));
    // There is no `credsStore`, which podman does not know.
    let content = json!({ "auths": auths, "credHelpers": helpers }).to_string();
    // Temporary files have mode 0600 from the moment they exist.
    let file = NamedTempFile::with_prefix("tallyman-auth-").and_then(|mut file| {
        file.write_all(content.as_bytes())?;
        Ok(file.into_temp_path())
    });
    file.map(Some).map_err(|error| AuthError::FileNotWritten(Arc::new(error)))
}

/// The credential in `base64(user:password)`.
fn decode(auth: &str) -> Option<Credential> {
    let text = String::from_utf8(BASE64_STANDARD.decode(auth).ok()?).ok()?;
    let (username, password) = text.split_once(':')?;
    // Old docker versions pad the password with NUL.
    Some(Credential::basic(username, password.trim_end_matches('\0')))
}

/// The registry by all of its names.
fn names(host: &Host) -> impl Iterator<Item = &str> {
    let others = if host.is_docker_hub() { DOCKER_HUB_KEYS } else { &[] };
    std::iter::once(host.as_str()).chain(others.iter().copied())
}

/// Whether a key is an address of the registry: docker once stored them as they were typed, `https://ghcr.io/v2/`.
fn is_address_of(key: &str, host: &Host) -> bool {
    let rest = key.strip_prefix("https://").or_else(|| key.strip_prefix("http://"));
    let name = rest.and_then(|rest| rest.split('/').next());
    name.is_some_and(|name| names(host).any(|known| known == name))
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt as _;

    use tempfile::TempDir;

    use super::*;
    use crate::auth::find;

    const REPOSITORY: &str = "ghcr.io/acme/cache-amd64";

    /// Writes an auth file where `HOME` has these files.
    async fn written(home: &[(&str, &str)], credential: &Credential) -> Result<Option<TempPath>, AuthError> {
        let folder = TempDir::new().unwrap();
        for (path, text) in home {
            let path = folder.path().join(path);
            std::fs::create_dir_all(path.parent().unwrap()).unwrap();
            std::fs::write(path, text).unwrap();
        }
        let env = [("HOME", folder.path().to_str().unwrap())].into_iter().collect();
        write_auth_file(&env, &REPOSITORY.parse().unwrap(), credential).await
    }

    fn read(file: &TempPath) -> Value {
        serde_json::from_slice(&std::fs::read(file).unwrap()).unwrap()
    }

    #[tokio::test]
    async fn only_this_user_can_read_the_file_and_it_is_removed_when_dropped() {
        let file = written(&[], &Credential::basic("ann", "pw")).await.unwrap().unwrap();
        let path = file.to_path_buf();
        assert_eq!(path.metadata().unwrap().permissions().mode() & 0o777, 0o600);
        assert_eq!(read(&file), json!({ "auths": { REPOSITORY: { "auth": "YW5uOnB3" } }, "credHelpers": {} }));
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
            let env = [("REGISTRY_AUTH_FILE", file.to_str().unwrap())].into_iter().collect();
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
