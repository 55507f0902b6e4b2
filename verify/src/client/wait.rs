//! Waits for a registry to show what it has accepted: registries with caches show it late, which is no failure yet.
//!
//! Questions are HEAD requests, less and less often. The report names each wait; checks judge what is there in the end.

use std::time::Duration;

use serde::{Deserialize, Serialize};
use tokio::time::Instant;

use super::{Client, ClientError};

/// How long a registry may take to show what was published, unless the user says otherwise.
pub const SETTLE_MAX: Duration = Duration::from_secs(60);
/// The pause before a registry is asked again; it doubles each time.
const PAUSE_FIRST: Duration = Duration::from_millis(500);
/// The longest such pause.
const PAUSE_MAX: Duration = Duration::from_secs(8);

/// A wait for something that was not there at once.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Wait {
    /// The reference: `ghcr.io/acme/hello:latest`.
    pub place: String,
    /// The condition, as a sentence: `it shows sha256:…`.
    pub until: String,
    /// How long it took, in milliseconds.
    pub waited_ms: u64,
    /// Whether the condition came true.
    pub came: bool,
}

/// The time that is left for all waits for one reference.
#[derive(Debug)]
pub struct Deadline {
    began: Instant,
    limit: Duration,
    pause: Duration,
}

impl Deadline {
    /// A deadline this far from now.
    pub fn after(limit: Duration) -> Self {
        Self { began: Instant::now(), limit, pause: PAUSE_FIRST }
    }

    /// Pauses, and says whether there is a point in asking again.
    async fn pause(&mut self) -> bool {
        let left = self.limit.saturating_sub(self.began.elapsed());
        tokio::time::sleep(self.pause.min(left)).await;
        self.pause = (self.pause * 2).min(PAUSE_MAX);
        !left.is_zero()
    }

    fn wait(&self, client: &Client, reference: &str, until: String, came: bool) -> Wait {
        let waited_ms = u64::try_from(self.began.elapsed().as_millis()).unwrap_or(u64::MAX);
        Wait { place: client.repository().reference(reference), until, waited_ms, came }
    }
}

impl Client {
    /// Waits until a reference shows the expected digest, or any digest if none is expected. Returns what it shows in the
    /// end, and the wait, if there was one.
    ///
    /// # Errors
    /// As [`Client::resolve`].
    pub async fn settled(
        &self,
        reference: &str,
        expected: Option<&str>,
        deadline: &mut Deadline,
    ) -> Result<(Option<String>, Option<Wait>), ClientError> {
        let good = |digest: &Option<String>| digest.is_some() && (expected.is_none() || digest.as_deref() == expected);
        let mut digest = self.resolve(reference).await?;
        if good(&digest) || deadline.limit.is_zero() {
            return Ok((digest, None));
        }
        while !good(&digest) && deadline.pause().await {
            digest = self.resolve(reference).await?;
        }
        let until = expected.map_or_else(|| "it is there".to_owned(), |expected| format!("it shows {expected}"));
        let wait = deadline.wait(self, reference, until, good(&digest));
        Ok((digest, Some(wait)))
    }

    /// Waits until these parts of a reference exist below the repository: `blobs/sha256:…`. None if there is nothing to wait
    /// for.
    ///
    /// # Errors
    /// As [`Client::resolve`].
    pub async fn arrived(
        &self,
        reference: &str,
        paths: &[String],
        deadline: &mut Deadline,
    ) -> Result<Option<Wait>, ClientError> {
        if paths.is_empty() || deadline.limit.is_zero() {
            return Ok(None);
        }
        let mut came = true;
        for path in paths {
            while came && !self.exists(path).await? {
                came = deadline.pause().await;
            }
        }
        Ok(Some(deadline.wait(self, reference, "all that it names is there".to_owned(), came)))
    }
}
