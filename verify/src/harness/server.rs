//! A small HTTP server on the loopback address that runs until it is dropped.

use std::net::{Ipv4Addr, SocketAddr};

use axum::{Router, serve::ListenerExt as _};
use tokio::{net::TcpListener, sync::oneshot, task};

use super::error::HarnessError;

/// A running server.
#[derive(Debug)]
pub(super) struct Server {
    address: SocketAddr,
    /// The server stops when this is dropped.
    _running: oneshot::Sender<()>,
}

impl Server {
    /// Serves on a free port.
    pub(super) async fn start(router: Router) -> Result<Self, HarnessError> {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.map_err(HarnessError::io("cannot listen"))?;
        let address = listener.local_addr().map_err(HarnessError::io("cannot listen"))?;
        // Answers are short: none may wait in a buffer for more.
        let listener = listener.tap_io(|stream| {
            let _ = stream.set_nodelay(true);
        });
        let (running, stopped) = oneshot::channel::<()>();
        let serving = axum::serve(listener, router).with_graceful_shutdown(async {
            let _ = stopped.await;
        });
        task::spawn(serving.into_future());
        Ok(Self { address, _running: running })
    }

    pub(super) const fn address(&self) -> SocketAddr {
        self.address
    }
}
