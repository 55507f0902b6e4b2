//! A small HTTP server on the loopback address that runs until it is dropped.

use std::{
    io,
    net::{Ipv4Addr, SocketAddr},
    sync::{Arc, Mutex, PoisonError},
};

use axum::{
    Router,
    body::{Body, to_bytes},
    extract::{Request as Incoming, State},
    http::{HeaderValue, Response, StatusCode, header},
};
use serde_json::json;
use tokio::{net::TcpListener, sync::oneshot, task};

use super::message::{Answer, Request};

/// The longest body of a request, in bytes: logins are short.
const BODY_MAX: usize = 64 * 1024;

type Respond = dyn Fn(&Request) -> io::Result<Answer> + Send + Sync;

/// What all connections share.
struct Shared {
    respond: Box<Respond>,
    trouble: Mutex<Vec<String>>,
}

/// A running server.
pub(super) struct Server {
    address: SocketAddr,
    shared: Arc<Shared>,
    /// The server stops when this is dropped.
    _running: oneshot::Sender<()>,
}

impl Server {
    /// Answers every request with what `respond` says. It reads storage, so it runs where that may take time.
    pub(super) async fn start(
        respond: impl Fn(&Request) -> io::Result<Answer> + Send + Sync + 'static,
    ) -> io::Result<Self> {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await?;
        let address = listener.local_addr()?;
        let shared = Arc::new(Shared { respond: Box::new(respond), trouble: Mutex::default() });
        let router = Router::new().fallback(answer).with_state(Arc::clone(&shared));
        let (running, stopped) = oneshot::channel::<()>();
        let serving = axum::serve(listener, router).with_graceful_shutdown(async {
            // Nobody ever sends: the other end is dropped.
            let _ = stopped.await;
        });
        task::spawn(serving.into_future());
        Ok(Self { address, shared, _running: running })
    }

    pub(super) const fn address(&self) -> SocketAddr {
        self.address
    }

    /// Where the stand-in itself failed, which is nobody else's fault.
    pub(super) fn trouble(&self) -> Vec<String> {
        self.shared.trouble.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }
}

async fn answer(State(shared): State<Arc<Shared>>, incoming: Incoming) -> Response<Body> {
    let (head, body) = incoming.into_parts();
    let Ok(body) = to_bytes(body, BODY_MAX).await else {
        return respond(Answer::json(StatusCode::PAYLOAD_TOO_LARGE, json!({"message": "too large"})));
    };
    let request = Request::new(head.method, &head.uri, &head.headers, &body);
    let called = format!("{} {}", request.method, request.path);
    let answering = Arc::clone(&shared);
    let settled = task::spawn_blocking(move || (answering.respond)(&request)).await;
    let settled = settled.map_err(io::Error::other).and_then(|answer| answer);
    respond(settled.unwrap_or_else(|error| {
        shared.trouble.lock().unwrap_or_else(PoisonError::into_inner).push(format!("{called}: {error}"));
        Answer::json(StatusCode::INTERNAL_SERVER_ERROR, json!({"message": "the stand-in failed"}))
    }))
}

fn respond(answer: Answer) -> Response<Body> {
    let mut response = Response::new(Body::empty());
    *response.status_mut() = answer.status;
    *response.headers_mut() = answer.headers;
    if let Some(body) = answer.body {
        response.headers_mut().insert(header::CONTENT_TYPE, HeaderValue::from_static("application/json"));
        *response.body_mut() = Body::from(body.to_string());
    }
    response
}
