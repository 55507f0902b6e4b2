//! The server: from a request to the part that answers it.

use std::sync::Arc;

use axum::{
    Router,
    body::Body,
    extract::{Request, State},
    http::{HeaderName, HeaderValue, Method, StatusCode, header},
    response::{IntoResponse as _, Response},
};

use super::{
    blobs,
    call::Call,
    guard, listing, manifests,
    refusal::{Code, Refusal},
    route::Route,
    store::Store,
    uploads,
};
use crate::harness::{contents::Contents, error::HarnessError, registry::Server, sweep, token::Auth};

/// Says which protocol this is.
const API_VERSION: (HeaderName, HeaderValue) =
    (HeaderName::from_static("docker-distribution-api-version"), HeaderValue::from_static("registry/2.0"));

/// How an embedded registry behaves. By default as distribution 2.8 does.
#[derive(Debug, Clone, Default)]
pub struct EmbeddedSettings {
    /// Whose tokens it wants, if any.
    pub auth: Option<Auth>,
    /// Whether a tag can be deleted alone, as OCI distribution 1.1 has it.
    pub tag_deletion: bool,
}

/// A running registry.
pub(in crate::harness::registry) struct Embedded {
    server: Server,
    shared: Arc<Shared>,
}

struct Shared {
    settings: EmbeddedSettings,
    store: Arc<Store>,
}

impl Embedded {
    /// Starts an empty registry.
    pub(in crate::harness::registry) async fn start(settings: EmbeddedSettings) -> Result<Self, HarnessError> {
        Self::before(Arc::new(Store::new(sweep::folder()?)), settings).await
    }

    /// Starts another registry before the same store.
    pub(in crate::harness::registry) async fn beside(&self, settings: EmbeddedSettings) -> Result<Self, HarnessError> {
        Self::before(Arc::clone(&self.shared.store), settings).await
    }

    async fn before(store: Arc<Store>, settings: EmbeddedSettings) -> Result<Self, HarnessError> {
        let shared = Arc::new(Shared { settings, store });
        let router = Router::new().fallback(answer).with_state(Arc::clone(&shared));
        Ok(Self { server: Server::start(router).await?, shared })
    }

    /// Where it listens.
    pub(in crate::harness::registry) fn host(&self) -> String {
        self.server.address().to_string()
    }

    /// What it holds.
    pub(in crate::harness::registry) fn contents(&self) -> Arc<dyn Contents> {
        Arc::clone(&self.shared.store) as Arc<dyn Contents>
    }

    /// Everything that it holds.
    pub(in crate::harness::registry) fn store(&self) -> &Store {
        &self.shared.store
    }
}

async fn answer(State(shared): State<Arc<Shared>>, request: Request) -> Response {
    let (head, body) = request.into_parts();
    let mut answer = shared.answer(&Call::from(head), body).await;
    let (name, value) = API_VERSION;
    answer.headers_mut().insert(name, value);
    answer
}

impl Shared {
    async fn answer(&self, call: &Call, body: Body) -> Response {
        if call.uri.path() == "/v2" {
            return (StatusCode::MOVED_PERMANENTLY, [(header::LOCATION, "/v2/")]).into_response();
        }
        let Some(route) = Route::of(call.uri.path()) else {
            return (StatusCode::NOT_FOUND, "404 page not found\n").into_response();
        };
        if let Some(refused) = self.settings.auth.as_ref().and_then(|auth| guard::refused(auth, &route, call)) {
            return refused;
        }
        let methods = route.methods();
        if !methods.split(", ").any(|method| method == call.method.as_str()) {
            let headers = [(header::ALLOW, methods)];
            return (StatusCode::METHOD_NOT_ALLOWED, headers, "Method not allowed\n").into_response();
        }
        self.dispatch(&route, call, body).await.unwrap_or_else(axum::response::IntoResponse::into_response)
    }

    async fn dispatch(&self, route: &Route, call: &Call, body: Body) -> Result<Response, Refusal> {
        let store = &*self.store;
        match route {
            Route::Base => Ok(base()),
            Route::Catalog => Ok(listing::catalog(store, call)),
            Route::Tags { name } => listing::tags(store, call, name),
            Route::Manifest { name, reference } => {
                manifests::answer(store, self.settings.tag_deletion, call, (name, reference), body).await
            }
            Route::Blob { name, digest } => blobs::answer(store, call, name, digest).await,
            Route::Uploads { name } if call.method == Method::POST => uploads::open(store, call, name, body).await,
            Route::Uploads { .. } => Err(Code::BlobUploadUnknown.into()),
            Route::Upload { name, id } => uploads::proceed(store, call, name, id, body).await,
        }
    }
}

fn base() -> Response {
    (StatusCode::OK, [(header::CONTENT_TYPE, "application/json; charset=utf-8")], "{}").into_response()
}
