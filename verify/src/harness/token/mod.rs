//! A token service like those of Docker Hub and GHCR (distribution's token authentication specification).
//!
//! It grants what an account may do of what was asked for; granting less is no error. Its tokens are JSON web tokens, which
//! distribution trusts through its `rootcertbundle`.

mod access;
mod jwt;
mod service;
#[cfg(test)]
mod tests;

pub use access::{Access, Account};
pub use service::TokenService;

/// What a registry needs to know about its token service.
#[derive(Debug, Clone)]
pub struct Auth {
    /// Where clients are sent for a token: the token service, or a proxy before it.
    pub realm: String,
    /// The registry's name at the token service.
    pub service: String,
    /// Who issues the tokens.
    pub issuer: String,
    /// The certificate of the authority behind the tokens' signer, PEM.
    pub authority: String,
}
