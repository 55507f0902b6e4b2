//! A token service like those of Docker Hub and GHCR (distribution's token authentication specification).
//!
//! It grants what an account may do of what was asked for; to grant less than that is no error. Its tokens are JSON web
//! tokens that the reference registry trusts through its `rootcertbundle`.

mod account;
mod auth;
mod jwt;
mod request;
mod scope;
mod service;
#[cfg(test)]
mod tests;

pub use account::{Account, Right};
pub use auth::{Auth, Refusal};
pub use scope::Access;
pub use service::{TokenService, TokenSettings};
