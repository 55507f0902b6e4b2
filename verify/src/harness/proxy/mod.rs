//! The fault proxy: stands before a registry or a management interface, records every exchange, and injects faults by rules.
//!
//! What always holds:
//! - Bodies stream in both directions; a proxy holds a few buffers of each, however large a blob is.
//! - A rule counts as fired at the moment at which it takes effect, and is used up by nothing else.
//! - Every exchange is recorded when it ends, however it ends, and holds no secret.
//! - Where the proxy itself fails, it says so in the recorder's trouble; it never looks like the pipeline's failure.
//!
//! It speaks HTTP/1.1 (RFC 9112), with or without TLS. It must not decide anything about a pipeline.

mod answer;
mod connection;
mod exchange;
mod expired_tokens;
mod interceptor;
mod rate_limit;
mod request_body;
mod response_body;
mod rule;
mod server;
mod stale_tags;
mod state;
mod table;
mod upstream;

#[cfg(test)]
mod tests;

pub use answer::Answer;
pub use interceptor::{Decision, Ending, Intercepted, Interceptor};
pub use rate_limit::Limit;
pub use rule::{Action, Effect, FirstProxy, Rule};
pub use server::Proxy;
pub use table::{Fired, Injected};
