//! Which request is answered with what.

use std::{
    io,
    time::{SystemTime, UNIX_EPOCH},
};

use axum::http::{Method, StatusCode};
use serde_json::{Value, json};

use super::{
    super::message::{Answer, Request},
    access::Rights,
    stand_in::State,
};

impl State {
    pub(super) fn answer(&self, request: &Request) -> io::Result<Answer> {
        let closed_until = self.moving().closed_until;
        let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default().as_secs();
        if now < closed_until {
            let refusal = message(StatusCode::TOO_MANY_REQUESTS, "Too Many Requests");
            return Ok(refusal.with("x-retry-after", &closed_until.to_string()));
        }
        match (&request.method, request.route().as_slice()) {
            (&Method::POST, ["v2", "auth", "token"]) => {
                Ok(self.log_in(request, "identifier", "secret", "access_token"))
            }
            (&Method::POST, ["v2", "users", "login"]) => Ok(self.log_in(request, "username", "password", "token")),
            (
                method,
                ["v2", "repositories", namespace, name, "tags", rest @ ..]
                | ["v2", "namespaces", namespace, "repositories", name, "tags", rest @ ..],
            ) => {
                let repository = format!("{namespace}/{name}");
                match (method, rest) {
                    (&Method::GET | &Method::HEAD, []) => self.reading(request, || self.list(request, &repository)),
                    (&Method::GET | &Method::HEAD, [tag]) => self.reading(request, || self.show(&repository, tag)),
                    (&Method::DELETE, [tag]) => self.delete(request, &repository, tag),
                    _ => Ok(method_not_allowed()),
                }
            }
            _ => Ok(not_found()),
        }
    }

    fn log_in(&self, request: &Request, name: &str, secret: &str, token: &str) -> Answer {
        let (Some(name), Some(secret)) = (request.field(name), request.field(secret)) else {
            return detail(StatusCode::BAD_REQUEST, "a name and a secret are required");
        };
        match self.settings.accounts.iter().find(|account| account.identifier == name && account.secret == secret) {
            Some(account) => {
                let issued = self.moving().access.issue(account, self.settings.token_lifetime);
                Answer::json(StatusCode::OK, Value::Object([(token.to_owned(), json!(issued))].into_iter().collect()))
            }
            None => detail(StatusCode::UNAUTHORIZED, "Incorrect authentication credentials"),
        }
    }

    /// Anybody may read; but who shows a token must show a good one.
    fn reading(&self, request: &Request, read: impl FnOnce() -> io::Result<Answer>) -> io::Result<Answer> {
        if request.token.is_some() && self.rights(request).is_none() { Ok(unauthorized()) } else { read() }
    }

    /// Deletes a tag and nothing else.
    fn delete(&self, request: &Request, repository: &str, tag: &str) -> io::Result<Answer> {
        match self.rights(request) {
            None => return Ok(unauthorized()),
            Some(Rights { may_delete: false }) => {
                let text = "access is forbidden with a JWT issued from a personal access token";
                return Ok(detail(StatusCode::FORBIDDEN, text));
            }
            Some(Rights { may_delete: true }) => {}
        }
        if self.fails() {
            return Ok(message(StatusCode::INTERNAL_SERVER_ERROR, "internal server error"));
        }
        if !self.contents.tags(repository)?.contains_key(tag) {
            return Ok(not_found());
        }
        if self.settings.immutable.contains(tag) {
            return Ok(message(StatusCode::FORBIDDEN, "the tag is immutable and cannot be deleted"));
        }
        let removed = self.contents.remove_tag(repository, tag)?;
        Ok(if removed { Answer::no_content() } else { not_found() })
    }

    /// Whether this deletion is one of those that shall fail.
    fn fails(&self) -> bool {
        let mut moving = self.moving();
        let left = moving.failures.checked_sub(1);
        moving.failures = left.unwrap_or(0);
        left.is_some()
    }

    fn rights(&self, request: &Request) -> Option<Rights> {
        self.moving().access.rights(request.token.as_deref()?)
    }
}

fn detail(status: StatusCode, text: &str) -> Answer {
    Answer::json(status, json!({ "detail": text }))
}

fn message(status: StatusCode, text: &str) -> Answer {
    Answer::json(status, json!({ "errinfo": {}, "message": text }))
}

fn unauthorized() -> Answer {
    detail(StatusCode::UNAUTHORIZED, "Authentication credentials were not provided or are not valid.")
}

fn method_not_allowed() -> Answer {
    message(StatusCode::METHOD_NOT_ALLOWED, "method not allowed")
}

pub(super) fn not_found() -> Answer {
    message(StatusCode::NOT_FOUND, "not found")
}
