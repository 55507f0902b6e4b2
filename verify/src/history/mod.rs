//! Everything that was asked of registries and management interfaces, in order, as plain data.
//!
//! The fault proxy and the stand-ins write a history; oracles read it. A history holds no secret: what is recorded is
//! redacted at the moment of recording, and what cannot be recognised as harmless is left out.

mod challenge;
mod classify;
mod exchange;
mod operation;
mod recorder;
pub mod redact;

pub use challenge::Challenge;
pub use classify::{Service, classify};
pub use exchange::Exchange;
pub use operation::{Kind, Operation};
pub use recorder::{Arrival, Recorder};
