//! What GitHub's refusals mean.

use reqwest::header::{HeaderValue, RETRY_AFTER};

use crate::{
    clean::driver::Stays,
    http::{Refusal, RequestError},
    registry::Cause,
};

/// How long GitHub wants to be left alone after a secondary rate limit when it does not say (REST API, "Rate limits"), in
/// seconds.
const SECONDARY_WAIT_S: u64 = 60;

/// Refusals of a deletion that are facts of life and no failures.
pub(super) fn exception(refusal: &Refusal) -> Option<Stays> {
    let message = refusal.message.to_ascii_lowercase();
    if message.contains("last tagged version") || message.contains("last version") {
        return Some(Stays::LastTagged);
    }
    let popular = message.contains("5,000 downloads") || message.contains("5000 downloads");
    (refusal.status != 404 && popular).then_some(Stays::Popular)
}

/// Adds the wait that GitHub's rate limits want and do not say in `Retry-After`: until `x-ratelimit-reset` when the
/// quota is used up, else a minute for a secondary limit.
pub(super) fn with_wait(cause: Cause) -> Cause {
    let Cause::Request(RequestError::Refused(mut refusal)) = cause else { return cause };
    let header = |name: &str| refusal.headers.get(name).and_then(|value| value.to_str().ok());
    let limited = matches!(refusal.status, 403 | 429) && !refusal.headers.contains_key(RETRY_AFTER);
    let wait = match (header("x-ratelimit-remaining"), header("x-ratelimit-reset")) {
        (Some("0"), Some(reset)) => HeaderValue::from_str(reset).ok(),
        _ if refusal.message.to_ascii_lowercase().contains("secondary rate limit") => Some(SECONDARY_WAIT_S.into()),
        _ => None,
    };
    if let (true, Some(wait)) = (limited, wait) {
        refusal.headers.insert(RETRY_AFTER, wait);
    }
    Cause::Request(RequestError::Refused(refusal))
}
