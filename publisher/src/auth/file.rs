//! An auth file as docker and podman write it (containers-auth.json(5)).

use std::{
    collections::BTreeMap,
    io,
    path::{Path, PathBuf},
    sync::Arc,
};

use base64::{Engine, prelude::BASE64_STANDARD};
use serde::{Deserialize, Deserializer, Serialize};
use serde_json::{Value, json};

use super::{AuthError, Credential, Secret, helper::IDENTITY_TOKEN_USER};
use crate::oci::{Host, Repository};

/// The keys that may stand for Docker Hub beside its name, the one that docker writes first.
const DOCKER_HUB_KEYS: &[&str] = &["https://index.docker.io/v1/", "index.docker.io", "registry-1.docker.io"];

/// What an auth file contains. No `Debug`: the entries hold passwords.
#[derive(Default, Deserialize, Serialize)]
#[serde(rename_all = "camelCase", default)]
pub(super) struct AuthFile {
    #[serde(skip)]
    pub(super) path: PathBuf,
    #[serde(deserialize_with = "null_as_default")]
    auths: BTreeMap<String, Value>,
    #[serde(deserialize_with = "null_as_default", skip_serializing_if = "BTreeMap::is_empty")]
    cred_helpers: BTreeMap<String, String>,
    /// Never written: podman, which reads what is written here, has no such key.
    #[serde(deserialize_with = "null_as_default", skip_serializing)]
    creds_store: String,
}

fn null_as_default<'de, D: Deserializer<'de>, T: Default + Deserialize<'de>>(value: D) -> Result<T, D::Error> {
    Ok(Option::deserialize(value)?.unwrap_or_default())
}

impl AuthFile {
    /// Reads a file; [`None`] if there is none.
    ///
    /// # Errors
    /// [`AuthError::File`].
    pub(super) async fn read(path: &Path) -> Result<Option<Self>, AuthError> {
        let failed = |error| AuthError::File { path: path.into(), source: Arc::new(error) };
        let bytes = match tokio::fs::read(path).await {
            Err(error) if matches!(error.kind(), io::ErrorKind::NotFound | io::ErrorKind::NotADirectory) => {
                return Ok(None);
            }
            bytes => bytes.map_err(failed)?,
        };
        // docker takes an empty file for an empty configuration.
        let file = if bytes.trim_ascii().is_empty() { Ok(Self::default()) } else { serde_json::from_slice(&bytes) };
        // serde's message quotes the text, which may be a password: only the position is kept.
        let file = file.map_err(|error| {
            failed(invalid(format!("it is broken at line {}, column {}", error.line(), error.column())))
        })?;
        Ok(Some(Self { path: path.into(), ..file }))
    }

    /// The helper that keeps the credentials of this registry alone.
    pub(super) fn helper(&self, host: &Host) -> Option<&str> {
        let helper = names(host).find_map(|name| self.cred_helpers.get(name))?;
        Some(helper.as_str()).filter(|helper| !helper.is_empty())
    }

    /// The helper that keeps the credentials of all registries.
    pub(super) fn store(&self) -> Option<&str> {
        Some(self.creds_store.as_str()).filter(|store| !store.is_empty())
    }

    /// The credential with the closest key: the repository, a namespace around it, the registry. Entries without content,
    /// as docker leaves them beside a helper, do not count.
    ///
    /// # Errors
    /// [`AuthError::File`] for an entry that cannot be decoded.
    pub(super) fn credential(&self, repository: &Repository) -> Result<Option<Credential>, AuthError> {
        let exact = keys(repository).into_iter().filter_map(|key| self.auths.get_key_value(&key));
        let by_address = self.auths.iter().filter(|(key, _)| is_address_of(key, &repository.host));
        for (key, entry) in exact.chain(by_address) {
            if let Some(credential) = credential_of(entry).map_err(|Undecodable| AuthError::File {
                path: self.path.clone(),
                source: Arc::new(invalid(format!("the entry `{key}` cannot be decoded"))),
            })? {
                return Ok(Some(credential));
            }
        }
        Ok(None)
    }

    /// Adds the entries of another file that this one lacks.
    pub(super) fn merge(&mut self, other: Self) {
        for (key, entry) in other.auths {
            self.auths.entry(key).or_insert(entry);
        }
        for (key, helper) in other.cred_helpers {
            self.cred_helpers.entry(key).or_insert(helper);
        }
    }

    /// Sets the credential of a repository, and removes the helper of its registry, which would be asked first.
    pub(super) fn set(&mut self, repository: &Repository, credential: &Credential) {
        self.cred_helpers.retain(|key, _| !names(&repository.host).any(|name| name == key));
        let entry = match credential {
            // Without a user name the entry would count as empty.
            Credential::IdentityToken(token) => {
                json!({ "auth": Credential::basic(IDENTITY_TOKEN_USER, "").encoded(), "identitytoken": token.expose() })
            }
            _ => json!({ "auth": credential.encoded() }),
        };
        self.auths.insert(repository.to_string(), entry);
    }
}

/// An entry is not `base64(user:password)`.
struct Undecodable;

/// The credential of an entry; [`None`] if the entry is empty.
fn credential_of(entry: &Value) -> Result<Option<Credential>, Undecodable> {
    let field = |name: &str| entry.get(name).and_then(Value::as_str).filter(|text| !text.is_empty());
    if let Some(token) = field("identitytoken") {
        return Ok(Some(Credential::IdentityToken(Secret::new(token))));
    }
    if let Some(auth) = field("auth") {
        let text = BASE64_STANDARD.decode(auth).ok().and_then(|bytes| String::from_utf8(bytes).ok());
        let text = text.ok_or(Undecodable)?;
        let (username, password) = text.split_once(':').ok_or(Undecodable)?;
        // Old docker versions pad the password with NUL.
        return Ok(Some(Credential::basic(username, password.trim_end_matches('\0'))));
    }
    Ok(field("username").zip(field("password")).map(|(username, password)| Credential::basic(username, password)))
}

fn invalid(message: String) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, message)
}

/// The registry by all of its names.
fn names(host: &Host) -> impl Iterator<Item = &str> {
    let others = if host.is_docker_hub() { DOCKER_HUB_KEYS } else { &[] };
    std::iter::once(host.as_str()).chain(others.iter().copied())
}

/// `ghcr.io/acme/hello`, `ghcr.io/acme`, then all names of the registry.
fn keys(repository: &Repository) -> Vec<String> {
    let whole = repository.to_string();
    let mut keys = vec![whole.clone()];
    keys.extend(
        whole.match_indices('/').skip(1).map(|(at, _)| whole[..at].to_owned()).collect::<Vec<_>>().into_iter().rev(),
    );
    keys.extend(names(&repository.host).map(Into::into));
    keys
}

/// Whether a key is an address of the registry: docker once stored them as they were typed, `https://ghcr.io/v2/`.
fn is_address_of(key: &str, host: &Host) -> bool {
    let rest = key.strip_prefix("https://").or_else(|| key.strip_prefix("http://"));
    let name = rest.map(|rest| rest.split('/').next().unwrap_or(rest));
    name.is_some_and(|name| names(host).any(|known| known == name))
}
