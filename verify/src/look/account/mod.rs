//! Who we are to a registry: nobody, unless the environment or what `podman login` and `docker login` left says otherwise.
//!
//! This is a reader of its own: that of a publisher could be wrong in the same way as the publisher.

mod environment;
mod file;
mod find;
mod helper;
#[cfg(test)]
mod tests;

pub use environment::Environment;
pub use find::account;
