//! What an answer means to whoever tries: done, go on, or failed, and then whether another try can help and when.

use std::time::UNIX_EPOCH;

use crate::history::{Exchange, Kind};

/// A number in `Retry-After` or `X-Retry-After` above this is a point in time (Unix seconds), not a length.
const UNIX_TIME_MIN: u64 = 1_000_000_000;

/// What an answer means.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Answered {
    /// The operation is done.
    Done,
    /// A step on the way is done.
    Onward,
    /// A token is wanted, where none was shown.
    Challenge,
    /// The token that was shown is not good any more.
    Expired,
    /// It failed.
    Failed(Failure),
}

/// How a try failed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Failure {
    /// Whether the same request would fail the same way.
    pub(super) permanent: bool,
    /// How long the server wants to be left alone.
    pub(super) retry_after: Option<RetryAfter>,
}

/// A wait that a server asks for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum RetryAfter {
    /// So long from the answer on, in milliseconds.
    For(u64),
    /// Until this time, in Unix milliseconds.
    Until(u64),
}

/// What became of a request of this kind.
pub(super) fn answered(exchange: &Exchange, kind: Kind) -> Answered {
    let Some(status) = exchange.status else {
        return Answered::Failed(Failure { permanent: false, retry_after: None });
    };
    let sends_blob = matches!(kind, Kind::UploadAppend | Kind::UploadFinish | Kind::UploadWhole);
    let logs_in = matches!(kind, Kind::Token | Kind::HubLogin);
    match status {
        200..=299 => match (kind, status) {
            (Kind::UploadBegin | Kind::UploadAppend, _) | (Kind::UploadMount | Kind::UploadWhole, 202) => {
                Answered::Onward
            }
            _ => Answered::Done,
        },
        300..=399 => Answered::Onward,
        // Tells how far an upload is.
        416 if sends_blob => Answered::Onward,
        // Gone already, or not there: that is what was to be known.
        404 if kind.deletes() || kind.reads() => Answered::Done,
        401 if !logs_in && exchange.headers.contains_key("authorization") => Answered::Expired,
        401 if !logs_in => Answered::Challenge,
        _ => {
            let retry_after = retry_after(exchange);
            let limited = retry_after.is_some() || header(exchange, "x-ratelimit-remaining") == Some("0");
            let permanent = match status {
                // What was sent may have been damaged, the upload may have got lost.
                400 | 404 => !sends_blob,
                401 | 405 | 413 | 415 => true,
                403 => !limited,
                _ => false,
            };
            Answered::Failed(Failure { permanent, retry_after })
        }
    }
}

/// `Retry-After` in seconds or as a date (RFC 9110, section 10.2.3), Docker Hub's `X-Retry-After` in Unix seconds.
fn retry_after(exchange: &Exchange) -> Option<RetryAfter> {
    let text = header(exchange, "retry-after").or_else(|| header(exchange, "x-retry-after"))?;
    match text.parse::<u64>() {
        Ok(unix) if unix >= UNIX_TIME_MIN => Some(RetryAfter::Until(unix.saturating_mul(1_000))),
        Ok(seconds) => Some(RetryAfter::For(seconds.saturating_mul(1_000))),
        Err(_) => {
            let since = httpdate::parse_http_date(text).ok()?.duration_since(UNIX_EPOCH).ok()?;
            u64::try_from(since.as_millis()).ok().map(RetryAfter::Until)
        }
    }
}

fn header<'a>(exchange: &'a Exchange, name: &str) -> Option<&'a str> {
    exchange.answer_headers.get(name).map(|value| value.trim())
}
