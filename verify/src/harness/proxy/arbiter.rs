//! Somebody who is asked about every request before any rule: whether and when it goes on. Rules say what single requests
//! meet; who orders the requests of several runs among each other has to see them all.

use futures::future::BoxFuture;

use super::{Action, Answer, Ending};
use crate::history::Operation;

/// Decides about requests. It is asked when a request's head has arrived, and may take its time.
pub trait Arbiter: Send + Sync + 'static {
    /// What becomes of a request; `operation` is what it is for, if anybody knows.
    fn rule(&self, operation: Option<&Operation>) -> BoxFuture<'static, Ruling>;
}

/// What becomes of a request.
pub struct Ruling {
    /// The decision.
    pub verdict: Verdict,
    /// Dropped when the exchange has ended, however it ends.
    pub until_ended: Box<dyn Send + Sync>,
}

/// The decision about a request.
#[derive(Clone)]
pub enum Verdict {
    /// It goes on to the rules, and to the server behind.
    Pass,
    /// It is answered here.
    Answer(Answer),
    /// The connection ends; nothing is forwarded.
    End(Ending),
    /// It goes on. When the answer has come, something is called, and the connection ends in place of the answer.
    Lose(Action, Ending),
}
