//! The fault proxy: sits before a registry or a management interface, records every exchange, and interferes by rules.
//!
//! What always holds:
//! - Bodies stream in both directions; a proxy holds a few buffers of each, however large a blob is.
//! - A rule counts as fired at the moment at which it does something, and is used up by nothing else.
//! - Every exchange is recorded when it ends, however it ends, and holds no secret.
//! - Where the proxy itself fails, it says so in the recorder's trouble; it never looks like the pipeline's failure.
//!
//! It speaks HTTP/1.1 (RFC 9112), with TLS before it or not. It must not decide anything about a pipeline.

mod answer;
mod arbiter;
mod connection;
mod download;
mod entry;
mod expiry;
mod limit;
mod pace;
mod profile;
mod rule;
mod server;
mod site;
mod stale;
mod table;
mod upload;
mod upstream;
mod wire;

#[cfg(test)]
mod tests;

pub use answer::Answer;
pub use arbiter::{Arbiter, Ruling, Verdict};
pub use limit::Limit;
pub use profile::Profile;
pub use rule::{Action, Rule, Turns};
pub use server::Proxy;
pub use table::{Fired, Injected};
pub use wire::Ending;
