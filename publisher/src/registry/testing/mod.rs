//! A registry for tests: small, but it does what a real one does, on real sockets, and fails as a table says.
//!
//! What arrives is kept in maps ([`Store`]) and checked as the distribution specification 1.1 demands: digests, the
//! order of bytes, parts before manifests, addresses that change with each answer. [`Fault`]s make it fail at chosen
//! requests. A fault that never came to pass, and a request for something that no registry has, fail the test.

mod blobs;
mod client;
mod exchange;
mod fault;
mod manifests;
mod server;
mod store;
mod target;
mod tokens;
mod wire;

pub(crate) use client::{Told, blob_of, client, client_with_tls, registry};
pub(crate) use exchange::Answer;
pub(crate) use fault::{Effect, Fault};
pub(crate) use server::Scripted;
