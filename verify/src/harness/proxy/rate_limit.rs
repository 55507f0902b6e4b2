//! The forms in which servers say "too many requests".

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use hyper::{
    StatusCode,
    header::{HeaderValue, RETRY_AFTER},
};
use serde_json::json;

use super::answer::Answer;

/// GitHub's message, word for word.
const SECONDARY: &str = "You have exceeded a secondary rate limit. Please wait a few minutes before you try again.";

/// A form, with the seconds to wait.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Limit {
    /// 429 with `Retry-After: <seconds>`.
    Seconds(u64),
    /// 429 with `Retry-After: <date>`, at least so many seconds from now.
    Date(u64),
    /// 429 `Too Many Requests` in plain text with `Retry-After`, as Docker Hub's protection against abuse.
    Plain(u64),
    /// 403 "secondary rate limit" with `Retry-After`, as GitHub.
    Secondary(u64),
}

impl Limit {
    /// What a server answers at this moment.
    pub fn answer(self, now: SystemTime) -> Answer {
        let refused = Answer::from(429);
        match self {
            Self::Seconds(seconds) => refused.header(RETRY_AFTER, seconds),
            Self::Date(seconds) => refused.header(RETRY_AFTER, date(now, seconds)),
            Self::Plain(seconds) => {
                Answer::text(StatusCode::TOO_MANY_REQUESTS, "Too Many Requests").header(RETRY_AFTER, seconds)
            }
            Self::Secondary(seconds) => {
                let body = json!({ "message": SECONDARY, "documentation_url": "https://docs.github.com/rest" });
                Answer::json(StatusCode::FORBIDDEN, &body).header(RETRY_AFTER, seconds)
            }
        }
    }
}

/// The date of the first whole second that is no earlier: dates have no parts of seconds.
fn date(now: SystemTime, seconds: u64) -> HeaderValue {
    let then = now.duration_since(UNIX_EPOCH).unwrap_or_default() + Duration::from_secs(seconds);
    let then = UNIX_EPOCH + Duration::from_secs(then.as_secs() + u64::from(then.subsec_nanos() > 0));
    HeaderValue::try_from(httpdate::fmt_http_date(then)).unwrap_or_else(|_| HeaderValue::from_static("0"))
}

#[cfg(test)]
mod tests {
    use rstest::rstest;

    use super::*;

    #[rstest]
    #[case(Limit::Seconds(7), 429, "retry-after", "7", "TOOMANYREQUESTS")]
    #[case(Limit::Date(7), 429, "retry-after", "Thu, 01 Jan 1970 00:16:48 GMT", "TOOMANYREQUESTS")]
    #[case(Limit::Plain(60), 429, "retry-after", "60", "Too Many Requests")]
    #[case(Limit::Secondary(60), 403, "retry-after", "60", "secondary rate limit")]
    fn forms(#[case] limit: Limit, #[case] status: u16, #[case] header: &str, #[case] value: &str, #[case] body: &str) {
        let answer = limit.answer(UNIX_EPOCH + Duration::from_millis(1_000_500));
        assert_eq!((answer.status.as_u16(), answer.headers[header].to_str().unwrap()), (status, value));
        assert!(String::from_utf8_lossy(&answer.body).contains(body));
    }
}
