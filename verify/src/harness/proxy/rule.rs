//! A rule: which requests it matches, how often, and what it does to them.
//!
//! ```text
//! ghcr.add(Rule::on(Kind::UploadBegin).named("two refusals").times(2).answer(503));
//! ```

use std::{
    sync::{Arc, OnceLock},
    time::SystemTime,
};

use super::{answer::Answer, rate_limit::Limit};
use crate::history::{Kind, Operation};

/// Called when a rule takes effect.
pub type Action = Arc<dyn Fn() + Send + Sync>;

/// Answers some requests, and lets the others pass.
type Decide = Arc<dyn Fn(Option<&Operation>) -> Option<Answer> + Send + Sync>;

/// One line of a proxy's table. Without an effect it lets requests pass and counts them.
#[derive(Clone)]
pub struct Rule {
    pub(super) name: String,
    kinds: Vec<Kind>,
    repository: Option<String>,
    reference: Reference,
    pub(super) times: Option<usize>,
    not_first: Option<FirstProxy>,
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
pub enum Effect {
    /// It is forwarded as if there were no rule.
    Forward,
    /// When its body has been read, it is answered with what the function returns; if that is nothing, it is forwarded.
    Answer(Decide),
    /// Its token counts as expired, from now on. Requests without a token are not matched.
    ExpireToken,
    /// The action is called, and the connection is reset; nothing is forwarded.
    Reset(Action),
    /// At most so many bytes of its body are forwarded, then the connection is reset. Shorter bodies are not matched.
    CutRequest(u64),
    /// It is forwarded, and when the answer has come, the connection is reset.
    LoseAnswer,
    /// For manifests that are put by tag: the next so many reads of the tag show what it pointed at before.
    StaleReads(usize),
    /// It is held until the rule is released, and then forwarded.
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
            times: None,
            not_first: None,
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

    /// Only this tag or digest.
    #[must_use]
    pub fn reference(self, reference: &str) -> Self {
        Self { reference: Reference::This(reference.to_owned()), ..self }
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
    /// Has this effect.
    #[must_use]
    pub fn then(self, effect: Effect) -> Self {
        Self { effect, ..self }
    }

    /// Answers without forwarding: a status, or a whole answer.
    #[must_use]
    pub fn answer(self, answer: impl Into<Answer>) -> Self {
        let answer = answer.into();
        self.decide(move |_| Some(answer.clone()))
    }

    /// Answers what a function returns, and forwards where it returns nothing.
    #[must_use]
    pub fn decide(self, decide: impl Fn(Option<&Operation>) -> Option<Answer> + Send + Sync + 'static) -> Self {
        self.then(Effect::Answer(Arc::new(decide)))
    }

    /// Answers that there are too many requests.
    #[must_use]
    pub fn limit(self, limit: Limit) -> Self {
        self.decide(move |_| Some(limit.answer(SystemTime::now())))
    }

    /// Whether it matches a request.
    pub(super) fn matches(&self, facts: &Facts<'_>) -> bool {
        let operation = facts.operation;
        let reference = operation.and_then(|it| it.reference.as_deref());
        (self.kinds.is_empty() || operation.is_some_and(|it| self.kinds.contains(&it.kind)))
            && (self.repository.is_none()
                || operation.and_then(|it| it.repository.as_ref()) == self.repository.as_ref())
            && self.reference.matches(reference)
            && match self.effect {
                Effect::ExpireToken => facts.authorized,
                Effect::StaleReads(_) => operation.is_some_and(|it| it.kind == Kind::ManifestPut && it.tag().is_some()),
                _ => true,
            }
            && self.not_first.as_ref().is_none_or(|it| it.0.get_or_init(|| facts.server.to_owned()) != facts.server)
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
