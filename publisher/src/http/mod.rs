//! What every HTTP conversation of this program shares: how a refusal is kept, which errors are transient, how long
//! to wait. Used by [`crate::auth`] for token servers and by [`crate::registry`].

mod client;
mod redact;
mod refusal;
mod retry;

pub use client::{
    ANSWER_TIMEOUT, BLOB_BYTES_PER_S_MIN, CONNECT_TIMEOUT, Deadline, IDLE_TIMEOUT, client, read_answer, read_blob,
    read_chunks,
};
pub(crate) use redact::Redactor;
pub use refusal::{Refusal, RequestError};
pub use retry::{ATTEMPTS_MAX, Backoff, ErrorClass, RETRY_AFTER_MAX, RETRY_BASE};
