//! Waits until a registry shows what it has accepted: those with caches show it late, and that is no failure yet.
//!
//! Asked is by HEAD alone, less and less often, and for no longer than somebody said. What was waited for is told, whether
//! it came or not; what is there in the end is for the checks to judge.

use std::time::Duration;

use serde::{Deserialize, Serialize};
use tokio::time::Instant;

use super::{LookError, Looker};

/// For how long a registry may not show yet what was published, unless somebody says otherwise.
pub const SETTLE_MAX: Duration = Duration::from_secs(60);
/// The pause before a registry is asked again; it doubles each time.
const PAUSE_FIRST: Duration = Duration::from_millis(500);
/// The longest such pause.
const PAUSE_MAX: Duration = Duration::from_secs(8);

/// Something that was not there at once.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Wait {
    /// Where: `ghcr.io/acme/hello:latest`.
    pub place: String,
    /// What was waited for, as a sentence: `it shows sha256:…`.
    pub until: String,
    /// For how long.
    pub waited_ms: u64,
    /// Whether it came.
    pub came: bool,
}

/// The patience with one reference: all its waits together end when this ends.
#[derive(Debug)]
pub struct Patience {
    began: Instant,
    limit: Duration,
    pause: Duration,
}

impl Patience {
    /// So much, from now on.
    pub fn new(limit: Duration) -> Self {
        Self { began: Instant::now(), limit, pause: PAUSE_FIRST }
    }

    /// Pauses, unless it is at its end; whether there is a point in asking again.
    async fn pause(&mut self) -> bool {
        let left = self.limit.saturating_sub(self.began.elapsed());
        tokio::time::sleep(self.pause.min(left)).await;
        self.pause = (self.pause * 2).min(PAUSE_MAX);
        !left.is_zero()
    }

    fn waited_ms(&self) -> u64 {
        u64::try_from(self.began.elapsed().as_millis()).unwrap_or(u64::MAX)
    }
}

impl Looker {
    /// The digest that a reference shows, when it is the expected one, or any if none is expected; what it shows in the end
    /// if that does not come. And how it was waited for, if it was.
    ///
    /// # Errors
    /// As [`Looker::resolve`].
    pub async fn settled(
        &self,
        reference: &str,
        expected: Option<&str>,
        patience: &mut Patience,
    ) -> Result<(Option<String>, Option<Wait>), LookError> {
        let good = |digest: &Option<String>| digest.is_some() && (expected.is_none() || digest.as_deref() == expected);
        let mut digest = self.resolve(reference).await?;
        if good(&digest) || patience.limit.is_zero() {
            return Ok((digest, None));
        }
        while !good(&digest) && patience.pause().await {
            digest = self.resolve(reference).await?;
        }
        let until = expected.map_or_else(|| "it is there".to_owned(), |expected| format!("it shows {expected}"));
        let wait = self.wait(reference, until, patience, good(&digest));
        Ok((digest, Some(wait)))
    }

    /// Waits until these things below the repository are there: `blobs/sha256:…`.
    ///
    /// # Errors
    /// As [`Looker::resolve`].
    pub async fn arrived(
        &self,
        reference: &str,
        paths: &[String],
        patience: &mut Patience,
    ) -> Result<Option<Wait>, LookError> {
        if paths.is_empty() || patience.limit.is_zero() {
            return Ok(None);
        }
        let mut missing = paths.iter();
        let mut next = missing.next();
        while let Some(path) = next {
            if self.is_there(path).await? {
                next = missing.next();
            } else if !patience.pause().await {
                break;
            }
        }
        let until = "all that it names is there".to_owned();
        Ok(Some(self.wait(reference, until, patience, next.is_none())))
    }

    fn wait(&self, reference: &str, until: String, patience: &Patience, came: bool) -> Wait {
        let separator = if reference.contains(':') { '@' } else { ':' };
        let place = format!("{}{separator}{reference}", self.place().repository());
        Wait { place, until, waited_ms: patience.waited_ms(), came }
    }
}
