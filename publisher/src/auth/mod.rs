//! Credentials and tokens: the credential that this machine has for a registry, and the authorization of each request.
//!
//! [`find()`] looks where podman and docker look, so that a `podman login` is enough. An [`Authorizer`] answers a
//! registry's challenges (RFC 9110 section 11.6, distribution specification "token authentication") and keeps tokens
//! fresh. Nothing in here retries: [`AuthError::request`] lets the one layer that does judge a failure.
//!
//! Auth files are read here and not by the crate `docker_credential`, which knows neither the order of containers/image
//! nor keys for namespaces, and cannot write the file that podman gets.
//!
//! No secret is in an error, in `Debug`, in an argument list, or sent without TLS unless that was asked for.

mod authorizer;
mod credential;
mod error;
mod file;
mod find;
mod helper;
mod token;

pub use authorizer::Authorizer;
pub use credential::{Credential, Secret};
pub use error::AuthError;
pub use file::write_auth_file;
pub use find::{FoundCredential, find};
pub use token::Scope;
