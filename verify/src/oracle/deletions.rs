//! What was deleted, and whether that came before or after the tag moved.

use super::{Violation, staging::succeeded};
use crate::history::{Exchange, Kind};

/// What comes first.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Order {
    /// The tag moves on all registries, then what was superseded is removed.
    MoveFirst,
    /// What was there is removed, then the tag is written.
    DeleteFirst,
}

/// The deletions that something came of, by their places in the history.
pub fn deletions(history: &[Exchange]) -> Vec<usize> {
    let deleted = |exchange: &Exchange| {
        exchange.operation.as_ref().is_some_and(|asked| asked.kind.deletes()) && succeeded(exchange)
    };
    (0..history.len()).filter(|index| deleted(&history[*index])).collect()
}

/// Judges the history of one run that writes a tag on the `servers`: each deletion keeps to the order.
pub fn order(history: &[Exchange], repository: &str, tag: &str, servers: &[&str], order: Order) -> Vec<Violation> {
    let mut violations = Vec::new();
    for server in servers {
        let is_move = |exchange: &Exchange| {
            let asked = exchange.operation.as_ref().filter(|asked| asked.kind == Kind::ManifestPut);
            asked.is_some_and(|asked| asked.tag() == Some(tag) && asked.repository.as_deref() == Some(repository))
                && exchange.server == *server
                && succeeded(exchange)
        };
        let moved = history.iter().position(is_move);
        for deletion in deletions(history) {
            let (keeps, expected) = match order {
                Order::MoveFirst => (
                    moved
                        .is_some_and(|moved| history[moved].ended_ms <= history[deletion].began_ms && moved < deletion),
                    format!("nothing is deleted before {server}:{tag} has moved"),
                ),
                Order::DeleteFirst => (
                    moved.is_none_or(|moved| history[deletion].ended_ms <= history[moved].began_ms && deletion < moved),
                    format!("nothing is deleted after {server}:{tag} was written"),
                ),
            };
            if !keeps {
                let seen =
                    format!("{} {} on {}", history[deletion].method, history[deletion].path, history[deletion].server);
                violations.push(Violation::new(expected, seen).shown_by([deletion].into_iter().chain(moved)));
            }
        }
    }
    violations
}

#[cfg(test)]
mod tests;
