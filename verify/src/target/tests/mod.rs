//! Looking at what is published on registries that want TLS and tokens: the same verdicts as on this machine, and the right
//! ones for each way to tamper with it.

mod looking;
pub(crate) mod published;
mod tampered;
