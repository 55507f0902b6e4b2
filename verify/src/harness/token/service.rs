//! The token service itself: a small server on the loopback address that runs until it is dropped.

use std::{
    collections::HashMap,
    net::SocketAddr,
    sync::{Arc, Mutex, PoisonError},
    time::{Duration, SystemTime},
};

use axum::{
    Router,
    body::{Body, to_bytes},
    extract::{Request, State},
    http::{Method, StatusCode, header},
    response::{IntoResponse as _, Response},
};
use serde_json::{Value, json};

use super::{
    account::{Account, Right, granted},
    auth::Auth,
    jwt::Signer,
    request::{Nonsense, Proof, TokenRequest},
    scope::Access,
};
use crate::harness::{error::HarnessError, registry::Server};

/// The path at which tokens are to be had.
const PATH: &str = "/token";
/// How long tokens live if nothing else is said: as long as those of Docker Hub.
const LIFETIME: Duration = Duration::from_secs(300);
/// The longest form, in bytes.
const FORM_MAX: usize = 64 * 1024;

/// How a token service behaves.
#[derive(Debug, Clone)]
pub struct TokenSettings {
    /// What the registry is called: `ghcr.io`.
    pub service: String,
    /// Who may log in.
    pub accounts: Vec<Account>,
    /// What is allowed without a login.
    pub anonymous: Vec<Right>,
    /// How long its tokens live.
    pub lifetime: Duration,
}

impl TokenSettings {
    /// The service of a registry, with these accounts and nothing for those without one.
    pub fn new(service: &str, accounts: Vec<Account>) -> Self {
        Self { service: service.to_owned(), accounts, anonymous: Vec::new(), lifetime: LIFETIME }
    }
}

struct Shared {
    settings: TokenSettings,
    signer: Signer,
    /// Tokens that can be changed into others, and whose they are: places in the table of accounts.
    refresh: Mutex<HashMap<String, usize>>,
}

/// A running token service.
pub struct TokenService {
    server: Server,
    shared: Arc<Shared>,
}

impl TokenService {
    /// Starts one.
    ///
    /// # Errors
    /// No port, no randomness.
    pub async fn start(settings: TokenSettings) -> Result<Self, HarnessError> {
        let signer = Signer::new("tallyman verify", &settings.service)?;
        let shared = Arc::new(Shared { settings, signer, refresh: Mutex::default() });
        let router = Router::new().fallback(answer).with_state(Arc::clone(&shared));
        Ok(Self { server: Server::start(router).await?, shared })
    }

    /// Where it listens.
    pub const fn address(&self) -> SocketAddr {
        self.server.address()
    }

    /// Where its tokens are to be had, without a proxy before it.
    pub fn url(&self) -> String {
        format!("http://{}{PATH}", self.address())
    }

    /// What a registry needs to know, given the URL at which its clients reach this service.
    pub fn auth(&self, realm: &str) -> Auth {
        let signer = &self.shared.signer;
        Auth { realm: realm.to_owned(), authority: signer.authority().to_owned(), verifier: signer.verifier() }
    }

    /// A token as it would have been given at some time; none before 1970.
    pub fn token(&self, access: Vec<Access>, issued: SystemTime) -> Option<String> {
        self.shared.signer.sign("", access, issued, self.shared.settings.lifetime)
    }
}

async fn answer(State(shared): State<Arc<Shared>>, request: Request) -> Response {
    let (head, body) = request.into_parts();
    if head.uri.path() != PATH {
        return StatusCode::NOT_FOUND.into_response();
    }
    let asked = match head.method {
        Method::GET => TokenRequest::from_query(&head.uri, &head.headers),
        Method::POST => form(body).await.and_then(|form| TokenRequest::from_form(&form)),
        _ => return StatusCode::METHOD_NOT_ALLOWED.into_response(),
    };
    match asked {
        Ok(asked) => shared.settle(&asked),
        Err(nonsense) => respond(StatusCode::BAD_REQUEST, &json!({"error": nonsense})),
    }
}

async fn form(body: Body) -> Result<String, Nonsense> {
    let bytes = to_bytes(body, FORM_MAX).await.map_err(|_| "invalid_request")?;
    String::from_utf8(bytes.to_vec()).map_err(|_| "invalid_request")
}

impl Shared {
    fn settle(&self, asked: &TokenRequest) -> Response {
        if asked.service != self.settings.service {
            return respond(StatusCode::BAD_REQUEST, &json!({"error": "invalid_request"}));
        }
        let account = match &asked.proof {
            Proof::Anonymous => None,
            Proof::Password(name, password) => match self.account(name, password) {
                Some(account) => Some(account),
                None => return wrong(),
            },
            Proof::Refresh(token) => match self.refresh().get(token) {
                Some(&account) => Some(account),
                None => return wrong(),
            },
        };
        let rights = account.map_or(&self.settings.anonymous, |account| &self.settings.accounts[account].rights);
        let refresh = account.filter(|_| asked.refreshable).map(|account| self.refreshable(account));
        self.grant(granted(rights, &asked.wanted), refresh.as_deref())
    }

    fn account(&self, name: &str, password: &str) -> Option<usize> {
        self.settings.accounts.iter().position(|account| account.is(name, password))
    }

    fn refresh(&self) -> std::sync::MutexGuard<'_, HashMap<String, usize>> {
        self.refresh.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn refreshable(&self, account: usize) -> String {
        let token = format!("refresh-{:032x}", fastrand::u128(..));
        self.refresh().insert(token.clone(), account);
        token
    }

    fn grant(&self, access: Vec<Access>, refresh: Option<&str>) -> Response {
        let now = SystemTime::now();
        let scope: Vec<String> = access.iter().map(Access::to_string).collect();
        let Some(token) = self.signer.sign("", access, now, self.settings.lifetime) else {
            return StatusCode::INTERNAL_SERVER_ERROR.into_response();
        };
        let mut answer = json!({
            "token": token,
            "access_token": token,
            "scope": scope.join(" "),
            "expires_in": self.settings.lifetime.as_secs(),
            "issued_at": humantime::format_rfc3339_seconds(now).to_string(),
        });
        if let Some(refresh) = refresh {
            answer["refresh_token"] = refresh.into();
        }
        respond(StatusCode::OK, &answer)
    }
}

/// As Docker Hub says it.
fn wrong() -> Response {
    respond(StatusCode::UNAUTHORIZED, &json!({"details": "incorrect username or password"}))
}

fn respond(status: StatusCode, body: &Value) -> Response {
    (status, [(header::CONTENT_TYPE, "application/json")], body.to_string()).into_response()
}
