//! A server to stand behind a proxy, which notes what reaches it, and clients that see every byte.

use std::{
    collections::BTreeMap,
    convert::Infallible,
    io,
    net::SocketAddr,
    sync::{Arc, Mutex},
};

use http_body_util::{BodyExt as _, Full};
use hyper::{
    HeaderMap, Method, Request, Response, StatusCode,
    body::{Bytes, Incoming},
    client, server,
    service::service_fn,
};
use hyper_util::rt::TokioIo;
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::{TcpListener, TcpStream},
    sync::watch,
    task::AbortHandle,
};

use crate::{
    harness::proxy::{Injected, Proxy, Rule},
    history::{Exchange, Recorder, Service},
};

/// The challenge of the server behind to a token that it does not know.
pub(super) const CHALLENGE: &str = "Bearer realm=\"http://127.0.0.1:1/token\",service=\"behind\"";
pub(super) const MANIFEST: &str = "/v2/acme/hello/manifests/latest";
pub(super) const UPLOAD: &str = "/v2/acme/hello/blobs/uploads/1";

/// A request as it reached the server behind.
#[derive(Debug, Clone)]
pub(super) struct Seen {
    pub(super) line: String,
    pub(super) headers: HeaderMap,
    pub(super) body: Vec<u8>,
    pub(super) whole: bool,
}

/// A server behind: keeps what is put and shows it, answers all else with 200 and its own name.
pub(super) struct Upstream {
    pub(super) address: SocketAddr,
    seen: watch::Sender<Vec<Seen>>,
    server: AbortHandle,
}

impl Drop for Upstream {
    fn drop(&mut self) {
        self.server.abort();
    }
}

/// Notes a request when its body has ended, however it did.
struct Noting {
    seen: watch::Sender<Vec<Seen>>,
    request: Option<Seen>,
}

impl Drop for Noting {
    fn drop(&mut self) {
        let request = self.request.take().unwrap();
        self.seen.send_modify(|seen| seen.push(request));
    }
}

impl Upstream {
    pub(super) async fn start(name: &'static str) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let seen = watch::Sender::new(Vec::new());
        let kept = Arc::<Mutex<BTreeMap<String, Bytes>>>::default();
        let noted = seen.clone();
        let server = tokio::spawn(async move {
            loop {
                let (stream, _) = listener.accept().await.unwrap();
                let (seen, kept) = (noted.clone(), Arc::clone(&kept));
                let service = service_fn(move |request| answer(name, request, seen.clone(), Arc::clone(&kept)));
                tokio::spawn(server::conn::http1::Builder::new().serve_connection(TokioIo::new(stream), service));
            }
        });
        Self { address, seen, server: server.abort_handle() }
    }

    pub(super) fn seen(&self) -> Vec<Seen> {
        self.seen.borrow().clone()
    }

    /// What reached it, when so many requests did.
    pub(super) async fn seen_times(&self, times: usize) -> Vec<Seen> {
        self.seen.subscribe().wait_for(|seen| seen.len() >= times).await.unwrap().clone()
    }
}

async fn answer(
    name: &'static str,
    request: Request<Incoming>,
    seen: watch::Sender<Vec<Seen>>,
    kept: Arc<Mutex<BTreeMap<String, Bytes>>>,
) -> Result<Response<Full<Bytes>>, Infallible> {
    let (head, mut body) = request.into_parts();
    let line = format!("{} {}", head.method, head.uri);
    let request = Seen { line, headers: head.headers.clone(), body: Vec::new(), whole: false };
    let mut noting = Noting { seen, request: Some(request) };
    let noted = noting.request.as_mut().unwrap();
    while let Some(Ok(frame)) = body.frame().await {
        noted.body.extend_from_slice(frame.data_ref().unwrap());
    }
    noted.whole = head.headers.get("content-length").is_none_or(|length| length == &*noted.body.len().to_string());
    let body = Bytes::from(noted.body.clone());
    drop(noting);
    let path = head.uri.path().to_owned();
    let reply = Response::builder().header("docker-content-digest", "sha256:00");
    let whole = |body: Bytes| Full::new(body);
    let reply = match head.method {
        _ if head.headers.get("authorization").is_some_and(|token| token == "Bearer expired") => {
            reply.status(StatusCode::UNAUTHORIZED).header("www-authenticate", CHALLENGE).body(whole(Bytes::new()))
        }
        Method::PUT => {
            kept.lock().unwrap().insert(path, body);
            reply.status(StatusCode::CREATED).body(whole(Bytes::new()))
        }
        Method::GET | Method::HEAD if path.contains("/manifests/") => match kept.lock().unwrap().get(&path) {
            Some(body) => reply.header("content-type", "application/json").body(whole(body.clone())),
            None => reply.status(StatusCode::NOT_FOUND).body(whole("not there".into())),
        },
        _ => reply.body(whole(Bytes::from(format!("{name} answers {path}")))),
    };
    Ok(reply.unwrap())
}

