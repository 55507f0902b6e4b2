//! An auth file as docker and podman write it (containers-auth.json(5)).

use std::{
    collections::BTreeMap,
    io::ErrorKind,
    path::{Path, PathBuf},
    sync::Arc,
};

use base64::{Engine, prelude::BASE64_STANDARD};
use serde::{Deserialize, Serialize};

use super::{AuthError, Credential, Secret, helper::IDENTITY_TOKEN_USER};
use crate::oci::{Host, Repository};

/// The keys that may stand for Docker Hub beside its name, the one that docker writes first.
const DOCKER_HUB_KEYS: &[&str] = &["https://index.docker.io/v1/", "index.docker.io", "registry-1.docker.io"];

/// A file that was read.
pub(super) struct AuthFile {
    /// Where it is.
    pub(super) path: PathBuf,
    pub(super) content: Content,
}

/// No `Debug`: the entries hold passwords.
#[derive(Default, Deserialize, Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Content {
    auths: Option<BTreeMap<String, Entry>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    cred_helpers: Option<BTreeMap<String, String>>,
    /// Never written: podman, for whom files are written, knows no such key.
    #[serde(skip_serializing)]
    creds_store: Option<String>,
}

#[derive(Default, Deserialize, Serialize)]
struct Entry {
    #[serde(skip_serializing_if = "Option::is_none")]
    auth: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    username: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    password: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    identitytoken: Option<String>,
}

impl AuthFile {
    /// Reads a file; [`None`] if there is none.
    ///
    /// # Errors
    /// [`AuthError::FileUnreadable`] and [`AuthError::FileBroken`].
    pub(super) async fn read(path: &Path) -> Result<Option<Self>, AuthError> {
        let bytes = match tokio::fs::read(path).await {
            Ok(bytes) => bytes,
            Err(error) if matches!(error.kind(), ErrorKind::NotFound | ErrorKind::NotADirectory) => return Ok(None),
            Err(error) => return Err(AuthError::FileUnreadable { path: path.into(), source: Arc::new(error) }),
        };
        // docker takes an empty file for an empty configuration.
        let content =
            if bytes.trim_ascii().is_empty() { Ok(Content::default()) } else { serde_json::from_slice(&bytes) };
        // serde's message quotes what it stumbled over, which may be a password: only the place is kept.
        let content = content.map_err(|error| AuthError::FileBroken {
            path: path.into(),
            line: error.line(),
            column: error.column(),
        })?;
        Ok(Some(Self { path: path.into(), content }))
    }

    /// The helper that keeps the credentials of this registry alone.
    pub(super) fn helper(&self, host: &Host) -> Option<&str> {
        let helpers = self.content.cred_helpers.as_ref()?;
        let helper = names(host).find_map(|name| helpers.get(name))?;
        Some(helper.as_str()).filter(|helper| !helper.is_empty())
    }

    /// The helper that keeps the credentials of all registries.
    pub(super) fn store(&self) -> Option<&str> {
        self.content.creds_store.as_deref().filter(|store| !store.is_empty())
    }

    /// The entry that is closest to the repository: its own, that of a namespace around it, that of its registry.
    /// Entries without content, as docker leaves them beside a helper, do not count.
    ///
    /// # Errors
    /// [`AuthError::EntryBroken`].
    pub(super) fn entry(&self, repository: &Repository) -> Result<Option<Credential>, AuthError> {
        let Some(entries) = &self.content.auths else { return Ok(None) };
        let exact = keys(repository).into_iter().filter_map(|key| entries.get_key_value(&key));
        let by_address = entries.iter().filter(|(key, _)| is_address_of(key, &repository.host));
        for (key, entry) in exact.chain(by_address) {
            let broken = || AuthError::EntryBroken { path: self.path.clone(), key: key.clone() };
            if let Some(credential) = entry.credential().ok_or_else(broken)? {
                return Ok(Some(credential));
            }
        }
        Ok(None)
    }
}

impl Content {
    /// Adds what another content has and this one has not.
    pub(super) fn take_over(&mut self, other: Self) {
        for (key, entry) in other.auths.unwrap_or_default() {
            self.auths.get_or_insert_default().entry(key).or_insert(entry);
        }
        for (key, helper) in other.cred_helpers.unwrap_or_default() {
            self.cred_helpers.get_or_insert_default().entry(key).or_insert(helper);
        }
    }

    /// Sets the credential of a repository. A helper for its registry would be asked first, so there is none from now on.
    pub(super) fn set(&mut self, repository: &Repository, credential: &Credential) {
        if let Some(helpers) = &mut self.cred_helpers {
            helpers.retain(|key, _| !names(&repository.host).any(|name| name == key));
        }
        self.auths.get_or_insert_default().insert(repository.to_string(), Entry::of(credential));
    }
}

impl Entry {
    fn of(credential: &Credential) -> Self {
        match credential {
            Credential::Anonymous => Self::default(),
            Credential::Basic { .. } => Self { auth: credential.encoded(), ..Self::default() },
            // Without a user name the entry would count as empty.
            Credential::IdentityToken(token) => Self {
                auth: Credential::basic(IDENTITY_TOKEN_USER, "").encoded(),
                identitytoken: Some(token.expose().into()),
                ..Self::default()
            },
        }
    }

    /// [`None`] if it is broken, [`Some`] of [`None`] if it is empty.
    #[expect(clippy::option_option, reason = "the caller knows the file's path, which the error needs")]
    fn credential(&self) -> Option<Option<Credential>> {
        let set = |field: &Option<String>| field.clone().filter(|text| !text.is_empty());
        if let Some(token) = set(&self.identitytoken) {
            return Some(Some(Credential::IdentityToken(Secret::new(token))));
        }
        if let Some(auth) = set(&self.auth) {
            return decode(&auth).map(Some);
        }
        let both = set(&self.username).zip(set(&self.password));
        Some(both.map(|(username, password)| Credential::basic(username, password)))
    }
}

/// `base64(user:password)`; old docker versions pad the password with NUL.
fn decode(auth: &str) -> Option<Credential> {
    let text = String::from_utf8(BASE64_STANDARD.decode(auth).ok()?).ok()?;
    let (username, password) = text.split_once(':')?;
    Some(Credential::basic(username, password.trim_end_matches('\0')))
}

/// The registry by all of its names.
fn names(host: &Host) -> impl Iterator<Item = &str> {
    let others = if host.is_docker_hub() { DOCKER_HUB_KEYS } else { &[] };
    std::iter::once(host.as_str()).chain(others.iter().copied())
}

/// `ghcr.io/acme/hello`, `ghcr.io/acme`, then all names of the registry.
fn keys(repository: &Repository) -> Vec<String> {
    let whole = repository.to_string();
    let namespaces = whole.match_indices('/').skip(1).map(|(at, _)| whole[..at].to_owned()).collect::<Vec<_>>();
    let names = names(&repository.host).map(Into::into);
    std::iter::once(whole.clone()).chain(namespaces.into_iter().rev()).chain(names).collect()
}

/// Whether a key is an address of the registry: docker once took them as they were typed, `https://ghcr.io/v2/`.
fn is_address_of(key: &str, host: &Host) -> bool {
    let rest = key.strip_prefix("https://").or_else(|| key.strip_prefix("http://"));
    let name = rest.map(|rest| rest.split('/').next().unwrap_or(rest));
    name.is_some_and(|name| names(host).any(|known| known == name))
}
