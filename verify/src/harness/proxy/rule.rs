//! A rule: which requests it matches, how often, and what it does to them.
//!
//! ```text
//! ghcr.add(Rule::on(Kind::UploadBegin).named("two refusals").times(2).answer(503));
//! ```

use std::sync::{Arc, OnceLock};

use hyper::StatusCode;

use super::{answer::Answer, rate_limit::Limit};
use crate::history::{Kind, Operation};

/// Called when a rule fires.
pub type Action = Arc<dyn Fn() + Send + Sync>;

/// Answers some requests, and lets the others pass.
type Decide = Arc<dyn Fn(&Operation) -> Option<Answer> + Send + Sync>;

/// One line of a proxy's table. Without an effect it lets requests pass and counts them.
#[derive(Clone)]
pub struct Rule {
    pub(super) name: String,
    kinds: Vec<Kind>,
    repository: Option<String>,
    reference: Reference,
    chunk_over_bytes: Option<u64>,
    pub(super) times: Option<usize>,
    not_first: Option<FirstProxy>,
    pub(super) call: Option<Action>,
    pub(super) effect: Effect,
}

/// The name of the proxy that was asked first, of those whose rules share this. Clones share it.
#[derive(Debug, Clone, Default)]
pub struct FirstProxy(Arc<OnceLock<String>>);

#[derive(Debug, Clone, PartialEq, Eq)]
enum Reference {
    Any,
    AnyTag,
    AnyDigest,
    This(String),
}

/// What becomes of a request.
#[derive(Clone)]
pub(super) enum Effect {
    Forward,
    Answer(Answer),
    Decide(Decide),
    Limit(Limit),
    ExpireToken,
    Reset,
    CutRequest(u64),
    LoseAnswer,
    StaleReads(usize),
    Hold,
}

/// What rules look at in a request.
#[derive(Debug, Clone, Copy)]
pub(super) struct Facts<'a> {
    /// The proxy's name.
    pub(super) server: &'a str,
    pub(super) operation: Option<&'a Operation>,
    /// Whether it has an `Authorization` header.
    pub(super) authorized: bool,
    /// The length of the chunk according to `Content-Range`.
    pub(super) chunk_bytes: Option<u64>,
}

/// Which requests.
impl Rule {
    /// Matches requests of one kind.
    pub fn on(kind: Kind) -> Self {
        Self::on_any(&[kind])
    }

    /// Matches requests of these kinds; all requests, known or not, if there are none.
    pub fn on_any(kinds: &[Kind]) -> Self {
        Self {
            name: kinds.iter().map(|kind| format!("{kind:?}")).collect::<Vec<_>>().join(" or "),
            kinds: kinds.to_vec(),
            repository: None,
            reference: Reference::Any,
            chunk_over_bytes: None,
            times: None,
            not_first: None,
            call: None,
            effect: Effect::Forward,
        }
    }

    /// Its name in histories and reports.
    #[must_use]
    pub fn named(self, name: &str) -> Self {
        Self { name: name.to_owned(), ..self }
    }

    /// Only this repository.
    #[must_use]
    pub fn repository(self, name: &str) -> Self {
        Self { repository: Some(name.to_owned()), ..self }
    }

    /// Only this tag.
    #[must_use]
    pub fn tag(self, tag: &str) -> Self {
        Self { reference: Reference::This(tag.to_owned()), ..self }
    }

    /// Only this digest.
    #[must_use]
    pub fn digest(self, digest: &str) -> Self {
        self.tag(digest)
    }

    /// Only tags.
    #[must_use]
    pub fn any_tag(self) -> Self {
        Self { reference: Reference::AnyTag, ..self }
    }

    /// Only digests.
    #[must_use]
    pub fn any_digest(self) -> Self {
        Self { reference: Reference::AnyDigest, ..self }
    }

    /// Only chunks of more than so many bytes, according to `Content-Range`.
    #[must_use]
    pub fn chunk_over(self, bytes: u64) -> Self {
        Self { chunk_over_bytes: Some(bytes), ..self }
    }

    /// At most so often.
    #[must_use]
    pub fn times(self, times: usize) -> Self {
        Self { times: Some(times), ..self }
    }

