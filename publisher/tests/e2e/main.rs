//! End-to-end tests: the program `publisher` as a process, against the real registry.
//!
//! `cli` uses a podman that hands out prepared images at once, because what is shown there is the publishing; `podman`
//! uses the real one. What is missing on the machine fails a test, it never skips it.

#![expect(clippy::unwrap_used, clippy::expect_used, reason = "a test fails by panicking")]

mod cli;
mod podman;
mod support;
