//! A proxy before a registry that makes chosen requests fail, breaks their connection, or holds them until the test
//! lets go.

use std::{
    collections::VecDeque,
    sync::{Arc, Mutex},
    time::Duration,
};

use axum::{
    Router,
    body::{Body, Bytes},
    extract::{Request, State},
    http::{StatusCode, request::Parts},
    response::Response,
};
use futures::{Stream, StreamExt as _};
use tokio::{net::TcpListener, sync::Notify, task::JoinHandle};

/// What happens to requests that match.
#[derive(Clone)]
pub(crate) enum Fault {
    /// Answered with this status.
    Status(u16),
    /// Its connection breaks, when this many bytes of it have reached the registry.
    Cut(usize),
    /// Told to the test by the first, and held until the proxy ends.
    Hold,
    /// Reaches the registry after the first time, and its answer the client after the second.
    Delay(Duration, Duration),
}

/// What chooses a fault for a request that no rule is for, by method and path.
type Chooser = Box<dyn FnMut(&str, &str) -> Option<Fault> + Send>;

struct Rule {
    method: &'static str,
    path_contains: String,
    fault: Fault,
    /// How many more requests it is for.
    left: usize,
}

#[derive(Default)]
struct Shared {
    upstream: String,
    rules: Mutex<Vec<Rule>>,
    chooser: Mutex<Option<Chooser>>,
    /// The requests that a rule was applied to.
    hits: Mutex<VecDeque<String>>,
    hit: Notify,
    released: Notify,
}

/// A proxy that ends with the test.
pub(crate) struct Proxy {
    /// Where it listens.
    pub(crate) host: String,
    shared: Arc<Shared>,
    task: JoinHandle<()>,
}

impl Proxy {
    /// A proxy that forwards everything to `upstream`, host and port.
    pub(crate) async fn before(upstream: &str) -> Self {
        let shared = Arc::new(Shared { upstream: upstream.to_owned(), ..Shared::default() });
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let host = listener.local_addr().unwrap().to_string();
        let router = Router::new().fallback(forward).with_state(Arc::clone(&shared));
        let task = tokio::spawn(async move { axum::serve(listener, router).await.unwrap() });
        Self { host, shared, task }
    }

    /// Lets requests with this method, whose path contains this text, fail from now on.
    pub(crate) fn inject(&self, method: &'static str, path_contains: &str, fault: Fault) {
        self.inject_times(usize::MAX, method, path_contains, fault);
    }

    /// Lets the next so many requests with this method, whose path contains this text, fail.
    pub(crate) fn inject_times(&self, left: usize, method: &'static str, path_contains: &str, fault: Fault) {
        self.shared.rules.lock().unwrap().push(Rule { method, path_contains: path_contains.into(), fault, left });
    }

    /// Lets `chooser` decide from now on what happens to requests that no rule is for.
    pub(crate) fn choose(&self, chooser: impl FnMut(&str, &str) -> Option<Fault> + Send + 'static) {
        *self.shared.chooser.lock().unwrap() = Some(Box::new(chooser));
    }

    /// Takes all faults away.
    pub(crate) fn heal(&self) {
        *self.shared.chooser.lock().unwrap() = None;
        self.shared.rules.lock().unwrap().clear();
        self.shared.released.notify_waiters();
    }

    /// How many requests met a fault.
    pub(crate) fn hits(&self) -> usize {
        self.shared.hits.lock().unwrap().len()
    }

    /// Waits until a request meets a fault.
    pub(crate) async fn hit(&self) {
        self.shared.hit.notified().await;
    }
}

impl Drop for Proxy {
    fn drop(&mut self) {
        self.task.abort();
    }
}

impl Shared {
    /// The fault that a request meets, if a rule has one left for it.
    fn fault(&self, method: &str, path: &str) -> Option<Fault> {
        let mut rules = self.rules.lock().unwrap();
        let meant = |rule: &&mut Rule| rule.left > 0 && rule.method == method && path.contains(&rule.path_contains);
        let Some(rule) = rules.iter_mut().find(meant) else {
            return self.chooser.lock().unwrap().as_mut()?(method, path);
        };
        rule.left -= 1;
        Some(rule.fault.clone())
    }
}

async fn forward(State(shared): State<Arc<Shared>>, request: Request) -> Response {
    let (method, path) = (request.method().to_string(), request.uri().to_string());
    if let Some(fault) = shared.fault(&method, &path) {
        let released = shared.released.notified();
        shared.hits.lock().unwrap().push_back(format!("{method} {path}"));
        shared.hit.notify_one();
        match fault {
            Fault::Status(status) => {
                return Response::builder().status(status).body(Body::from("injected")).unwrap();
            }
            Fault::Cut(after) => {
                let (parts, body) = request.into_parts();
                let _ = send(&shared, &parts, cut(body.into_data_stream(), after)).await;
                // The connection's task ends, and the connection with it, without an answer.
                std::panic::resume_unwind(Box::new("cut"));
            }
            Fault::Hold => released.await,
            Fault::Delay(before, after) => {
                drop(released);
                // The request reaches the registry although its sender may be gone by then.
                let delayed = tokio::spawn(async move {
                    tokio::time::sleep(before).await;
                    let answer = pass(&shared, request).await;
                    tokio::time::sleep(after).await;
                    answer
                });
                return delayed.await.unwrap();
            }
        }
    }
    pass(&shared, request).await
}

/// Sends a request on and its answer back.
async fn pass(shared: &Shared, request: Request) -> Response {
    let (parts, body) = request.into_parts();
    let Ok(answer) = send(shared, &parts, body.into_data_stream()).await else {
        return Response::builder().status(StatusCode::BAD_GATEWAY).body(Body::empty()).unwrap();
    };
    let mut response = Response::builder().status(answer.status());
    response.headers_mut().unwrap().extend(answer.headers().clone());
    response.body(Body::from_stream(answer.bytes_stream())).unwrap()
}

/// Sends a request on. With the proxy's own name as host, the registry's answers lead back through the proxy.
async fn send(
    shared: &Shared,
    parts: &Parts,
    body: impl Stream<Item = Result<Bytes, axum::Error>> + Send + 'static,
) -> reqwest::Result<reqwest::Response> {
    let address = format!("http://{}{}", shared.upstream, parts.uri);
    let request = super::http().request(parts.method.clone(), address).headers(parts.headers.clone());
    request.body(reqwest::Body::wrap_stream(body)).send().await
}

/// A body that breaks off after so many bytes.
fn cut(
    body: impl Stream<Item = Result<Bytes, axum::Error>>,
    mut left: usize,
) -> impl Stream<Item = Result<Bytes, axum::Error>> {
    let cut = move |part: Result<Bytes, axum::Error>| {
        let part = part?;
        let taken = left.min(part.len());
        left -= taken;
        if taken == 0 { Err(axum::Error::new("cut")) } else { Ok(part.slice(..taken)) }
    };
    body.map(cut)
}