    /// Not on the proxy that gets a matching request first.
    #[must_use]
    pub fn not_first(self, first: &FirstProxy) -> Self {
        Self { not_first: Some(first.clone()), ..self }
    }
}

/// What becomes of them.
impl Rule {
    /// Answers, without forwarding, when the request's body has been read: a status, or a whole answer.
    #[must_use]
    pub fn answer(self, answer: impl Into<Answer>) -> Self {
        self.with(Effect::Answer(answer.into()))
    }

    /// Answers with a status and a body in JSON, without forwarding.
    #[must_use]
    pub fn answer_with(self, status: u16, body: &str) -> Self {
        let status = StatusCode::from_u16(status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
        self.answer(Answer::json(status, body.to_owned()))
    }

    /// Answers what a function returns, and forwards where it returns nothing.
    #[must_use]
    pub fn decide(self, decide: impl Fn(&Operation) -> Option<Answer> + Send + Sync + 'static) -> Self {
        self.with(Effect::Decide(Arc::new(decide)))
    }

    /// Answers that there are too many requests.
    #[must_use]
    pub fn limit(self, limit: Limit) -> Self {
        self.with(Effect::Limit(limit))
    }

    /// Treats the request's token as expired, from now on. Requests without a token are not matched.
    #[must_use]
    pub fn expired_token(self) -> Self {
        self.with(Effect::ExpireToken)
    }

    /// Resets the connection; nothing is forwarded.
    #[must_use]
    pub fn reset(self) -> Self {
        self.with(Effect::Reset)
    }

    /// Forwards at most so many bytes of the request's body, and then resets the connection. Shorter bodies are not matched.
    #[must_use]
    pub fn cut_request(self, after_bytes: u64) -> Self {
        self.with(Effect::CutRequest(after_bytes))
    }

    /// Forwards, awaits the answer, and resets the connection in its place.
    #[must_use]
    pub fn lose_answer(self) -> Self {
        self.with(Effect::LoseAnswer)
    }

    /// For manifests that are put by tag: the next so many reads of the tag show what it was before.
    #[must_use]
    pub fn stale_reads(self, reads: usize) -> Self {
        self.with(Effect::StaleReads(reads))
    }

    /// Holds the request until the rule is released, and then forwards it.
    #[must_use]
    pub fn hold(self) -> Self {
        self.with(Effect::Hold)
    }

    /// Calls an action when the rule fires: before a request is held, reset or forwarded, or when the answer that is to be
    /// lost has come.
    #[must_use]
    pub fn call(self, action: Action) -> Self {
        Self { call: Some(action), ..self }
    }

    fn with(self, effect: Effect) -> Self {
        Self { effect, ..self }
    }
}

impl Rule {
    /// Whether it matches a request.
    pub(super) fn matches(&self, facts: &Facts<'_>) -> bool {
        let operation = facts.operation;
        let reference = operation.and_then(|it| it.reference.as_deref());
        (self.kinds.is_empty() || operation.is_some_and(|it| self.kinds.contains(&it.kind)))
            && (self.repository.is_none()
                || operation.and_then(|it| it.repository.as_ref()) == self.repository.as_ref())
            && self.reference.matches(reference)
            && self.chunk_over_bytes.is_none_or(|limit| facts.chunk_bytes.is_some_and(|bytes| bytes > limit))
            && match self.effect {
                Effect::ExpireToken => facts.authorized,
                Effect::StaleReads(_) => operation.is_some_and(|it| it.kind == Kind::ManifestPut && it.tag().is_some()),
                _ => true,
            }
            && self.not_first.as_ref().is_none_or(|it| it.0.get_or_init(|| facts.server.to_owned()) != facts.server)
    }

    /// Whether the request or its answer differs because of it.
    pub(super) const fn interferes(&self) -> bool {
        !matches!(self.effect, Effect::Forward) || self.call.is_some()
    }
}

impl Reference {
    fn matches(&self, reference: Option<&str>) -> bool {
        match (self, reference) {
            (Self::Any, _) => true,
            (Self::AnyTag, Some(reference)) => !reference.contains(':'),
            (Self::AnyDigest, Some(reference)) => reference.contains(':'),
            (Self::This(this), Some(reference)) => this == reference,
            (_, None) => false,
        }
    }
}
