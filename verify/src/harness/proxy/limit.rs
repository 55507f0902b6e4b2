//! How servers say "too many requests", in every form that is known.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use hyper::{
    StatusCode,
    header::{HeaderName, HeaderValue, RETRY_AFTER},
};
use serde_json::json;

use super::Answer;

const X_RETRY_AFTER: HeaderName = HeaderName::from_static("x-retry-after");
/// What GHCR says, word for word.
const IN_BODY: &str = "retry-after: 880.092µs, allowed: 44000/minute";
/// What GitHub says, word for word.
const SECONDARY: &str = "You have exceeded a secondary rate limit. Please wait a few minutes before you try again.";

/// A form of it, with the seconds to wait.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Limit {
    /// 429 with `Retry-After: <seconds>`.
    Seconds(u64),
    /// 429 with `Retry-After: <date>`, at least so many seconds from now.
    Date(u64),
    /// 429 with `X-Retry-After: <unix time>`, as Docker Hub's API; at least so many seconds from now.
    UnixTime(u64),
    /// 429 `Too Many Requests` in plain text with `Retry-After`, as Docker Hub's protection against abuse.
    Plain(u64),
    /// 429 with the time in the body alone, less than a millisecond, as GHCR.
    InBody,
    /// 403 "secondary rate limit" with `Retry-After`, as GitHub.
    Secondary(u64),
}

impl Limit {
    /// What a server answers at this moment.
    pub fn answer(self, now: SystemTime) -> Answer {
        let refused = Answer::from(StatusCode::TOO_MANY_REQUESTS.as_u16());
        match self {
            Self::Seconds(seconds) => refused.header(RETRY_AFTER, seconds),
            Self::Date(seconds) => refused.header(RETRY_AFTER, date(now, seconds)),
            Self::UnixTime(seconds) => refused.header(X_RETRY_AFTER, unix_time(now, seconds)),
            Self::Plain(seconds) => {
                Answer::text(StatusCode::TOO_MANY_REQUESTS, "Too Many Requests").header(RETRY_AFTER, seconds)
            }
            Self::InBody => Answer::error(StatusCode::TOO_MANY_REQUESTS, "TOOMANYREQUESTS", IN_BODY),
            Self::Secondary(seconds) => {
                let body = json!({ "message": SECONDARY, "documentation_url": "https://docs.github.com/rest" });
                Answer::json(StatusCode::FORBIDDEN, body.to_string()).header(RETRY_AFTER, seconds)
            }
        }
    }
}

/// The first whole second that is no earlier: dates and unix times have no parts of seconds.
fn unix_time(now: SystemTime, seconds: u64) -> u64 {
    let then = now.duration_since(UNIX_EPOCH).unwrap_or_default() + Duration::from_secs(seconds);
    then.as_secs() + u64::from(then.subsec_nanos() > 0)
}

fn date(now: SystemTime, seconds: u64) -> HeaderValue {
    let then = UNIX_EPOCH + Duration::from_secs(unix_time(now, seconds));
    HeaderValue::try_from(httpdate::fmt_http_date(then)).unwrap_or_else(|_| HeaderValue::from_static("0"))
}

#[cfg(test)]
mod tests {
    use rstest::rstest;

    use super::*;

    #[rstest]
    #[case(Limit::Seconds(7), 429, "retry-after", "7", "TOOMANYREQUESTS")]
    #[case(Limit::Date(7), 429, "retry-after", "Thu, 01 Jan 1970 00:16:48 GMT", "TOOMANYREQUESTS")]
    #[case(Limit::UnixTime(7), 429, "x-retry-after", "1008", "TOOMANYREQUESTS")]
    #[case(Limit::Plain(60), 429, "retry-after", "60", "Too Many Requests")]
    #[case(Limit::InBody, 429, "content-type", "application/json", "retry-after: 880.092µs, allowed: 44000/minute")]
    #[case(Limit::Secondary(60), 403, "retry-after", "60", "secondary rate limit")]
    fn forms(#[case] limit: Limit, #[case] status: u16, #[case] header: &str, #[case] value: &str, #[case] body: &str) {
        let answer = limit.answer(UNIX_EPOCH + Duration::from_millis(1_000_500));
        assert_eq!(answer.status, status);
        assert_eq!(answer.headers[header], value);
        assert!(String::from_utf8_lossy(&answer.body).contains(body));
        assert_eq!(answer.headers.contains_key("retry-after"), !matches!(limit, Limit::UnixTime(_) | Limit::InBody));
    }
}
