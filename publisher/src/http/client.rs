//! The one HTTP client of a run.

use std::time::Duration;

use bytes::Bytes;
use reqwest::Response;

use super::RequestError;

/// How long a connection may take to stand.
pub const CONNECT_TIMEOUT: Duration = Duration::from_secs(10);

/// How long a peer may stay silent while nothing moves, before its answer and in the middle of it. There is no limit on
/// a whole request: a large layer over a thin line takes as long as it takes.
pub const IDLE_TIMEOUT: Duration = Duration::from_secs(60);

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

/// The next piece of an answer's body; nothing at its end.
///
/// # Errors
/// [`RequestError::Silent`] when none comes in time, [`RequestError::Transport`] when the connection breaks off.
pub async fn next_chunk(response: &mut Response) -> Result<Option<Bytes>, RequestError> {
    match tokio::time::timeout(IDLE_TIMEOUT, response.chunk()).await {
        Ok(chunk) => Ok(chunk?),
        Err(_) => Err(RequestError::Silent),
    }
}
