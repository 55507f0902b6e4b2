//! What a row of the table is.

use futures::future::BoxFuture;

use super::client::It;

/// One thing that a registry does.
pub(super) struct Behaviour {
    /// What is claimed.
    pub(super) claim: &'static str,
    /// What is seen of the real registry.
    pub(super) expected: &'static str,
    /// Does it, in a repository of its own, and says what is seen.
    pub(super) run: fn(It) -> BoxFuture<'static, String>,
}

/// A table: claim, what is seen, how.
macro_rules! behaviours {
    ($($claim:literal, $expected:literal, |$it:ident| $run:expr;)+) => {
        pub(super) const BEHAVIOURS: &[$crate::harness::registry::protocol::behaviour::Behaviour] = &[$(
            $crate::harness::registry::protocol::behaviour::Behaviour {
                claim: $claim,
                expected: $expected,
                run: |$it| Box::pin(async move { $run }),
            },
        )+];
    };
}

pub(super) use behaviours;
