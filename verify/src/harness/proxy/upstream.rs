//! Connections to the server behind a proxy.

use std::{
    io,
    pin::Pin,
    task::{Context, Poll},
};

use http_body_util::{BodyExt as _, Limited};
use hyper::{
    HeaderMap, Request, Response,
    body::Incoming,
    client::conn::http1::{self, SendRequest},
    header::{
        CONNECTION, HeaderName, PROXY_AUTHENTICATE, PROXY_AUTHORIZATION, TE, TRAILER, TRANSFER_ENCODING, UPGRADE,
    },
};
use hyper_util::rt::TokioIo;
use tokio::{
    io::{AsyncRead, AsyncWrite, ReadBuf},
    net::TcpStream,
    task::AbortHandle,
};

use super::{answer::Answer, request_body::RequestBody};
use crate::harness::HarnessError;

/// What either side of a proxy holds of a stream at most, besides the kernel's buffers.
pub(super) const BUFFER_MAX_BYTES: usize = 64 * 1024;
/// The longest answer to the proxy's own requests; a registry's manifests end at 4 MiB.
const OWN_ANSWER_MAX_BYTES: usize = 8 * 1024 * 1024;
/// Headers of one connection only (RFC 9110, 7.6.1).
const HOP_BY_HOP: [HeaderName; 8] = [
    CONNECTION,
    HeaderName::from_static("keep-alive"),
    PROXY_AUTHENTICATE,
    PROXY_AUTHORIZATION,
    TE,
    TRAILER,
    TRANSFER_ENCODING,
    UPGRADE,
];

/// A connection to the server behind.
pub(super) struct Upstream {
    host: String,
    sender: SendRequest<RequestBody>,
    driver: AbortHandle,
}

impl Upstream {
    /// # Errors
    /// In words, as all errors here.
    pub(super) async fn connect(host: &str) -> Result<Self, String> {
        let stream = TcpStream::connect(host).await.and_then(|stream| stream.set_nodelay(true).map(|()| stream));
        let stream = stream.map_err(|error| words(format!("{host} cannot be reached"), error))?;
        let io = TokioIo::new(IgnoresWriteErrors { stream, broken: false });
        let handshake = http1::Builder::new().max_buf_size(BUFFER_MAX_BYTES).handshake(io).await;
        let (sender, connection) = handshake.map_err(|error| words(format!("{host} did not answer"), error))?;
        // What goes wrong on a connection shows in the exchange.
        let driver = tokio::spawn(async move { drop(connection.await) });
        Ok(Self { host: host.to_owned(), sender, driver: driver.abort_handle() })
    }

    /// Whether it leads to this host and can take another request.
    pub(super) async fn is_ready(&mut self, host: &str) -> bool {
        self.host == host && self.sender.ready().await.is_ok()
    }

    pub(super) async fn send(&mut self, request: Request<RequestBody>) -> Result<Response<Incoming>, String> {
        let sent = self.sender.send_request(request).await;
        sent.map_err(|error| words(format!("{} did not answer", self.host), error))
    }
}

impl Drop for Upstream {
    fn drop(&mut self) {
        self.driver.abort();
    }
}

/// Sends a request of the proxy's own, which is recorded nowhere.
pub(super) async fn ask(host: &str, request: Request<RequestBody>) -> Result<Answer, String> {
    let mut upstream = Upstream::connect(host).await?;
    let (head, body) = upstream.send(request).await?.into_parts();
    let body = Limited::new(body, OWN_ANSWER_MAX_BYTES).collect().await;
    let body = body.map_err(|error| words(format!("the answer of {host} cannot be read"), error))?.to_bytes();
    let mut headers = head.headers;
    remove_hop_by_hop(&mut headers);
    Ok(Answer { status: head.status, headers, body })
}

/// Removes headers of one connection only.
pub(super) fn remove_hop_by_hop(headers: &mut HeaderMap) {
    let named: Vec<HeaderName> = headers
        .get_all(CONNECTION)
        .iter()
        .filter_map(|value| value.to_str().ok())
        .flat_map(|value| value.split(',').filter_map(|name| name.trim().parse().ok()))
        .collect();
    for name in HOP_BY_HOP.iter().chain(&named) {
        headers.remove(name);
    }
}

/// An error and its causes on one line.
fn words(what: String, error: impl Into<Box<dyn std::error::Error + Send + Sync>>) -> String {
    HarnessError::other(what)(error).with_causes()
}

/// A connection on which failed writes succeed: a server may answer and close before it has read a whole request, and its answer
/// must still be read.
struct IgnoresWriteErrors {
    stream: TcpStream,
    broken: bool,
}

impl AsyncRead for IgnoresWriteErrors {
    fn poll_read(mut self: Pin<&mut Self>, context: &mut Context<'_>, buf: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_read(context, buf)
    }
}

impl AsyncWrite for IgnoresWriteErrors {
    fn poll_write(mut self: Pin<&mut Self>, context: &mut Context<'_>, buf: &[u8]) -> Poll<io::Result<usize>> {
        if !self.broken {
            let written = Pin::new(&mut self.stream).poll_write(context, buf);
            if !matches!(written, Poll::Ready(Err(_))) {
                return written;
            }
            self.broken = true;
        }
        Poll::Ready(Ok(buf.len()))
    }

    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_flush(context)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(context)
    }
}
