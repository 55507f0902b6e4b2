//! A hook that is asked about every request before any rule. Rules act on single requests; an interceptor can order the requests
//! of several runs.

use futures::future::BoxFuture;

use super::{answer::Answer, rule::Action};
use crate::history::Operation;

/// Decides about requests. It is asked when a request has arrived, and may take its time.
pub trait Interceptor: Send + Sync + 'static {
    /// Decides about a request; `operation` is what it is for, if that is known.
    fn intercept(&self, operation: Option<&Operation>) -> BoxFuture<'static, Intercepted>;
}

/// The decision about a request.
pub struct Intercepted {
    /// The decision.
    pub decision: Decision,
    /// Dropped when the exchange has ended, however it ends.
    pub until_ended: Box<dyn Send + Sync>,
}

/// What becomes of a request.
#[derive(Clone)]
pub enum Decision {
    /// It goes on to the rules, and upstream.
    Pass,
    /// The proxy answers it.
    Answer(Answer),
    /// The connection ends; nothing is forwarded.
    End(Ending),
    /// It goes on. When the answer has come, the action is called, and the connection ends in place of the answer.
    LoseAnswer(Action, Ending),
}

/// How a connection ends.
#[derive(Debug, Default, Clone, Copy, PartialEq, Eq)]
pub enum Ending {
    /// It is closed: the client reads the end of the stream (FIN), without a TLS `close_notify`.
    #[default]
    Close,
    /// It is reset: the client gets an error (RST).
    Reset,
}
