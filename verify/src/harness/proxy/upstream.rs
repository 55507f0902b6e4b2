//! Connections to the server behind.

use std::{error::Error, io, sync::Arc};

use http_body_util::{BodyExt as _, Empty, Limited};
use hyper::{
    Request, Response,
    body::{Body, Bytes, Incoming},
    client::conn::http1::{self, SendRequest},
};
use hyper_util::rt::TokioIo;
use tokio::{net::TcpStream, task::AbortHandle};

use super::{
    Answer,
    wire::{Fate, Wire, drive},
};

/// What either side of a proxy holds of a stream at most, besides the kernel's buffers.
pub(super) const BUFFER_MAX_BYTES: usize = 64 * 1024;
/// No answer to the proxy's own questions is longer; a registry's manifests end at 4 MiB.
const OWN_ANSWER_MAX_BYTES: usize = 8 * 1024 * 1024;

/// Why a server behind did not answer.
#[derive(Debug, thiserror::Error)]
pub(super) enum UpstreamError {
    #[error("nobody is behind yet")]
    Unknown,
    #[error("{host} cannot be reached")]
    Unreachable { host: String, source: io::Error },
    #[error("{host} did not answer")]
    Silent { host: String, source: hyper::Error },
    #[error("the answer of {host} cannot be read")]
    Unreadable { host: String, source: Box<dyn Error + Send + Sync> },
}

impl UpstreamError {
    /// The error and its causes on one line.
    pub(super) fn in_words(&self) -> String {
        let mut words = self.to_string();
        let mut cause = self.source();
        while let Some(error) = cause {
            words = format!("{words}: {error}");
            cause = error.source();
        }
        words
    }
}

/// A connection to a server behind.
pub(super) struct Link<B> {
    host: String,
    sender: SendRequest<B>,
    fate: Arc<Fate>,
    driver: AbortHandle,
}

impl<B> Link<B>
where
    B: Body<Data = Bytes> + Send + Unpin + 'static,
    B::Error: Into<Box<dyn Error + Send + Sync>>,
{
    pub(super) async fn connect(host: &str) -> Result<Self, UpstreamError> {
        let host = host.to_owned();
        let stream = match TcpStream::connect(&host).await.and_then(|stream| stream.set_nodelay(true).map(|()| stream))
        {
            Ok(stream) => stream,
            Err(source) => return Err(UpstreamError::Unreachable { host, source }),
        };
        let fate = Arc::<Fate>::default();
        let wire = TokioIo::new(Wire::to_server(stream, Arc::clone(&fate)));
        let handshake = http1::Builder::new().max_buf_size(BUFFER_MAX_BYTES).handshake(wire).await;
        let (sender, mut connection) =
            handshake.map_err(|source| UpstreamError::Silent { host: host.clone(), source })?;
        let fate_too = Arc::clone(&fate);
        let driver = tokio::spawn(async move {
            if let Some(ending) = drive(&mut connection, &fate_too).await {
                // A connection that cannot be reset is closed, which ends it as well.
                let _ = connection.into_parts().io.into_inner().end(ending);
            }
        });
        Ok(Self { host, sender, fate, driver: driver.abort_handle() })
    }

    /// Whether it leads to this host and can take another request.
    pub(super) async fn is_ready(&mut self, host: &str) -> bool {
        self.host == host && self.sender.ready().await.is_ok()
    }

    pub(super) fn fate(&self) -> Arc<Fate> {
        Arc::clone(&self.fate)
    }

    pub(super) async fn send(&mut self, request: Request<B>) -> Result<Response<Incoming>, UpstreamError> {
        let sent = self.sender.send_request(request).await;
        sent.map_err(|source| UpstreamError::Silent { host: self.host.clone(), source })
    }
}

impl<B> Drop for Link<B> {
    fn drop(&mut self) {
        self.driver.abort();
    }
}

/// Asks a question of the proxy's own, which is recorded nowhere.
pub(super) async fn ask(host: &str, question: Request<Empty<Bytes>>) -> Result<Answer, UpstreamError> {
    let (head, body) = Link::connect(host).await?.ask(question).await?;
    let mut headers = head.headers;
    super::connection::remove_hop_by_hop(&mut headers);
    Ok(Answer { status: head.status, headers, body })
}

impl Link<Empty<Bytes>> {
    async fn ask(
        mut self,
        question: Request<Empty<Bytes>>,
    ) -> Result<(hyper::http::response::Parts, Bytes), UpstreamError> {
        let (head, body) = self.send(question).await?.into_parts();
        let body = Limited::new(body, OWN_ANSWER_MAX_BYTES).collect().await;
        let body = body.map_err(|source| UpstreamError::Unreadable { host: self.host.clone(), source })?;
        Ok((head, body.to_bytes()))
    }
}
