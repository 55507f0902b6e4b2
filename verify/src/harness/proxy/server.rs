//! A running proxy.

use std::{fmt::Display, io, net::SocketAddr, sync::Arc};

use rustls::ServerConfig;
use tokio::{
    net::{TcpListener, TcpStream},
    sync::oneshot,
    task::{JoinHandle, JoinSet},
};
use tokio_rustls::TlsAcceptor;

use super::{
    connection::{Transport, serve},
    interceptor::Interceptor,
    rule::Rule,
    state::State,
    table::{Fired, Injected},
};
use crate::{
    harness::registry::Storage,
    history::{Recorder, Service},
};

/// Any free port on the loopback address.
const ANY_PORT: (&str, u16) = ("127.0.0.1", 0);

/// A fault proxy. It ends when it is dropped; [`Proxy::end`] also awaits that.
pub struct Proxy {
    state: Arc<State>,
    address: SocketAddr,
    stop: oneshot::Sender<()>,
    task: JoinHandle<()>,
}

impl Proxy {
    /// Listens on a port of the loopback address. The upstream may be set later.
    ///
    /// # Errors
    /// No port.
    pub async fn start(name: &str, service: Service, recorder: &Recorder) -> io::Result<Self> {
        Self::start_with(name, service, recorder, None).await
    }

    /// The same, with TLS if there are settings for it.
    ///
    /// # Errors
    /// No port.
    pub async fn start_with(
        name: &str,
        service: Service,
        recorder: &Recorder,
        tls: Option<Arc<ServerConfig>>,
    ) -> io::Result<Self> {
        let listener = TcpListener::bind(ANY_PORT).await?;
        let address = listener.local_addr()?;
        let state = Arc::new(State::new(name, service, tls.is_some(), recorder.clone()));
        let (stop, stopped) = oneshot::channel();
        let task = tokio::spawn(accept(listener, Arc::clone(&state), tls.map(TlsAcceptor::from), stopped));
        Ok(Self { state, address, stop, task })
    }

    /// Where it listens.
    pub const fn address(&self) -> SocketAddr {
        self.address
    }

    /// `http://127.0.0.1:41234`, or `https://…`.
    pub fn url(&self) -> String {
        let scheme = if self.state.is_secure { "https" } else { "http" };
        format!("{scheme}://{}", self.address)
    }

    /// Sets the server that requests go to: `127.0.0.1:41235`.
    pub fn set_upstream(&self, host: impl Display) {
        self.state.hosts().upstream = Some(host.to_string());
    }

    /// Sets the server that answers `/token`. Without it, the upstream does.
    pub fn set_token_service(&self, host: impl Display) {
        self.state.hosts().token_service = Some(host.to_string());
    }

    /// Sets the interceptor. Only the first call has an effect.
    pub fn set_interceptor(&self, interceptor: Arc<dyn Interceptor>) {
        let _ = self.state.interceptor.set(interceptor);
    }

    /// Lets a storage record its state after each change that was made through this proxy, before the client is answered. Only
    /// the first call has an effect.
    pub fn record_changes_of(&self, storage: &Storage) {
        let _ = self.state.storage.set(storage.clone());
    }

    /// Adds a rule after those that were added before.
    pub fn add(&self, rule: Rule) -> Injected {
        self.state.table.add(rule)
    }

    /// Adds a standing rule, which comes after all others and need not fire.
    pub fn add_standing(&self, rule: Rule) {
        self.state.table.add_standing(rule);
    }

    /// Releases all rules that were added.
    pub fn heal(&self) {
        self.state.table.heal();
    }

    /// How often each added rule fired, in their order. A rule that never fired proves nothing.
    pub fn fired(&self) -> Vec<Fired> {
        self.state.table.fired(&self.state.name)
    }

    /// Ends it, with all connections; when it returns, all exchanges are recorded.
    pub async fn end(self) {
        let _ = self.stop.send(());
        if self.task.await.is_err() {
            self.state.trouble("it failed");
        }
    }
}

/// Accepts connections until it is stopped or dropped.
async fn accept(
    listener: TcpListener,
    state: Arc<State>,
    tls: Option<TlsAcceptor>,
    mut stopped: oneshot::Receiver<()>,
) {
    let mut connections = JoinSet::new();
    loop {
        tokio::select! {
            _ = &mut stopped => break,
            Some(ended) = connections.join_next() => {
                if let Err(error) = ended {
                    state.trouble(&format!("a connection failed: {error}"));
                }
            }
            accepted = listener.accept() => match accepted {
                Ok((stream, _)) => {
                    connections.spawn(serve_stream(stream, Arc::clone(&state), tls.clone()));
                }
                // The client went away.
                Err(error) if error.kind() == io::ErrorKind::ConnectionAborted => {}
                Err(error) => {
                    state.trouble(&format!("it cannot accept connections: {error}"));
                    break;
                }
            },
        }
    }
    connections.shutdown().await;
}

async fn serve_stream(stream: TcpStream, state: Arc<State>, tls: Option<TlsAcceptor>) {
    if let Err(error) = stream.set_nodelay(true) {
        state.trouble(&format!("a connection cannot be set up: {error}"));
    }
    let stream = match tls {
        None => Transport::Left(stream),
        Some(tls) => match tls.accept(stream).await {
            Ok(stream) => Transport::Right(stream),
            // A client that does not trust the certificate, or speaks no TLS, has made no request.
            Err(_) => return,
        },
    };
    serve(state, stream).await;
}
