//! The order of a run's requests: everything is in place, by digest and on all registries, before any tag is written, and
//! nothing is deleted before the tag has moved.

use super::{Violation, is_referrers_tag};
use crate::history::{Exchange, Kind, Operation};

/// Judges the history of one run that published well.
///
/// On each of the `servers`, every manifest that is put by digest is there before the first tag is; what a tag is given has been
/// put or seen there by digest before; each tag is written once; and no tag is written but the `allowed` ones. Tags of
/// signatures make nothing visible.
pub fn staging(history: &[Exchange], repository: &str, servers: &[String], allowed: &[&str]) -> Vec<Violation> {
    let mut violations = Vec::new();
    let tags: Vec<Put<'_>> =
        puts(history, repository).filter(|put| put.tag.is_some_and(|tag| !is_referrers_tag(tag))).collect();
    let Some(first) = tags.first() else { return violations };
    for late in puts(history, repository).filter(|put| put.tag.is_none() && put.done && !first.follows(put)) {
        let expected = format!("{}:{} is there before any tag is written", late.server, late.digest);
        let seen = format!("{}:{} is written before", first.server, first.reference);
        violations.push(Violation::new(expected, seen).shown_by([first.index, late.index]));
    }
    for (at, put) in tags.iter().enumerate() {
        let (server, tag) = (put.server, put.reference);
        if !allowed.contains(&tag) {
            let expected = format!("no tag is written but {}", allowed.join(", "));
            violations.push(Violation::new(expected, format!("{server}:{tag} is written")).shown_by([put.index]));
            continue;
        }
        let again = |other: &&Put<'_>| other.done && put.done && other.server == server && other.reference == tag;
        if let Some(before) = tags[..at].iter().find(again) {
            let expected = format!("{server}:{tag} is written once");
            violations.push(Violation::new(expected, "it is written again").shown_by([before.index, put.index]));
        }
        for other in servers.iter().filter(|other| !is_staged(history, repository, other, put)) {
            let expected = format!("{other} has {} by digest before a tag is given it", put.digest);
            violations
                .push(Violation::new(expected, format!("{server}:{tag} is written before")).shown_by([put.index]));
        }
    }
    violations
}

/// Judges the history of one run that writes a tag on the `servers`: what was superseded goes only after the tag has moved on
/// all of them.
pub fn deleted_early(history: &[Exchange], repository: &str, tag: &str, servers: &[String]) -> Vec<Violation> {
    let mut violations = Vec::new();
    for server in servers {
        let moved = puts(history, repository).find(|put| put.tag == Some(tag) && put.server == server && put.done);
        let deletions = history.iter().enumerate().filter(|(_, it)| it.is(Kind::deletes) && it.succeeded());
        for (index, deletion) in deletions {
            if moved.as_ref().is_some_and(|moved| moved.index < index && moved.ended_ms <= deletion.began_ms) {
                continue;
            }
            let expected = format!("nothing is deleted before {server}:{tag} has moved");
            let seen = format!("{} {} on {}", deletion.method, deletion.path, deletion.server);
            let shown = [index].into_iter().chain(moved.as_ref().map(|moved| moved.index));
            violations.push(Violation::new(expected, seen).shown_by(shown));
        }
    }
    violations
}

/// A manifest that was put.
struct Put<'a> {
    index: usize,
    server: &'a str,
    /// The tag or digest that it was put under.
    reference: &'a str,
    /// The tag that it was put under; none if under its digest.
    tag: Option<&'a str>,
    digest: &'a str,
    began_ms: u64,
    ended_ms: u64,
    done: bool,
}

impl Put<'_> {
    /// Whether it began after another one had ended.
    const fn follows(&self, other: &Put<'_>) -> bool {
        other.index < self.index && other.ended_ms <= self.began_ms
    }
}

fn puts<'a>(history: &'a [Exchange], repository: &'a str) -> impl Iterator<Item = Put<'a>> {
    history.iter().enumerate().filter_map(move |(index, exchange)| {
        let put = exchange.operation.as_ref().filter(|it| it.kind == Kind::ManifestPut)?;
        let ours = put.repository.as_deref() == Some(repository);
        ours.then(|| Put {
            index,
            server: &exchange.server,
            reference: put.reference.as_deref().unwrap_or_default(),
            tag: put.tag(),
            digest: exchange.digest.as_deref().unwrap_or_default(),
            began_ms: exchange.began_ms,
            ended_ms: exchange.ended_ms,
            done: exchange.succeeded(),
        })
    })
}

/// Whether a server was given, or showed, what a tag is put to, before that began.
fn is_staged(history: &[Exchange], repository: &str, server: &str, tag: &Put<'_>) -> bool {
    let shows = |asked: &Operation| {
        matches!(asked.kind, Kind::ManifestPut | Kind::ManifestHead | Kind::ManifestGet)
            && asked.repository.as_deref() == Some(repository)
            && asked.reference.as_deref() == Some(tag.digest)
    };
    let before = history[..tag.index].iter().filter(|it| it.server == server && it.ended_ms <= tag.began_ms);
    before.into_iter().any(|it| it.succeeded() && it.operation.as_ref().is_some_and(shows))
}

#[cfg(test)]
mod deletions;
#[cfg(test)]
mod tests;
