//! A proxy as a scenario holds it.

use std::{fmt, io, net::SocketAddr, sync::Arc};

use rustls::ServerConfig;
use tokio::{
    net::{TcpListener, TcpStream},
    sync::oneshot,
    task::{JoinHandle, JoinSet},
};
use tokio_rustls::TlsAcceptor;

use super::{Arbiter, Fired, Injected, Profile, Rule, connection::serve, site::Site};
use crate::history::{Recorder, Service};

/// Any port that is free on the loopback address.
const ANY_PORT: (&str, u16) = ("127.0.0.1", 0);
/// What is spoken behind TLS.
const HTTP_1_1: &[u8] = b"http/1.1";

/// A fault proxy. It ends when it is dropped; [`Proxy::end`] also awaits that.
pub struct Proxy {
    site: Arc<Site>,
    address: SocketAddr,
    stop: oneshot::Sender<()>,
    task: JoinHandle<()>,
}

impl Proxy {
    /// Listens on a port of the loopback address. What is behind may be told later.
    ///
    /// # Errors
    /// No port.
    pub async fn start(name: &str, service: Service, recorder: &Recorder) -> io::Result<Self> {
        Self::listen(name, service, recorder, None).await
    }

    /// The same with TLS before it.
    ///
    /// # Errors
    /// No port.
    pub async fn start_tls(
        name: &str,
        service: Service,
        recorder: &Recorder,
        tls: Arc<ServerConfig>,
    ) -> io::Result<Self> {
        Self::listen(name, service, recorder, Some(tls)).await
    }

    async fn listen(
        name: &str,
        service: Service,
        recorder: &Recorder,
        tls: Option<Arc<ServerConfig>>,
    ) -> io::Result<Self> {
        let listener = TcpListener::bind(ANY_PORT).await?;
        let address = listener.local_addr()?;
        let site = Arc::new(Site::new(name, service, tls.is_some(), recorder.clone()));
        let (stop, stopped) = oneshot::channel();
        let task = tokio::spawn(accept(listener, Arc::clone(&site), tls.map(acceptor), stopped));
        Ok(Self { site, address, stop, task })
    }

    /// Where it listens.
    pub const fn address(&self) -> SocketAddr {
        self.address
    }

    /// `http://127.0.0.1:41234`, or `https://…`.
    pub fn url(&self) -> String {
        let scheme = if self.site.is_secure { "https" } else { "http" };
        format!("{scheme}://{}", self.address)
    }

    /// Tells what is behind: `127.0.0.1:41235`.
    pub fn set_upstream(&self, host: impl fmt::Display) {
        self.site.with_behind(|behind| behind.service = Some(host.to_string()));
    }

    /// Tells who answers `/token`. Without it, what is behind is asked.
    pub fn set_token_service(&self, host: impl fmt::Display) {
        self.site.with_behind(|behind| behind.tokens = Some(host.to_string()));
    }

    /// Says who is asked about every request before any rule, once and for all.
    pub fn set_arbiter(&self, arbiter: Arc<dyn Arbiter>) {
        // A second one would contradict the first.
        let _ = self.site.arbiter.set(arbiter);
    }

    /// Adds a rule behind those that were added before.
    pub fn add(&self, rule: Rule) -> Injected {
        self.site.table.add(rule)
    }

    /// Makes it behave like a registry of the world, where no added rule says otherwise. Such rules need not fire.
    pub fn behave_like(&self, profile: Profile) {
        profile.rules().into_iter().for_each(|rule| self.stand(rule));
    }

    /// Adds a rule that always stands, behind all others, and need not fire.
    pub fn stand(&self, rule: Rule) {
        self.site.table.stand(rule);
    }

    /// Releases all rules that were added.
    pub fn heal(&self) {
        self.site.table.heal();
    }

    /// How often each added rule fired, in their order. One that never did proves nothing.
    pub fn fired(&self) -> Vec<Fired> {
        self.site.table.fired(&self.site.name)
    }

    /// Ends it, with all connections; when it returns, all exchanges are recorded.
    pub async fn end(self) {
        let _ = self.stop.send(());
        if self.task.await.is_err() {
            self.site.trouble("it failed");
        }
    }
}

impl fmt::Debug for Proxy {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Proxy").field("name", &self.site.name).field("address", &self.address).finish_non_exhaustive()
    }
}

fn acceptor(config: Arc<ServerConfig>) -> TlsAcceptor {
    let mut config = Arc::unwrap_or_clone(config);
    config.alpn_protocols = vec![HTTP_1_1.to_vec()];
    TlsAcceptor::from(Arc::new(config))
}

/// Accepts connections until it is stopped, or whoever could stop it is gone.
async fn accept(listener: TcpListener, site: Arc<Site>, tls: Option<TlsAcceptor>, mut stopped: oneshot::Receiver<()>) {
    let mut connections = JoinSet::new();
    loop {
        tokio::select! {
            _ = &mut stopped => break,
            Some(ended) = connections.join_next() => {
                if let Err(error) = ended {
                    site.trouble(&format!("a connection failed: {error}"));
                }
            }
            accepted = listener.accept() => match accepted {
                Ok((stream, _)) => {
                    connections.spawn(welcome(stream, Arc::clone(&site), tls.clone()));
                }
                // The client has gone already.
                Err(error) if error.kind() == io::ErrorKind::ConnectionAborted => {}
                Err(error) => {
                    site.trouble(&format!("it cannot accept connections: {error}"));
                    break;
                }
            },
        }
    }
    connections.shutdown().await;
}

async fn welcome(stream: TcpStream, site: Arc<Site>, tls: Option<TlsAcceptor>) {
    if let Err(error) = stream.set_nodelay(true) {
        site.trouble(&format!("a connection cannot be set up: {error}"));
    }
    match tls {
        None => serve(site, stream).await,
        // Who does not trust the certificate, or speaks no TLS, has made no request.
        Some(tls) => {
            if let Ok(stream) = tls.accept(stream).await {
                serve(site, stream).await;
            }
        }
    }
}
