//! How much may be asked: so many requests an hour for a token (primary), and nobody for a while (secondary).

use std::{
    collections::BTreeMap,
    time::{Duration, Instant, SystemTime, UNIX_EPOCH},
};

use super::{
    super::message::Answer,
    refusal::{PRIMARY_LIMIT, SECONDARY_LIMIT, forbidden},
    token::GitHubToken,
};

/// For how long requests are counted.
const WINDOW: Duration = Duration::from_secs(3_600);

/// What was used up.
#[derive(Default)]
pub(super) struct Limits {
    /// Requests by the token's secret, and when counting ends, in Unix seconds.
    used: BTreeMap<String, (u32, u64)>,
    /// Until when everybody is refused.
    closed_until: Option<Instant>,
}

/// What a token has left, to be told with every answer.
pub(super) struct Allowance {
    limit: u32,
    used: u32,
    reset: u64,
}

impl Limits {
    /// Refuses everybody for so long.
    pub(super) fn close(&mut self, length: Duration) {
        self.closed_until = Some(Instant::now() + length);
    }

    /// The refusal, while everybody is refused. It tells whole seconds, never too few.
    pub(super) fn secondary(&self) -> Option<Answer> {
        let left = self.closed_until?.checked_duration_since(Instant::now()).filter(|left| !left.is_zero())?;
        let seconds = left.as_secs() + u64::from(left.subsec_nanos() > 0);
        Some(forbidden(SECONDARY_LIMIT).with("retry-after", &seconds.to_string()))
    }

    /// Counts a request. `requests_max` overrides what the kind of token allows.
    pub(super) fn count(&mut self, token: &GitHubToken, requests_max: Option<u32>) -> Allowance {
        let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        let (used, reset) = self.used.entry(token.secret.clone()).or_insert((0, (now + WINDOW).as_secs()));
        if *reset <= now.as_secs() {
            (*used, *reset) = (0, (now + WINDOW).as_secs());
        }
        *used += 1;
        Allowance { limit: requests_max.unwrap_or_else(|| token.requests_max()), used: *used, reset: *reset }
    }
}

impl Allowance {
    /// The refusal, if this was one request too many.
    pub(super) fn primary(&self) -> Option<Answer> {
        (self.used > self.limit).then(|| forbidden(PRIMARY_LIMIT))
    }

    /// The answer with what is left.
    pub(super) fn told_with(&self, answer: Answer) -> Answer {
        let used = self.used.min(self.limit);
        answer
            .with("x-ratelimit-limit", &self.limit.to_string())
            .with("x-ratelimit-remaining", &(self.limit - used).to_string())
            .with("x-ratelimit-used", &used.to_string())
            .with("x-ratelimit-reset", &self.reset.to_string())
            .with("x-ratelimit-resource", "core")
    }
}
