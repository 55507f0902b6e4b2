//! The one HTTP client of a run.

use std::time::Duration;

use bytes::{Bytes, BytesMut};
use reqwest::Response;
use tokio::time::{Instant, timeout_at};

use super::RequestError;

/// How long a connection may take to stand.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(10);

/// How long a peer may stay silent while nothing moves. There is no limit on a whole request: a large layer over a thin
/// line takes as long as it takes.
pub const IDLE_TIMEOUT: Duration = Duration::from_secs(60);

/// How long an answer that is no blob may take in all, from when its request was sent.
pub const ANSWER_TIMEOUT: Duration = Duration::from_secs(60);

/// How many bytes of a blob must arrive each second at least, counted over [`IDLE_TIMEOUT`].
const BLOB_BYTES_PER_S_MIN: u64 = 1024;

/// A client that follows no redirect on its own (an upload must never be sent elsewhere unasked) and reuses connections.
///
/// It knows no [`IDLE_TIMEOUT`]: `reqwest` counts its `read_timeout` from the start of a request, so that it would end
/// every upload that takes longer. Who sends requests looks at the clock.
///
/// # Errors
/// When TLS cannot be set up, for example because the machine has no root certificates.
pub fn client() -> Result<reqwest::Client, reqwest::Error> {
    // Installing a second time fails and changes nothing: the provider is the same.
    let _ = rustls::crypto::ring::default_provider().install_default();
    reqwest::Client::builder()
        .user_agent(concat!("tallyman-publisher/", env!("CARGO_PKG_VERSION")))
        .connect_timeout(CONNECT_TIMEOUT)
        .redirect(reqwest::redirect::Policy::none())
        .build()
}

/// Until when an answer has to be here; kept with it (`Response::extensions`) by who sent the request.
#[derive(Debug, Clone, Copy)]
pub struct Deadline(pub Instant);

/// Reads an answer of at most `limit` bytes that is no blob.
///
/// # Errors
/// [`RequestError::TooLarge`]; [`RequestError::Silent`] when it is not here within [`ANSWER_TIMEOUT`];
/// [`RequestError::Transport`] when the connection breaks off.
pub async fn read_answer(response: Response, limit: usize) -> Result<Bytes, RequestError> {
    let mut body = BytesMut::new();
    read_into(&mut body, response, limit).await.map(|()| body.freeze())
}

/// Like [`read_answer`]; what came before the error is in `body`.
pub(super) async fn read_into(body: &mut BytesMut, mut response: Response, limit: usize) -> Result<(), RequestError> {
    let deadline = response.extensions().get().map_or_else(|| Instant::now() + ANSWER_TIMEOUT, |Deadline(at)| *at);
    while let Some(chunk) = timeout_at(deadline, response.chunk()).await.map_err(|_| RequestError::Silent)?? {
        let room = limit - body.len();
        body.extend_from_slice(&chunk[..chunk.len().min(room)]);
        if chunk.len() > room {
            return Err(RequestError::TooLarge(limit));
        }
    }
    Ok(())
}

/// Hands on the bytes of a blob as they arrive, however long it takes, as long as [`BLOB_BYTES_PER_S_MIN`] arrive.
///
/// # Errors
/// [`RequestError::Silent`], [`RequestError::Transport`], and those of `take`.
pub async fn read_chunks(
    mut response: Response,
    mut take: impl FnMut(&[u8]) -> Result<(), RequestError>,
) -> Result<(), RequestError> {
    let (mut deadline, mut arrived) = (Instant::now() + IDLE_TIMEOUT, 0);
    loop {
        match timeout_at(deadline, response.chunk()).await {
            Ok(chunk) => {
                let Some(chunk) = chunk? else { return Ok(()) };
                arrived += chunk.len() as u64;
                take(&chunk)?;
            }
            Err(_) if arrived >= BLOB_BYTES_PER_S_MIN * IDLE_TIMEOUT.as_secs() => {
                (deadline, arrived) = (Instant::now() + IDLE_TIMEOUT, 0);
            }
            Err(_) => return Err(RequestError::Silent),
        }
    }
}
