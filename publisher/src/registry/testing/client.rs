//! The client under test, and what it tells.

use std::{
    io::Write as _,
    sync::{Arc, Mutex},
    time::Duration,
};

use tokio::sync::Notify;

use super::Scripted;
use crate::{
    auth::Credential,
    event::{Event, Events, Reporter},
    http,
    oci::digest_of,
    registry::{Blob, BlobSource, Hosts, Registry, Shared},
};

/// Keeps what was told.
#[derive(Default)]
pub(crate) struct Told {
    events: Mutex<Vec<Event>>,
    more: Notify,
}

impl Reporter for Told {
    fn event(&self, event: Event) {
        self.events.lock().unwrap().push(event);
        self.more.notify_one();
    }
}

impl Told {
    /// Everything.
    pub(crate) fn events(&self) -> Vec<Event> {
        self.events.lock().unwrap().clone()
    }

    /// The waits before further attempts.
    pub(crate) fn waits(&self) -> Vec<Duration> {
        let wait = |event: Event| if let Event::Retry { wait, .. } = event { Some(wait) } else { None };
        self.events().into_iter().filter_map(wait).collect()
    }

    /// Waits until an attempt has failed that will be followed by another one.
    pub(crate) async fn retried(&self) {
        while self.waits().is_empty() {
            self.more.notified().await;
        }
    }
}

thread_local! {
    /// Made once a test: it reads all certificates that the machine trusts.
    static HTTP: reqwest::Client = http::client().unwrap();
}

/// A client of a repository, `127.0.0.1:…/acme/hello`, that waits a millisecond before its second attempt.
pub(crate) fn client(repository: &str, credential: Credential, hosts: &Hosts) -> (Registry, Arc<Told>) {
    let told = Arc::new(Told::default());
    (make(repository, true, credential, hosts, &told), told)
}

/// A client of a repository that speaks TLS.
pub(crate) fn client_with_tls(repository: &str) -> Registry {
    make(repository, false, Credential::Anonymous, &Hosts::default(), &Arc::default())
}

fn make(repository: &str, plain_http: bool, credential: Credential, hosts: &Hosts, told: &Arc<Told>) -> Registry {
    let shared = Shared {
        http: HTTP.with(Clone::clone),
        hosts: hosts.clone(),
        retry_base: Duration::from_millis(1),
        events: Arc::clone(told) as Events,
    };
    Registry::new("test".into(), repository.parse().unwrap(), plain_http, credential, shared).unwrap()
}

/// A client of a repository on this registry, without credentials.
pub(crate) fn registry(server: &Scripted, name: &str) -> (Registry, Arc<Told>) {
    client(&format!("{}/{name}", server.host()), Credential::Anonymous, &Hosts::default())
}

/// Bytes in a file, ready to be pushed.
pub(crate) fn blob_of(bytes: &[u8]) -> Blob {
    let mut file = tempfile::NamedTempFile::new().unwrap();
    file.write_all(bytes).unwrap();
    let source = BlobSource::File(Arc::new(file.into_temp_path()));
    Blob { digest: digest_of(bytes), size: bytes.len() as u64, source }
}
