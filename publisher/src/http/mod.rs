//! What every HTTP conversation of this program shares: how a refusal is kept, what is worth another attempt, how long
//! to wait. Used by [`crate::auth`] for token servers and by [`crate::registry`].

mod client;
mod refusal;
mod retry;

pub use client::{CONNECT_TIMEOUT, IDLE_TIMEOUT, client, next_chunk};
pub use refusal::{Refusal, RequestError};
pub use retry::{ATTEMPTS_MAX, Backoff, RETRY_AFTER_MAX, RETRY_BASE, Verdict};
