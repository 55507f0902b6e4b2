//! One operation and its attempts: the only loop of this program that tries again.

use std::sync::atomic::Ordering::Relaxed;

use super::{Cause, Registry, RegistryError};
use crate::{
    event::Event,
    http::{ATTEMPTS_MAX, RETRY_AFTER_MAX, backoff},
};

impl Registry {
    /// Tries an operation until it succeeds, cannot succeed, or has used its attempts.
    pub(crate) async fn attempts<T>(
        &self,
        operation: &str,
        mut attempt: impl AsyncFnMut() -> Result<T, Cause>,
    ) -> Result<T, RegistryError> {
        let mut made = 0;
        loop {
            made += 1;
            let cause = match attempt().await {
                Ok(value) => return Ok(value),
                Err(cause) => cause,
            };
            let Some(retry_after) = cause.retry_after().filter(|_| made < ATTEMPTS_MAX) else {
                return Err(self.failure(operation, made, cause));
            };
            let wait = backoff(self.shared.retry_base, made, retry_after, fastrand::f64());
            self.traffic.retries.fetch_add(1, Relaxed);
            self.shared.events.event(Event::Retry {
                registry: self.name.clone(),
                operation: operation.into(),
                attempt: made,
                attempts: ATTEMPTS_MAX,
                wait,
                cause: cause.to_string(),
            });
            self.limiter.pause(retry_after.min(RETRY_AFTER_MAX));
            tokio::time::sleep(wait).await;
        }
    }

    /// Like [`attempts`](Self::attempts). Right before each attempt `check` may end the operation with another value or
    /// with an error of its own, which is the inner result.
    pub(crate) async fn attempts_unless<T, E>(
        &self,
        operation: &str,
        mut check: impl AsyncFnMut() -> Result<Option<T>, E>,
        mut attempt: impl AsyncFnMut() -> Result<T, Cause>,
    ) -> Result<Result<T, E>, RegistryError> {
        let checked = async || match check().await.transpose() {
            None => attempt().await.map(Ok),
            Some(ended) => Ok(ended),
        };
        self.attempts(operation, checked).await
    }

    /// An operation that failed for good.
    pub(crate) fn failure(&self, operation: &str, attempts: u32, cause: Cause) -> RegistryError {
        let registry = format!("{} ({})", self.name, self.repository);
        RegistryError { registry, operation: operation.into(), attempts, cause }
    }
}
