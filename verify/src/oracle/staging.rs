//! Everything is in place, by digest and on all registries, before any tag is written.

use super::{Violation, is_referrers_tag};
use crate::history::{Exchange, Kind};

/// Judges the history of one run that published well.
///
/// On each of the `servers`, every manifest that is put by digest is there before the first tag is; what a tag is given has been
/// put or seen there by digest before; each tag is written once; and no tag is written but the `allowed` ones. Tags of
/// signatures make nothing visible.
pub fn staging(history: &[Exchange], repository: &str, servers: &[&str], allowed: &[&str]) -> Vec<Violation> {
    let mut violations = Vec::new();
    let tags: Vec<Put<'_>> =
        puts(history, repository).filter(|put| put.tag.is_some_and(|tag| !is_referrers_tag(tag))).collect();
    let Some(first) = tags.first() else { return violations };
    for late in puts(history, repository).filter(|put| put.tag.is_none() && put.done && !first.follows(put)) {
        let expected = format!("{}:{} is there before any tag is written", late.server(), late.digest());
        let seen = format!("{}:{} is written before", first.server(), first.reference());
        violations.push(Violation::new(expected, seen).shown_by([first.index, late.index]));
    }
    for (at, put) in tags.iter().enumerate() {
        let tag = put.reference();
        if !allowed.contains(&tag) {
            let expected = format!("no tag is written but {}", allowed.join(", "));
            violations
                .push(Violation::new(expected, format!("{}:{tag} is written", put.server())).shown_by([put.index]));
            continue;
        }
        let again = |other: &&Put<'_>| other.done && other.server() == put.server() && other.reference() == tag;
        if let Some(before) = tags[..at].iter().find(again).filter(|_| put.done) {
            let expected = format!("{}:{tag} is written once", put.server());
            violations.push(Violation::new(expected, "it is written again").shown_by([before.index, put.index]));
        }
        for server in servers.iter().filter(|server| !is_staged(history, repository, server, put)) {
            let expected = format!("{server} has {} by digest before a tag is given it", put.digest());
            let seen = format!("{}:{tag} is written before", put.server());
            violations.push(Violation::new(expected, seen).shown_by([put.index]));
        }
    }
    violations
}

/// A manifest that was put.
struct Put<'a> {
    index: usize,
    exchange: &'a Exchange,
    /// The tag that it was put under; none if under its digest.
    tag: Option<&'a str>,
    done: bool,
}

impl<'a> Put<'a> {
    fn server(&self) -> &'a str {
        &self.exchange.server
    }

    fn reference(&self) -> &'a str {
        self.exchange.operation.as_ref().and_then(|asked| asked.reference.as_deref()).unwrap_or_default()
    }

    fn digest(&self) -> &'a str {
        self.exchange.digest.as_deref().unwrap_or_default()
    }

    /// Whether it began after another one had ended.
    const fn follows(&self, other: &Put<'_>) -> bool {
        other.index < self.index && other.exchange.ended_ms <= self.exchange.began_ms
    }
}

fn puts<'a>(history: &'a [Exchange], repository: &'a str) -> impl Iterator<Item = Put<'a>> {
    history.iter().enumerate().filter_map(move |(index, exchange)| {
        let asked = exchange.operation.as_ref().filter(|asked| asked.kind == Kind::ManifestPut)?;
        let ours = asked.repository.as_deref() == Some(repository);
        ours.then(|| Put { index, exchange, tag: asked.tag(), done: succeeded(exchange) })
    })
}

/// Whether a server was given, or showed, what a tag is put to, before that began.
fn is_staged(history: &[Exchange], repository: &str, server: &str, tag: &Put<'_>) -> bool {
    history[..tag.index].iter().any(|exchange| {
        exchange.operation.as_ref().is_some_and(|asked| {
            matches!(asked.kind, Kind::ManifestPut | Kind::ManifestHead | Kind::ManifestGet)
                && asked.repository.as_deref() == Some(repository)
                && asked.reference.as_deref() == tag.exchange.digest.as_deref()
        }) && exchange.server == server
            && succeeded(exchange)
            && exchange.ended_ms <= tag.exchange.began_ms
    })
}

pub(super) fn succeeded(exchange: &Exchange) -> bool {
    exchange.status.is_some_and(|status| (200..300).contains(&status))
}

#[cfg(test)]
mod tests;
