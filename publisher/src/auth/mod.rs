//! Who we are to a registry: the credential that is found on this machine, and the authorization each request carries.
//!
//! [`find()`] looks where podman and docker look, so that a `podman login` is enough. An [`Authorizer`] answers a
//! registry's challenges (RFC 9110 section 11.6, distribution specification "token authentication") and keeps tokens
//! fresh. Nothing in here tries anything twice: [`AuthError::request`] lets the one layer that does judge a failure.
//!
//! What always holds: no secret is in an error, in `Debug`, in an argument list, or on a line without TLS that was not
//! asked for.

mod authorizer;
mod challenge;
mod credential;
mod error;
mod file;
mod find;
mod helper;
mod lend;
mod scope;
mod token;

pub use authorizer::Authorizer;
pub use challenge::ChallengeError;
pub use credential::{Credential, Found, Secret};
pub use error::AuthError;
pub use find::find;
pub use helper::{HELPER_TIMEOUT, HelperError};
pub use lend::{Lent, lend};
pub use scope::Scope;
