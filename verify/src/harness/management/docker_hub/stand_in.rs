//! The stand-in as a whole: what it is set to, and what it is made to do.

use std::{
    collections::{BTreeMap, BTreeSet},
    io,
    net::SocketAddr,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::{Duration, SystemTime, UNIX_EPOCH},
};

use super::{
    super::{server::Server, sightings::Sightings},
    ManifestDeletion,
    access::{Access, HubAccount},
};
use crate::harness::contents::Contents;

/// How long an access token is good for.
const ACCESS_TOKEN_LIFETIME: Duration = Duration::from_secs(600);

/// What can be set.
#[derive(Clone)]
pub struct HubSettings {
    /// Who may log in.
    pub accounts: Vec<HubAccount>,
    /// How long an access token is good for.
    pub token_lifetime: Duration,
    /// Whether the entries of a listing tell the digest of their tag, which the published document leaves out.
    pub tells_digests: bool,
    /// Tags that cannot be deleted.
    pub immutable: BTreeSet<String>,
    /// Whether the registry host deletes manifests at all. It did not as late as 2023.
    pub deletes_manifests: bool,
}

impl Default for HubSettings {
    fn default() -> Self {
        Self {
            accounts: Vec::new(),
            token_lifetime: ACCESS_TOKEN_LIFETIME,
            tells_digests: true,
            immutable: BTreeSet::new(),
            deletes_manifests: true,
        }
    }
}

/// The running stand-in. It ends when it is dropped.
pub struct DockerHub {
    server: Server,
    state: Arc<State>,
}

/// What all requests share.
pub(super) struct State {
    pub(super) contents: Arc<dyn Contents>,
    pub(super) settings: HubSettings,
    moving: Mutex<Moving>,
}

/// What changes.
#[derive(Default)]
pub(super) struct Moving {
    pub(super) access: Access,
    /// When a tag was seen first with a digest, by repository.
    pub(super) sightings: BTreeMap<String, Sightings>,
    /// How many of the next deletions fail.
    pub(super) failures: u32,
    /// Until when everybody is refused, in Unix seconds.
    pub(super) closed_until: u64,
}

impl State {
    pub(super) fn new(contents: Arc<dyn Contents>, settings: HubSettings) -> Self {
        Self { contents, settings, moving: Mutex::default() }
    }

    pub(super) fn moving(&self) -> MutexGuard<'_, Moving> {
        self.moving.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl DockerHub {
    /// A stand-in before the registry with these contents.
    ///
    /// # Errors
    /// No port to listen on.
    pub async fn start(contents: Arc<dyn Contents>, settings: HubSettings) -> io::Result<Self> {
        let state = Arc::new(State::new(contents, settings));
        let shared = Arc::clone(&state);
        let server = Server::start(move |request| shared.answer(request)).await?;
        Ok(Self { server, state })
    }

    /// Where it listens.
    pub const fn address(&self) -> SocketAddr {
        self.server.address()
    }

    /// Where the stand-in itself failed. What was seen then proves nothing.
    pub fn trouble(&self) -> Vec<String> {
        self.server.trouble()
    }

    /// The next deletions of tags, so many, fail with 500 and delete nothing.
    pub fn fail_deletions(&self, times: u32) {
        self.state.moving().failures = times;
    }

    /// Everything is refused with 429 for so long, rounded up to whole seconds.
    pub fn limit_rate(&self, length: Duration) {
        let until = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default() + length;
        self.state.moving().closed_until = until.as_secs() + u64::from(until.subsec_nanos() > 0);
    }

    /// What the registry host makes of `DELETE /v2/<repository>/manifests/<reference>`.
    ///
    /// # Errors
    /// Storage that cannot be read.
    pub fn manifest_deletion(&self, repository: &str, reference: &str) -> io::Result<ManifestDeletion> {
        if self.state.settings.deletes_manifests {
            ManifestDeletion::of(&*self.state.contents, repository, reference)
        } else {
            Ok(ManifestDeletion::Unsupported)
        }
    }
}
