//! Nothing is deleted before the tag has moved.

use super::{Violation, staging::succeeded};
use crate::history::{Exchange, Kind};

/// Judges the history of one run that writes a tag on the `servers`: what was superseded goes only after the tag has moved on
/// all of them.
pub fn deleted_early(history: &[Exchange], repository: &str, tag: &str, servers: &[&str]) -> Vec<Violation> {
    let mut violations = Vec::new();
    let deletes = |exchange: &Exchange| {
        exchange.operation.as_ref().is_some_and(|asked| asked.kind.deletes()) && succeeded(exchange)
    };
    for server in servers {
        let is_move = |exchange: &Exchange| {
            let put = exchange.operation.as_ref().filter(|asked| asked.kind == Kind::ManifestPut);
            put.is_some_and(|put| put.tag() == Some(tag) && put.repository.as_deref() == Some(repository))
                && exchange.server == *server
                && succeeded(exchange)
        };
        let moved = history.iter().position(is_move);
        for (index, deletion) in history.iter().enumerate().filter(|(_, exchange)| deletes(exchange)) {
            if moved.is_some_and(|moved| moved < index && history[moved].ended_ms <= deletion.began_ms) {
                continue;
            }
            let expected = format!("nothing is deleted before {server}:{tag} has moved");
            let seen = format!("{} {} on {}", deletion.method, deletion.path, deletion.server);
            violations.push(Violation::new(expected, seen).shown_by([index].into_iter().chain(moved)));
        }
    }
    violations
}

#[cfg(test)]
mod tests;
