//! A rule: which requests it meets, how often, and what it does to them.
//!
//! ```text
//! ghcr.add(Rule::on(Kind::UploadBegin).named("two refusals").times(2).answer(503));
//! ```

use std::{
    sync::{
        Arc, OnceLock,
        atomic::{AtomicUsize, Ordering},
    },
    time::Duration,
};

use hyper::StatusCode;

use super::{Answer, Ending, Limit};
use crate::history::{Kind, Operation};

/// What a rule calls when it fires.
pub type Action = Arc<dyn Fn() + Send + Sync>;

/// Answers some requests from what they are about, and lets the others through.
type Decision = Arc<dyn Fn(&Operation) -> Option<Answer> + Send + Sync>;

/// One line of a proxy's table. Without an effect it lets requests through and counts them.
#[derive(Clone)]
pub struct Rule {
    pub(super) name: String,
    kinds: Vec<Kind>,
    repository: Option<String>,
    reference: Reference,
    chunk_over_bytes: Option<u64>,
    pub(super) skip: usize,
    pub(super) times: Option<usize>,
    pub(super) turn: Option<Turn>,
    pub(super) chance: Option<Chance>,
    pub(super) call: Option<Action>,
    pub(super) delay: Option<Duration>,
    pub(super) bytes_per_second: Option<u64>,
    pub(super) effect: Effect,
}

/// Which of several proxies is asked first, for rules that must not decide that themselves.
#[derive(Debug, Default)]
pub struct Turns {
    given: AtomicUsize,
    first: Arc<OnceLock<usize>>,
}

/// A rule's place among those that share [`Turns`].
#[derive(Debug, Clone)]
pub(super) struct Turn {
    number: usize,
    first: Arc<OnceLock<usize>>,
}

impl Turns {
    fn next(&self) -> Turn {
        Turn { number: self.given.fetch_add(1, Ordering::Relaxed), first: Arc::clone(&self.first) }
    }
}

impl Turn {
    /// Whether a request that the rule is about came to another proxy before the first that came to this one.
    pub(super) fn is_later(&self) -> bool {
        *self.first.get_or_init(|| self.number) != self.number
    }
}

/// A probability, and from what it is drawn.
#[derive(Debug, Clone, Copy)]
pub(super) struct Chance {
    pub(super) probability: f64,
    pub(super) seed: u64,
}

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
    Decide(Decision),
    Limit(Limit),
    ExpireToken,
    Break(Ending),
    BreakRequestAfter(u64),
    LoseAnswer(Ending),
    TruncateAnswerAfter(u64),
    CorruptAnswerAt(u64),
    StaleReads(Option<usize>),
    Hold,
    HoldAnswer,
}

/// What rules look at.
#[derive(Debug, Clone, Copy)]
pub(super) struct Facts<'a> {
    pub(super) operation: Option<&'a Operation>,
    /// Whether it names credentials.
    pub(super) authorized: bool,
    /// The length of the chunk that `Content-Range` tells of.
    pub(super) chunk_bytes: Option<u64>,
}

/// Which requests.
impl Rule {
    /// Meets requests of one kind.
    pub fn on(kind: Kind) -> Self {
        Self::on_any(&[kind])
    }

    /// Meets requests of these kinds; of all, known or not, if there are none.
    pub fn on_any(kinds: &[Kind]) -> Self {
        Self {
            name: kinds.iter().map(|kind| format!("{kind:?}")).collect::<Vec<_>>().join(" or "),
            kinds: kinds.to_vec(),
            repository: None,
            reference: Reference::Any,
            chunk_over_bytes: None,
            skip: 0,
            times: None,
            turn: None,
            chance: None,
            call: None,
            delay: None,
            bytes_per_second: None,
            effect: Effect::Forward,
        }
    }

    /// Its name in histories and reports.
    #[must_use]
    pub fn named(self, name: &str) -> Self {
        Self { name: name.to_owned(), ..self }
    }

    /// Only about this repository.
    #[must_use]
    pub fn repository(self, name: &str) -> Self {
        Self { repository: Some(name.to_owned()), ..self }
    }

    /// Only about this tag.
    #[must_use]
    pub fn tag(self, tag: &str) -> Self {
        Self { reference: Reference::This(tag.to_owned()), ..self }
    }

    /// Only about this digest.
    #[must_use]
    pub fn digest(self, digest: &str) -> Self {
        Self { reference: Reference::This(digest.to_owned()), ..self }
    }

    /// Only about tags.
    #[must_use]
    pub fn any_tag(self) -> Self {
        Self { reference: Reference::AnyTag, ..self }
    }

    /// Only about digests.
    #[must_use]
    pub fn any_digest(self) -> Self {
        Self { reference: Reference::AnyDigest, ..self }
    }

    /// Only chunks of more than so many bytes, as `Content-Range` tells.
    #[must_use]
    pub fn chunk_over(self, bytes: u64) -> Self {
        Self { chunk_over_bytes: Some(bytes), ..self }
    }

    /// Not the first so many.
    #[must_use]
    pub fn skip(self, requests: usize) -> Self {
        Self { skip: requests, ..self }
    }

    /// At most so often.
    #[must_use]
    pub fn times(self, times: usize) -> Self {
        Self { times: Some(times), ..self }
    }

    /// Not on the proxy that is asked first of all whose rules take their turns here.
    #[must_use]
    pub fn not_first(self, turns: &Turns) -> Self {
        Self { turn: Some(turns.next()), ..self }
    }

