//! Logging in: a name and a personal access token become an access token that is good for a while.

use std::{
    collections::HashMap,
    time::{Duration, Instant},
};

/// Somebody who may log in.
#[derive(Clone)]
pub struct HubAccount {
    /// The name of the user or organization.
    pub identifier: String,
    /// A personal access token of that account.
    pub secret: String,
    /// Whether that token has the right to delete.
    pub may_delete: bool,
}

/// What an access token allows.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Rights {
    pub(super) may_delete: bool,
}

/// The access tokens that were issued.
#[derive(Default)]
pub(super) struct Access {
    issued: HashMap<String, (Rights, Instant)>,
}

impl Access {
    /// A new access token for an account.
    pub(super) fn issue(&mut self, account: &HubAccount, lifetime: Duration) -> String {
        let token = format!("hub-{:016x}{:016x}", fastrand::u64(..), fastrand::u64(..));
        let rights = Rights { may_delete: account.may_delete };
        self.issued.insert(token.clone(), (rights, Instant::now() + lifetime));
        token
    }

    /// What a token allows; nothing if it was never issued or is too old.
    pub(super) fn rights(&self, token: &str) -> Option<Rights> {
        self.issued.get(token).filter(|(_, until)| Instant::now() < *until).map(|(rights, _)| *rights)
    }
}
