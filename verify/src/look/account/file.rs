//! An auth file as docker and podman write it (containers-auth.json(5), docker's config.json).

use std::collections::BTreeMap;

use base64::{Engine as _, prelude::BASE64_STANDARD};
use serde::Deserialize;

use crate::look::{Credentials, IDENTITY_TOKEN_USER};

/// How docker and podman call Docker Hub in these files and towards helpers.
pub(super) const DOCKER_HUB_KEYS: [&str; 3] = ["https://index.docker.io/v1/", "docker.io", "index.docker.io"];

/// What matters of a file. No `Debug`: it holds passwords.
#[derive(Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub(super) struct AuthFile {
    auths: BTreeMap<String, Entry>,
    cred_helpers: BTreeMap<String, String>,
    creds_store: Option<String>,
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct Entry {
    auth: Option<String>,
    username: Option<String>,
    password: Option<String>,
    identitytoken: Option<String>,
}

impl AuthFile {
    /// The helper that is asked before everything else in the file.
    pub(super) fn helper(&self, host: &str) -> Option<&str> {
        keys(host).into_iter().find_map(|key| self.cred_helpers.get(key)).map(String::as_str)
    }

    /// The helper that knows what the file itself does not.
    pub(super) fn store(&self) -> Option<&str> {
        self.creds_store.as_deref().filter(|store| !store.is_empty())
    }

    /// What the file itself says of a repository: the longest name wins, `ghcr.io/acme` over `ghcr.io`. An entry that names
    /// nobody, as docker leaves it beside a store, is passed over.
    ///
    /// # Errors
    /// An entry that cannot be read.
    pub(super) fn entry(&self, host: &str, name: &str) -> Result<Option<Credentials>, &'static str> {
        let mut longest = format!("{host}/{name}");
        loop {
            if let Some(found) = self.at(&longest)? {
                return Ok(Some(found));
            }
            match longest.rfind('/') {
                Some(at) => longest.truncate(at),
                None => break,
            }
        }
        for key in keys(host) {
            if let Some(found) = self.at(key)? {
                return Ok(Some(found));
            }
        }
        Ok(None)
    }

    fn at(&self, key: &str) -> Result<Option<Credentials>, &'static str> {
        // Docker used to write addresses.
        let entry =
            [key.to_owned(), format!("https://{key}"), format!("https://{key}/v1/"), format!("https://{key}/v2/")];
        let entry = entry.iter().find_map(|key| self.auths.get(key));
        entry.map_or(Ok(None), Entry::credentials)
    }
}

impl Entry {
    fn credentials(&self) -> Result<Option<Credentials>, &'static str> {
        let given = |value: &Option<String>| value.clone().filter(|value| !value.is_empty());
        if let Some(password) = given(&self.identitytoken) {
            return Ok(Some(Credentials { user: IDENTITY_TOKEN_USER.to_owned(), password }));
        }
        if let Some(auth) = given(&self.auth) {
            let bytes = BASE64_STANDARD.decode(auth.trim()).map_err(|_| "an entry `auth` is not base64")?;
            let text = String::from_utf8(bytes).map_err(|_| "an entry `auth` is no text")?;
            let (user, password) = text.split_once(':').ok_or("an entry `auth` is no user and password")?;
            // Docker used to pad with NUL.
            let password = password.trim_end_matches('\0');
            return Ok(Some(Credentials { user: user.to_owned(), password: password.to_owned() }));
        }
        Ok(given(&self.username).zip(given(&self.password)).map(|(user, password)| Credentials { user, password }))
    }
}

/// The names of a registry.
pub(super) fn keys(host: &str) -> Vec<&str> {
    if host == "docker.io" { DOCKER_HUB_KEYS.to_vec() } else { vec![host] }
}
