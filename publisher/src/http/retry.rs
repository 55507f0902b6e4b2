//! Which errors are transient, and how long to wait before another attempt. The only place that decides this.
//!
//! Pure: clock and randomness are handed in. The table is the union of what the field's tools found out (408, 429, 5xx
//! of proxies, broken connections), plus what registries are known to answer for transient failures.

use std::{
    error::Error,
    time::{Duration, SystemTime, UNIX_EPOCH},
};

use reqwest::header::HeaderMap;

use super::{Refusal, RequestError};

/// How often an operation (one blob, one manifest, one deletion) is tried in all.
pub const ATTEMPTS_MAX: u32 = 3;
/// The wait after the first failed attempt; it doubles with each further one.
pub const RETRY_BASE: Duration = Duration::from_secs(2);
/// The longest that a server's `Retry-After` is obeyed; longer ones are cut to this.
pub const RETRY_AFTER_MAX: Duration = Duration::from_secs(60);
/// How much is added to a computed wait at random, so that parallel jobs do not return together.
const JITTER: f64 = 0.25;
/// How long to wait after a secondary rate limit of GitHub that names no time (REST API, "Rate limits").
const SECONDARY_WAIT: Duration = Duration::from_secs(60);
/// A number in `X-Retry-After` above this is a point in time (Unix seconds), not a length.
const UNIX_TIME_MIN: u64 = 1_000_000_000;

/// Statuses of transient failures. 499 is what a proxy says when its own client gave up, 520–524 are Cloudflare's.
const TRANSIENT_STATUS: &[u16] = &[408, 425, 429, 499, 500, 502, 503, 504, 520, 521, 522, 523, 524];

/// Codes of the distribution specification that are answered for transient failures: an upload session that got lost,
/// bytes that were damaged on the way, a blob or a manifest that another manifest names and that is not visible yet.
const TRANSIENT_CODES: &[&str] = &[
    "BLOB_UNKNOWN",
    "BLOB_UPLOAD_INVALID",
    "BLOB_UPLOAD_UNKNOWN",
    "DIGEST_INVALID",
    "MANIFEST_BLOB_UNKNOWN",
    "MANIFEST_UNKNOWN",
    "SIZE_INVALID",
    "TOOMANYREQUESTS",
    "UNAVAILABLE",
];

/// How long the server asks to wait before the next attempt, zero if it does not say; [`None`] if the same request will fail
/// in the same way. `now` is needed for servers that name a point in time.
pub fn retry_after(error: &RequestError, now: SystemTime) -> Option<Duration> {
    match error {
        RequestError::Refused(refusal) if is_transient(refusal) => Some(asked_wait(refusal, now).unwrap_or_default()),
        RequestError::Transport(error) if !is_permanent(error) => Some(Duration::ZERO),
        RequestError::Silent => Some(Duration::ZERO),
        _ => None,
    }
}

/// How long to wait after `attempt` (counted from 1) failed: `base · 2^(attempt-1)` and up to a quarter more, on top of
/// `retry_after`, up to [`RETRY_AFTER_MAX`]; `random` is in `0.0..1.0`.
///
/// The two are added, so that a server which asks for a millisecond does not use up all attempts at once, and clients
/// that got the same moment do not return together.
pub fn backoff(base: Duration, attempt: u32, retry_after: Duration, random: f64) -> Duration {
    let computed = base * 2_u32.saturating_pow(attempt.saturating_sub(1));
    retry_after.min(RETRY_AFTER_MAX) + computed.mul_f64(1.0 + JITTER * random)
}

fn is_transient(refusal: &Refusal) -> bool {
    TRANSIENT_STATUS.contains(&refusal.status)
        || refusal.codes.iter().any(|code| TRANSIENT_CODES.contains(&code.as_str()))
        // GitHub answers 403 for its secondary limits.
        || (refusal.status == 403 && refusal.message.to_ascii_lowercase().contains("rate limit"))
}

