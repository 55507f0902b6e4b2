//! What every HTTP conversation of this program shares: how a refusal is kept, which errors are transient, how long
//! to wait. Used by [`crate::auth`] for token servers and by [`crate::registry`].

mod client;
mod refusal;
mod retry;

pub use client::{ANSWER_TIMEOUT, Deadline, IDLE_TIMEOUT, client, read_answer, read_chunks};
pub use refusal::{Refusal, RequestError};
pub use retry::{ATTEMPTS_MAX, RETRY_AFTER_MAX, RETRY_BASE, backoff, retry_after};
