//! Where looking itself failed. Nothing can be said then about what was to be looked at.

use std::{io, path::PathBuf};

/// The network, the registry's health or this machine was the trouble, not what is published. A registry that answers
/// "not there" or "not for you" is no trouble: its answer is recorded.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum LookError {
    /// The client cannot be made.
    #[error("failed to set up the HTTP client for {host}")]
    Client {
        /// The registry.
        host: String,
        /// What TLS or the client says.
        #[source]
        source: reqwest::Error,
    },
    /// A certificate of a CA that cannot be read.
    #[error("failed to read the CA certificate {}", path.display())]
    Certificate {
        /// Its file.
        path: PathBuf,
        /// Why.
        #[source]
        source: io::Error,
    },
    /// No answer, or half an answer.
    #[error("failed to read {what} from {host}")]
    Unreachable {
        /// The registry or token service.
        host: String,
        /// What was asked for.
        what: String,
        /// What the transport says.
        #[source]
        source: reqwest::Error,
    },
    /// An answer that says "not now": too many requests, or trouble of the server's own.
    #[error("{host} answers {status} when asked for {what}")]
    Unavailable {
        /// The registry or token service.
        host: String,
        /// What was asked for.
        what: String,
        /// The answer's status.
        status: u16,
    },
    /// An answer that has no meaning in the protocol.
    #[error("{host} gives no sensible answer when asked for {what}: {problem}")]
    Senseless {
        /// The registry or token service.
        host: String,
        /// What was asked for.
        what: String,
        /// What is wrong with it.
        problem: String,
    },
    /// A question that a registry does not answer to us, where only "is there" and "is not there" are of use.
    #[error("{host} answers {status} when asked for {what}")]
    Denied {
        /// The registry.
        host: String,
        /// What was asked for.
        what: String,
        /// The answer's status.
        status: u16,
    },
    /// A poller that got no answers for too long: what happened meanwhile, nobody saw.
    #[error("{host} did not answer for {blind_ms} ms while it was watched")]
    Blind {
        /// The registry.
        host: String,
        /// For how long.
        blind_ms: u64,
        /// The last reason.
        #[source]
        source: Box<LookError>,
    },
    /// Layers are unpacked into temporary files, which could not be written or read.
    #[error("failed to keep a layer in a temporary file")]
    Storage(#[from] io::Error),
}
