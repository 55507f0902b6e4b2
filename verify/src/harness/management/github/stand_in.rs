//! The stand-in as a whole: what it is set to, and what it is made to do.

use std::{
    collections::{BTreeMap, BTreeSet},
    io,
    net::SocketAddr,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use super::{
    super::{server::Server, sightings::Sightings},
    deleted::{Deleted, Restore},
    lag::{Lag, Lagging, Listed},
    limits::Limits,
    token::GitHubToken,
};
use crate::harness::contents::Contents;

/// Whether packages belong to organizations or to persons. Only the interface of the right kind knows them.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Owner {
    /// `/orgs/<name>/packages/…`
    Organization,
    /// `/users/<name>/packages/…`, and `/user/packages/…` for the person alone.
    Person,
}

/// What can be set.
#[derive(Clone)]
pub struct GitHubSettings {
    /// The tokens that are known.
    pub tokens: Vec<GitHubToken>,
    /// Whose packages are.
    pub owner: Owner,
    /// Whether packages can be seen by everybody. Only those have downloads that forbid their deletion.
    pub public: bool,
    /// How listings lag behind.
    pub lag: Lag,
    /// Requests an hour; what the kind of token allows if nothing is set.
    pub requests_max: Option<u32>,
    /// How deleted versions come back; without it the time for that is over.
    pub restore: Option<Restore>,
}

impl Default for GitHubSettings {
    fn default() -> Self {
        Self {
            tokens: Vec::new(),
            owner: Owner::Organization,
            public: true,
            lag: Lag::default(),
            requests_max: None,
            restore: None,
        }
    }
}

/// The running stand-in. It ends when it is dropped.
pub struct GitHub {
    server: Server,
    state: Arc<State>,
}

/// What all requests share.
pub(super) struct State {
    pub(super) contents: Arc<dyn Contents>,
    pub(super) settings: GitHubSettings,
    moving: Mutex<Moving>,
}

/// What changes.
#[derive(Default)]
pub(super) struct Moving {
    pub(super) limits: Limits,
    pub(super) deleted: Deleted,
    /// When a manifest was seen first, by repository.
    pub(super) sightings: BTreeMap<String, Sightings>,
    /// What listings showed, by repository.
    pub(super) lagging: BTreeMap<String, Lagging>,
    /// How often a version was downloaded, by repository and digest, where it matters.
    pub(super) downloads: BTreeMap<(String, String), u32>,
}

impl State {
    pub(super) fn new(contents: Arc<dyn Contents>, settings: GitHubSettings) -> Self {
        Self { contents, settings, moving: Mutex::default() }
    }

    pub(super) fn moving(&self) -> MutexGuard<'_, Moving> {
        self.moving.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// All versions of a repository with their tags, as they are now.
    pub(super) fn versions(&self, repository: &str) -> io::Result<Listed> {
        let digests = self.contents.manifests(repository)?;
        let mut versions: Listed = digests.into_iter().map(|digest| (digest, BTreeSet::new())).collect();
        for (tag, digest) in self.contents.tags(repository)? {
            if let Some(tags) = versions.get_mut(&digest) {
                tags.insert(tag);
            }
        }
        self.moving().sightings.entry(repository.to_owned()).or_default().look(versions.keys().map(String::as_str));
        Ok(versions)
    }
}

impl GitHub {
    /// A stand-in before the registry with these contents. What is there now counts as older than what comes later.
    ///
    /// # Errors
    /// No port to listen on; storage that cannot be read.
    pub async fn start(contents: Arc<dyn Contents>, settings: GitHubSettings) -> io::Result<Self> {
        let state = Arc::new(State::new(contents, settings));
        for repository in state.contents.repositories()? {
            let lagging = Lagging::starting_with(state.versions(&repository)?);
            state.moving().lagging.insert(repository, lagging);
        }
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

    /// A version was downloaded so often.
    pub fn set_downloads(&self, repository: &str, digest: &str, times: u32) {
        self.state.moving().downloads.insert((repository.to_owned(), digest.to_owned()), times);
    }

    /// Everything is refused for so long with 403 and `retry-after`: the secondary limit.
    pub fn limit_rate(&self, length: Duration) {
        self.state.moving().limits.close(length);
    }
}
