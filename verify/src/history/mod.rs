//! Everything that was asked of registries and management interfaces, in order, as plain data.
//!
//! The fault proxy and the stand-ins write a history; oracles read it. A history holds no secret: what is recorded is
//! redacted at the moment of recording, and what cannot be recognised as harmless is left out.

mod exchange;
mod operation;

pub use exchange::{Exchange, Recorder};
pub use operation::{Kind, Operation};