/// Errors of the request, not of the connection: a bad address, a certificate that is not trusted.
fn is_permanent(error: &reqwest::Error) -> bool {
    let mut causes = std::iter::successors(Some(error as &(dyn Error + 'static)), |&error| error.source());
    let is_of_tls = causes.any(|error| {
        // An I/O error hides its cause from `source`.
        let inner = error.downcast_ref::<std::io::Error>().and_then(std::io::Error::get_ref);
        error.is::<rustls::Error>() || inner.and_then(|inner| inner.downcast_ref::<rustls::Error>()).is_some()
    });
    is_of_tls || error.is_builder()
}

/// The wait that the server asks for: `Retry-After` in seconds or as a date (RFC 9110, section 10.2.3), Docker Hub's
/// `X-Retry-After` as Unix time, GitHub's `X-RateLimit-Reset` as Unix time when the quota is used up, or GHCR's
/// `retry-after: 880.092µs` in the body.
fn asked_wait(refusal: &Refusal, now: SystemTime) -> Option<Duration> {
    let is_used_up = refusal.headers.get("x-ratelimit-remaining").is_some_and(|left| left == "0");
    header(&refusal.headers, "retry-after", now)
        .or_else(|| header(&refusal.headers, "x-retry-after", now))
        .or_else(|| header(&refusal.headers, "x-ratelimit-reset", now).filter(|_| is_used_up))
        .or_else(|| in_message(&refusal.message))
        .or_else(|| refusal.message.to_ascii_lowercase().contains("secondary rate limit").then_some(SECONDARY_WAIT))
}

fn header(headers: &HeaderMap, name: &str, now: SystemTime) -> Option<Duration> {
    let text = headers.get(name)?.to_str().ok()?.trim();
    let until = |moment: SystemTime| moment.duration_since(now).unwrap_or_default();
    match text.parse::<u64>() {
        Ok(unix) if unix >= UNIX_TIME_MIN => Some(until(UNIX_EPOCH + Duration::from_secs(unix))),
        Ok(seconds) => Some(Duration::from_secs(seconds)),
        Err(_) => httpdate::parse_http_date(text).ok().map(until),
    }
}

fn in_message(message: &str) -> Option<Duration> {
    let message = message.to_lowercase();
    let (_, text) = message.split_once("retry-after: ")?;
    let text = text.split(|c: char| !c.is_alphanumeric() && c != '.').next()?.trim_end_matches('.');
    let unit = text.trim_start_matches(|c: char| c.is_ascii_digit() || c == '.');
    let seconds = match unit {
        "s" => 1.0,
        "ms" => 1e-3,
        "µs" | "μs" | "us" => 1e-6,
        "m" => 60.0,
        _ => return None,
    };
    Duration::try_from_secs_f64(text.strip_suffix(unit)?.parse::<f64>().ok()? * seconds).ok()
}

#[cfg(test)]
mod tests {
    use rstest::rstest;

    use super::*;

    const NOW: u64 = 1_800_000_000;
    const TRANSIENT: Option<Duration> = Some(Duration::ZERO);

    fn refused(status: u16, header: Option<(&'static str, &str)>, body: &'static str) -> RequestError {
        let headers = header.map(|(k, v)| (k.parse().unwrap(), v.parse().unwrap())).into_iter().collect();
        RequestError::Refused(Box::new(Refusal::new(status, headers, body.as_bytes(), &[])))
    }

    fn wait(error: &RequestError) -> Option<Duration> {
        retry_after(error, UNIX_EPOCH + Duration::from_secs(NOW))
    }

    #[rstest]
    #[case(408)]
    #[case(429)]
    #[case(500)]
    #[case(502)]
    #[case(503)]
    #[case(504)]
    #[case(522)]
    fn transient_statuses_are_retried(#[case] status: u16) {
        assert_eq!(wait(&refused(status, None, "<html>")), TRANSIENT);
    }

    #[rstest]
    #[case(400, r#"{"errors":[{"code":"MANIFEST_INVALID"}]}"#)]
    #[case(401, r#"{"errors":[{"code":"UNAUTHORIZED"}]}"#)]
    #[case(403, r#"{"errors":[{"code":"DENIED"}]}"#)]
    #[case(404, r#"{"errors":[{"code":"NAME_UNKNOWN"}]}"#)]
    #[case(405, "")]
    #[case(413, "")]
    #[case(501, "")]
    fn permanent_errors_are_not_retried(#[case] status: u16, #[case] body: &'static str) {
        assert_eq!(wait(&refused(status, None, body)), None);
    }

    #[rstest]
    #[case(403, "API rate limit exceeded")]
    #[case(404, r#"{"errors":[{"code":"BLOB_UPLOAD_UNKNOWN"}]}"#)]
    #[case(400, r#"{"errors":[{"code":"MANIFEST_BLOB_UNKNOWN"}]}"#)]
    #[case(400, r#"{"errors":[{"code":"DIGEST_INVALID"}]}"#)]
    fn transient_codes_and_messages_are_retried(#[case] status: u16, #[case] body: &'static str) {
        assert_eq!(wait(&refused(status, None, body)), TRANSIENT);
    }

    #[rstest]
    #[case("retry-after", "7", 7)]
    #[case("retry-after", "Fri, 15 Jan 2027 08:00:09 GMT", 9)]
    #[case("retry-after", "Fri, 15 Jan 2027 07:00:00 GMT", 0)]
    #[case("x-retry-after", "1800000030", 30)]
    #[case("x-retry-after", "30", 30)]
    fn every_form_of_retry_after_is_parsed(#[case] name: &'static str, #[case] value: &str, #[case] seconds: u64) {
        let error = refused(429, Some((name, value)), "Too Many Requests");
        assert_eq!(wait(&error), Some(Duration::from_secs(seconds)));
    }

    #[rstest]
    #[case("retry-after: 880.092µs, allowed: 44000/minute", Some(Duration::from_nanos(880_092)))]
    #[case("slow down, Retry-After: 1.5s", Some(Duration::from_millis(1500)))]
    #[case("retry-after: soon", None)]
    #[case("retry-after: 3 parsecs", None)]
    fn a_retry_after_in_the_body_is_parsed(#[case] body: &'static str, #[case] asked: Option<Duration>) {
        assert_eq!(wait(&refused(429, None, body)), asked.or(TRANSIENT));
    }

    #[test]
    fn waits_double_with_a_quarter_of_jitter_at_most() {
        let wait = |attempt, random| backoff(Duration::from_secs(2), attempt, Duration::ZERO, random);
        assert_eq!(wait(1, 0.0), Duration::from_secs(2));
        assert_eq!(wait(2, 0.0), Duration::from_secs(4));
        assert_eq!(wait(3, 0.999_999).as_secs(), 9);
    }

    #[test]
    fn retry_after_is_added_up_to_the_cap() {
        let wait = |attempt, retry_after, random| backoff(Duration::from_secs(2), attempt, retry_after, random);
        assert_eq!(wait(1, Duration::from_millis(1), 0.0), Duration::from_millis(2001));
        assert_eq!(wait(2, Duration::from_secs(7), 0.5), Duration::from_millis(11_500));
        assert_eq!(wait(1, Duration::from_secs(3600), 0.0), RETRY_AFTER_MAX + Duration::from_secs(2));
    }

    #[tokio::test]
    async fn a_refused_connection_is_retried_and_a_bad_address_is_not() {
        let client = crate::http::client().unwrap();
        let closed = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap().local_addr().unwrap();
        let error = client.get(format!("http://{closed}/")).send().await.unwrap_err();
        assert_eq!(wait(&error.into()), TRANSIENT);
        let error = client.get("http://[bad").send().await.unwrap_err();
        assert_eq!(wait(&error.into()), None);
    }
}
