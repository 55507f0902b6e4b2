//! Blobs, whole or in part (distribution-spec 1.1, Pulling blobs; RFC 9110, 14).

use std::{io::SeekFrom, path::Path};

use axum::{
    body::Body,
    http::{HeaderValue, Method, StatusCode, header},
    response::{IntoResponse as _, Response},
};
use tokio::{
    fs::File,
    io::{AsyncReadExt as _, AsyncSeekExt as _},
};
use tokio_util::io::ReaderStream;

use super::{
    call::Call,
    digest::is_digest,
    refusal::{Code, Refusal},
    store::Store,
    uploads::CONTENT_DIGEST,
};

/// How long clients may keep a blob: it never changes.
const CACHE: &str = "max-age=31536000";

pub(super) async fn answer(store: &Store, call: &Call, name: &str, digest: &str) -> Result<Response, Refusal> {
    if !is_digest(digest) {
        return Err(Code::DigestInvalid.about("unsupported digest algorithm"));
    }
    let unknown = || Code::BlobUnknown.about(digest);
    if call.method == Method::DELETE {
        return if store.remove_blob(name, digest) {
            Ok((StatusCode::ACCEPTED, [(header::CONTENT_LENGTH, "0")]).into_response())
        } else {
            Err(unknown())
        };
    }
    let file = store.blob(name, digest).ok_or_else(unknown)?;
    let mut answer =
        if call.has_already(digest) { StatusCode::NOT_MODIFIED.into_response() } else { send(call, &file).await? };
    let headers = answer.headers_mut();
    headers.insert(header::CACHE_CONTROL, HeaderValue::from_static(CACHE));
    for (name, value) in [(header::ETAG.as_str(), format!("\"{digest}\"")), (CONTENT_DIGEST, digest.to_owned())] {
        if let Ok(value) = HeaderValue::from_str(&value) {
            headers.insert(name, value);
        }
    }
    Ok(answer)
}

async fn send(call: &Call, path: &Path) -> Result<Response, Refusal> {
    let mut file = File::open(path).await?;
    let size = file.metadata().await?.len();
    let (status, start, length) = match call.header(header::RANGE).map(|range| part(range, size)) {
        None => (StatusCode::OK, 0, size),
        Some(Some((start, length))) => (StatusCode::PARTIAL_CONTENT, start, length),
        Some(None) => {
            let range = format!("bytes */{size}");
            return Ok((StatusCode::RANGE_NOT_SATISFIABLE, [(header::CONTENT_RANGE, range)]).into_response());
        }
    };
    file.seek(SeekFrom::Start(start)).await?;
    // The server leaves the body of an answer to HEAD out.
    let body = Body::from_stream(ReaderStream::new(file.take(length)));
    let headers = [
        (header::CONTENT_TYPE, "application/octet-stream".to_owned()),
        (header::CONTENT_LENGTH, length.to_string()),
        (header::ACCEPT_RANGES, "bytes".to_owned()),
    ];
    let mut answer = (status, headers, body).into_response();
    if status == StatusCode::PARTIAL_CONTENT {
        let range = format!("bytes {start}-{}/{size}", start + length - 1);
        if let Ok(range) = HeaderValue::from_str(&range) {
            answer.headers_mut().insert(header::CONTENT_RANGE, range);
        }
    }
    Ok(answer)
}

/// Start and length of the one part that a `Range` header names; none if it lies outside.
fn part(range: &str, size: u64) -> Option<(u64, u64)> {
    let (first, last) = range.strip_prefix("bytes=")?.split_once('-')?;
    let number = |text: &str| text.trim().parse::<u64>().ok();
    let (start, end) = match (first.trim(), last.trim()) {
        ("", count) => (size.saturating_sub(number(count)?), size),
        (first, "") => (number(first)?, size),
        (first, last) => (number(first)?, number(last)?.saturating_add(1).min(size)),
    };
    (start < end).then(|| (start, end - start))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[rstest::rstest]
    #[case("bytes=0-0", Some((0, 1)))]
    #[case("bytes=2-5", Some((2, 4)))]
    #[case("bytes=7-", Some((7, 3)))]
    #[case("bytes=7-99", Some((7, 3)))]
    #[case("bytes=-4", Some((6, 4)))]
    #[case("bytes=-99", Some((0, 10)))]
    #[case("bytes=10-", None)]
    #[case("bytes=5-4", None)]
    #[case("bytes=x-y", None)]
    #[case("lines=0-1", None)]
    fn a_range_names_a_part(#[case] range: &str, #[case] expected: Option<(u64, u64)>) {
        assert_eq!(part(range, 10), expected);
    }
}