/// A server behind and a registry's proxy before it.
pub(super) struct Setup {
    pub(super) behind: Upstream,
    pub(super) proxy: Proxy,
    pub(super) recorder: Recorder,
}

impl Setup {
    pub(super) async fn start() -> Self {
        let behind = Upstream::start("behind").await;
        let recorder = Recorder::default();
        let proxy = Proxy::start("ghcr", Service::Registry, &recorder).await.unwrap();
        proxy.set_upstream(behind.address);
        Self { behind, proxy, recorder }
    }

    /// One with a rule.
    pub(super) async fn with(rule: Rule) -> (Self, Injected) {
        let setup = Self::start().await;
        let injected = setup.proxy.add(rule);
        (setup, injected)
    }

    pub(super) async fn send(&self, method: &str, path: &str, body: &str) -> Result<Reply, hyper::Error> {
        send(self.proxy.address(), method, path, &[], body.to_owned()).await
    }

    /// Opens a connection and writes.
    pub(super) async fn write(&self, text: &str) -> TcpStream {
        let mut stream = TcpStream::connect(self.proxy.address()).await.unwrap();
        stream.write_all(text.as_bytes()).await.unwrap();
        stream
    }

    /// Ends the proxy; gives what was recorded, which holds no trouble.
    pub(super) async fn history(self) -> Vec<Exchange> {
        self.proxy.end().await;
        assert_eq!(self.recorder.trouble(), Vec::<String>::new());
        self.recorder.history()
    }
}

/// An answer as a client got it.
#[derive(Debug)]
pub(super) struct Reply {
    pub(super) status: u16,
    pub(super) headers: HeaderMap,
    pub(super) body: Bytes,
}

impl Reply {
    pub(super) fn header(&self, name: &str) -> &str {
        self.headers.get(name).map_or("", |value| value.to_str().unwrap())
    }

    pub(super) fn text(&self) -> &str {
        std::str::from_utf8(&self.body).unwrap()
    }
}

/// Sends one request on a connection of its own.
pub(super) async fn send(
    address: SocketAddr,
    method: &str,
    path: &str,
    headers: &[(&str, &str)],
    body: impl Into<Bytes>,
) -> Result<Reply, hyper::Error> {
    let stream = TokioIo::new(TcpStream::connect(address).await.unwrap());
    let (mut sender, connection) = client::conn::http1::handshake(stream).await?;
    let driver = tokio::spawn(connection);
    let mut request = Request::builder().method(method).uri(path).header("host", address.to_string());
    for (name, value) in headers {
        request = request.header(*name, *value);
    }
    let answer = sender.send_request(request.body(Full::new(body.into())).unwrap()).await;
    let reply = async {
        let (head, body) = answer?.into_parts();
        Ok(Reply { status: head.status.as_u16(), headers: head.headers, body: body.collect().await?.to_bytes() })
    };
    let reply = reply.await;
    driver.abort();
    reply
}

/// What a client reads until its connection ends, and how that ends.
pub(super) async fn read_to_end(stream: &mut TcpStream) -> (String, Result<(), io::ErrorKind>) {
    let mut bytes = Vec::new();
    let end = stream.read_to_end(&mut bytes).await.map(|_| ()).map_err(|error| error.kind());
    (String::from_utf8_lossy(&bytes).into_owned(), end)
}

/// Reads until some text has come.
pub(super) async fn read_until(stream: &mut TcpStream, end: &str) -> String {
    let mut bytes = Vec::new();
    while !bytes.ends_with(end.as_bytes()) {
        bytes.push(stream.read_u8().await.unwrap());
    }
    String::from_utf8(bytes).unwrap()
}
