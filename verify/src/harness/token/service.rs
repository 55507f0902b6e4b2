//! The token service: a server on the loopback address that runs until it is dropped.
//!
//! Clients ask with GET and Basic authentication, or with POST of a form (OAuth 2).

use std::{
    net::SocketAddr,
    sync::Arc,
    time::{Duration, SystemTime},
};

use axum::{
    Router,
    extract::State,
    http::{HeaderMap, StatusCode, Uri, header},
    response::{IntoResponse as _, Response},
    routing::get,
};
use base64::{Engine as _, engine::general_purpose::STANDARD};
use serde_json::{Value, json};

use super::{
    Auth,
    access::{Access, Account},
    jwt::Signer,
};
use crate::harness::{error::HarnessError, server::Server};

/// The path of the token endpoint.
const PATH: &str = "/token";
/// How long tokens live: as long as those of Docker Hub.
const LIFETIME: Duration = Duration::from_secs(300);
/// Who issues the tokens.
const ISSUER: &str = "tallyman verify";

/// A running token service.
pub struct TokenService {
    server: Server,
    shared: Arc<Shared>,
}

struct Shared {
    /// The registry's name: `ghcr.io`.
    service: String,
    accounts: Vec<Account>,
    /// What is allowed without a login.
    anonymous: Vec<Access>,
    signer: Signer,
}

impl TokenService {
    /// Starts the token service of a registry.
    ///
    /// # Errors
    /// No port, no randomness.
    pub async fn start(service: &str, accounts: Vec<Account>, anonymous: &[Access]) -> Result<Self, HarnessError> {
        let shared = Arc::new(Shared {
            service: service.to_owned(),
            accounts,
            anonymous: anonymous.to_vec(),
            signer: Signer::new()?,
        });
        let router = Router::new().route(PATH, get(with_query).post(with_form)).with_state(Arc::clone(&shared));
        Ok(Self { server: Server::start(router).await?, shared })
    }

    /// Where it listens.
    pub const fn address(&self) -> SocketAddr {
        self.server.address()
    }

    /// What a registry needs to know, given the URL at which its clients reach this service.
    pub fn auth(&self, realm: &str) -> Auth {
        Auth {
            realm: realm.to_owned(),
            service: self.shared.service.clone(),
            issuer: ISSUER.to_owned(),
            authority: self.shared.signer.authority.clone(),
        }
    }

    /// A token as it would have been issued at some time; none before 1970.
    #[cfg(test)]
    pub(crate) fn token(&self, access: &[Access], issued: SystemTime) -> Option<String> {
        self.shared.sign(access, issued)
    }
}

/// The fields of a query or form.
struct Fields(Vec<(String, String)>);

impl Fields {
    fn parse(text: &str) -> Self {
        Self(url::form_urlencoded::parse(text.as_bytes()).into_owned().collect())
    }

    fn all(&self, name: &str) -> impl Iterator<Item = &str> {
        self.0.iter().filter(move |(known, _)| known == name).map(|(_, value)| value.as_str())
    }

    fn first(&self, name: &str) -> &str {
        self.all(name).next().unwrap_or_default()
    }
}

/// `GET /token?service=…&scope=…&scope=…`
async fn with_query(State(shared): State<Arc<Shared>>, uri: Uri, headers: HeaderMap) -> Response {
    let fields = Fields::parse(uri.query().unwrap_or_default());
    let rights = match headers.get(header::AUTHORIZATION) {
        None => Some(shared.anonymous.clone()),
        Some(value) => match basic(value.as_bytes()) {
            Some((name, password)) => shared.log_in(&name, &password),
            None => return bad_request("invalid_request"),
        },
    };
    shared.answer(&fields, rights)
}

/// `POST /token`, `grant_type=password&username=…&password=…&service=…&scope=…`
async fn with_form(State(shared): State<Arc<Shared>>, body: String) -> Response {
    let fields = Fields::parse(&body);
    if fields.first("grant_type") != "password" {
        return bad_request("unsupported_grant_type");
    }
    shared.answer(&fields, shared.log_in(fields.first("username"), fields.first("password")))
}

fn basic(value: &[u8]) -> Option<(String, String)> {
    let (scheme, rest) = std::str::from_utf8(value).ok()?.split_once(' ')?;
    let decoded = String::from_utf8(STANDARD.decode(rest.trim()).ok()?).ok()?;
    let (name, password) = decoded.split_once(':')?;
    scheme.eq_ignore_ascii_case("basic").then(|| (name.to_owned(), password.to_owned()))
}

impl Shared {
    fn log_in(&self, name: &str, password: &str) -> Option<Vec<Access>> {
        self.accounts.iter().find(|account| account.accepts(name, password)).map(|account| account.rights.clone())
    }

    fn sign(&self, access: &[Access], now: SystemTime) -> Option<String> {
        self.signer.sign(ISSUER, &self.service, access, now, LIFETIME)
    }

    /// Answers with a token for what is wanted and allowed, or refuses a login that failed.
    fn answer(&self, fields: &Fields, rights: Option<Vec<Access>>) -> Response {
        if fields.first("service") != self.service {
            return bad_request("invalid_request");
        }
        let Some(rights) = rights else {
            // As Docker Hub says it.
            return respond(StatusCode::UNAUTHORIZED, &json!({"details": "incorrect username or password"}));
        };
        // Scopes are repeated, or stand in one field with spaces between them.
        let wanted = fields.all("scope").flat_map(str::split_whitespace).filter_map(Access::parse);
        let granted: Vec<Access> = wanted.filter_map(|wanted| Access::granted(&rights, &wanted)).collect();
        let now = SystemTime::now();
        let Some(token) = self.sign(&granted, now) else { return StatusCode::INTERNAL_SERVER_ERROR.into_response() };
        let scope: Vec<String> = granted.iter().map(Access::to_string).collect();
        let answer = json!({
            "token": token,
            "access_token": token,
            "scope": scope.join(" "),
            "expires_in": LIFETIME.as_secs(),
            "issued_at": humantime::format_rfc3339_seconds(now).to_string(),
        });
        respond(StatusCode::OK, &answer)
    }
}

/// A request that makes no sense (RFC 6749, 5.2).
fn bad_request(error: &str) -> Response {
    respond(StatusCode::BAD_REQUEST, &json!({"error": error}))
}

fn respond(status: StatusCode, body: &Value) -> Response {
    (status, [(header::CONTENT_TYPE, "application/json")], body.to_string()).into_response()
}
