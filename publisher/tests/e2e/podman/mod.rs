//! The real podman: real builds for two architectures, pulled and run as users do.

mod cache;
mod cancel;
mod image;
mod store;