    /// Only with this probability, drawn from a seed, which the caller prints.
    #[must_use]
    pub fn chance(self, probability: f64, seed: u64) -> Self {
        Self { chance: Some(Chance { probability, seed }), ..self }
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

    /// Answers what a function says, and forwards where it says nothing.
    #[must_use]
    pub fn decide(self, decision: impl Fn(&Operation) -> Option<Answer> + Send + Sync + 'static) -> Self {
        self.with(Effect::Decide(Arc::new(decision)))
    }

    /// Answers that there are too many requests.
    #[must_use]
    pub fn limit(self, limit: Limit) -> Self {
        self.with(Effect::Limit(limit))
    }

    /// Calls the token that a request carries expired, from now on. Requests without a token are not met.
    #[must_use]
    pub fn expired_token(self) -> Self {
        self.with(Effect::ExpireToken)
    }

    /// Resets the connection; nothing is forwarded.
    #[must_use]
    pub fn reset(self) -> Self {
        self.with(Effect::Break(Ending::Reset))
    }

    /// Forwards so many bytes of the request's body, and then resets the connection. Shorter bodies are not met.
    #[must_use]
    pub fn cut_request(self, after_bytes: u64) -> Self {
        self.with(Effect::BreakRequestAfter(after_bytes))
    }

    /// Forwards, awaits the answer, and resets the connection in its place.
    #[must_use]
    pub fn lose_answer(self) -> Self {
        self.lose_answer_by(Ending::Reset)
    }

    /// Forwards, awaits the answer, and ends the connection in its place.
    #[must_use]
    pub fn lose_answer_by(self, ending: Ending) -> Self {
        self.with(Effect::LoseAnswer(ending))
    }

    /// Lets so many bytes of the answer's body through, and then closes the connection. Shorter bodies are not met.
    #[must_use]
    pub fn truncate_answer(self, after_bytes: u64) -> Self {
        self.with(Effect::TruncateAnswerAfter(after_bytes))
    }

    /// Flips a bit of the answer's body, in the byte at this place. Shorter bodies are not met.
    #[must_use]
    pub fn corrupt_answer(self, at_byte: u64) -> Self {
        self.with(Effect::CorruptAnswerAt(at_byte))
    }

    /// For manifests that are put by tag: the next so many reads of the tag show what it was before.
    #[must_use]
    pub fn stale_reads(self, reads: usize) -> Self {
        self.with(Effect::StaleReads(Some(reads)))
    }

    /// For manifests that are put by tag: reads of the tag show what it was before, until the rule is released.
    #[must_use]
    pub fn stale_until_released(self) -> Self {
        self.with(Effect::StaleReads(None))
    }

    /// Holds the request until the rule is released, and then forwards it.
    #[must_use]
    pub fn hold(self) -> Self {
        self.with(Effect::Hold)
    }

    /// Forwards, awaits the answer, and holds it until the rule is released.
    #[must_use]
    pub fn hold_answer(self) -> Self {
        self.with(Effect::HoldAnswer)
    }

    /// Waits before anything else. The rule fires when it begins to wait no longer.
    #[must_use]
    pub fn delay(self, delay: Duration) -> Self {
        Self { delay: Some(delay), ..self }
    }

    /// Limits the bandwidth of both bodies.
    #[must_use]
    pub fn bandwidth(self, bytes_per_second: u64) -> Self {
        Self { bytes_per_second: Some(bytes_per_second), ..self }
    }

    /// Calls something at the moment at which the rule fires: before a request is held, reset or forwarded, or when the
    /// answer that is to be lost or held has come.
    #[must_use]
    pub fn call(self, action: Action) -> Self {
        Self { call: Some(action), ..self }
    }

    fn with(self, effect: Effect) -> Self {
        Self { effect, ..self }
    }
}

impl Rule {
    /// Whether a request is one of those that it is about.
    pub(super) fn is_about(&self, facts: &Facts<'_>) -> bool {
        let operation = facts.operation;
        let reference = operation.and_then(|it| it.reference.as_deref());
        (self.kinds.is_empty() || operation.is_some_and(|it| self.kinds.contains(&it.kind)))
            && (self.repository.is_none()
                || operation.and_then(|it| it.repository.as_ref()) == self.repository.as_ref())
            && self.reference.fits(reference)
            && self.chunk_over_bytes.is_none_or(|limit| facts.chunk_bytes.is_some_and(|bytes| bytes > limit))
            && match self.effect {
                Effect::ExpireToken => facts.authorized,
                Effect::StaleReads(_) => operation.is_some_and(|it| it.kind == Kind::ManifestPut && it.tag().is_some()),
                _ => true,
            }
    }

    /// Whether a request or its answer is different for it.
    pub(super) const fn interferes(&self) -> bool {
        !matches!(self.effect, Effect::Forward)
            || self.delay.is_some()
            || self.bytes_per_second.is_some()
            || self.call.is_some()
    }
}

impl Reference {
    fn fits(&self, reference: Option<&str>) -> bool {
        match (self, reference) {
            (Self::Any, _) => true,
            (Self::AnyTag, Some(reference)) => !reference.contains(':'),
            (Self::AnyDigest, Some(reference)) => reference.contains(':'),
            (Self::This(this), Some(reference)) => this == reference,
            (_, None) => false,
        }
    }
}
