//! What to remove. Pure: from the repository's graph and the recorded digests to a decision.
//!
//! Ours is what the records of this publisher name (the list that a floating tag pointed at, what a run staged), what
//! these lists name, and their referrers. Of that, everything that no surviving tag reaches is removed, and nothing else.
//! A tag reaches its target, everything that names to any depth, and the subject of each. A fallback tag (`sha256-<hex>`)
//! of something that is ours survives only with its subject, an expiring tag never; every other tag survives.
//!
//! If a surviving tag reaches a manifest that is not in the graph, there is no decision.

use std::collections::{HashMap, HashSet, VecDeque};

use thiserror::Error;

use super::graph::{Graph, fallback_subject};
use crate::oci::{Digest, Tag};

/// A surviving tag reaches a manifest that was not read, so what else it reaches is unknown.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[error("what {tag} holds is not known: {digest} was not read")]
pub struct Unknown {
    /// The tag.
    pub tag: Tag,
    /// The manifest that was not read.
    pub digest: Digest,
}

/// Why a manifest is ours.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Reason {
    /// A record names it.
    Recorded,
    /// This list, which is ours, names it.
    PartOf(Digest),
    /// Its subject is this manifest, which is ours.
    RefersTo(Digest),
}

/// One manifest that is ours.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Candidate {
    /// The manifest.
    pub digest: Digest,
    /// How deep it lies below the recorded one, for showing.
    pub depth: usize,
    /// Whether it is a list.
    pub list: bool,
    /// Why it is ours.
    pub reason: Reason,
    /// The tag that reaches it; without one it is removed.
    pub kept_by: Option<Tag>,
}

/// A decision.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Decision {
    /// Everything that is ours and present, each once: a list before what it names.
    pub candidates: Vec<Candidate>,
    /// What is removed, ordered so that nothing left ever names something removed.
    pub removals: Vec<Digest>,
}

impl Decision {
    /// The candidate with this digest.
    pub fn candidate(&self, digest: &Digest) -> Option<&Candidate> {
        self.candidates.iter().find(|candidate| candidate.digest == *digest)
    }
}

/// Each manifest's referrers.
type Referrers = HashMap<Digest, Vec<Digest>>;

/// Decides what to remove.
///
/// # Errors
/// [`Unknown`] when the graph is incomplete. Nothing may be removed then.
pub fn decide(graph: &Graph, recorded: &[Digest]) -> Result<Decision, Unknown> {
    let referrers = referrers(graph);
    let mut candidates = candidates(graph, &referrers, recorded);
    let ours = candidates.iter().map(|candidate| candidate.digest.clone()).collect();
    let reached = reached(graph, &referrers, &ours)?;
    for candidate in &mut candidates {
        candidate.kept_by = reached.get(&candidate.digest).map(|tag| (*tag).clone());
    }
    let removals = removal_order(graph, &referrers, &candidates);
    Ok(Decision { candidates, removals })
}

/// Everything that is ours.
pub(super) fn ours(graph: &Graph, recorded: &[Digest]) -> HashSet<Digest> {
    candidates(graph, &referrers(graph), recorded).into_iter().map(|candidate| candidate.digest).collect()
}

/// The referrers of each manifest: the targets of its fallback tag, and the manifests that have it as their subject.
fn referrers(graph: &Graph) -> Referrers {
    let tagged = graph.tags.iter().filter_map(|(tag, targets)| Some((fallback_subject(tag)?, targets.clone())));
    let mut untagged: Vec<_> =
        graph.nodes.iter().filter_map(|(digest, node)| Some((node.subject.clone()?, vec![digest.clone()]))).collect();
    untagged.sort_by(|(_, one), (_, other)| one[0].as_ref().cmp(other[0].as_ref()));
    let mut referrers = Referrers::new();
    for (subject, found) in tagged.chain(untagged) {
        let known = referrers.entry(subject).or_default();
        for digest in found {
            if !known.contains(&digest) {
                known.push(digest);
            }
        }
    }
    referrers
}

fn candidates(graph: &Graph, referrers: &Referrers, recorded: &[Digest]) -> Vec<Candidate> {
    let mut candidates = Vec::new();
    for digest in recorded {
        claim(graph, referrers, digest, Reason::Recorded, 0, &mut candidates);
    }
    candidates
}

/// Adds a manifest, what it names, and its referrers, each once. What is not in the graph is gone already.
fn claim(
    graph: &Graph,
    referrers: &Referrers,
    digest: &Digest,
    reason: Reason,
    depth: usize,
    candidates: &mut Vec<Candidate>,
) {
    let Some(node) = graph.nodes.get(digest) else { return };
    if candidates.iter().any(|candidate| candidate.digest == *digest) {
        return;
    }
    candidates.push(Candidate { digest: digest.clone(), depth, list: node.list, reason, kept_by: None });
    for child in &node.children {
        claim(graph, referrers, child, Reason::PartOf(digest.clone()), depth + 1, candidates);
    }
    for referrer in referrers.get(digest).into_iter().flatten() {
        claim(graph, referrers, referrer, Reason::RefersTo(digest.clone()), depth + 1, candidates);
    }
}

/// Everything that a surviving tag reaches, with the first such tag.
fn reached<'a>(
    graph: &'a Graph,
    referrers: &'a Referrers,
    ours: &HashSet<Digest>,
) -> Result<HashMap<&'a Digest, &'a Tag>, Unknown> {
    let survives = |tag: &Tag| {
        !graph.expiring.contains(tag) && fallback_subject(tag).is_none_or(|subject| !ours.contains(&subject))
    };
    let roots = graph.tags.iter().filter(|(tag, _)| survives(tag));
    let mut next: VecDeque<_> =
        roots.flat_map(|(tag, targets)| targets.iter().map(move |digest| (digest, tag, true))).collect();
    let mut reached: HashMap<&Digest, &Tag> = HashMap::new();
    while let Some((digest, tag, is_part)) = next.pop_front() {
        let node = graph.nodes.get(digest);
        // A subject may be absent or unread, a part may not. This comes first: a manifest may be met as both.
        if node.is_none() && is_part {
            return Err(Unknown { tag: tag.clone(), digest: digest.clone() });
        }
        if reached.contains_key(digest) {
            continue;
        }
        reached.insert(digest, tag);
        if let Some(node) = node {
            next.extend(node.children.iter().map(|child| (child, tag, true)));
            next.extend(node.subject.iter().map(|subject| (subject, tag, false)));
        }
        next.extend(referrers.get(digest).into_iter().flatten().map(|referrer| (referrer, tag, true)));
    }
    Ok(reached)
}

/// What is removed: a list before what it names and, unless that contradicts it, a referrer before its subject.
fn removal_order(graph: &Graph, referrers: &Referrers, candidates: &[Candidate]) -> Vec<Digest> {
    let removed = candidates.iter().filter(|candidate| candidate.kept_by.is_none());
    let mut left: Vec<&Digest> = removed.map(|candidate| &candidate.digest).collect();
    let mut order = Vec::new();
    while !left.is_empty() {
        let is_named = |digest: &Digest| left.iter().any(|other| graph.children(other).contains(digest));
        let is_subject =
            |digest: &Digest| referrers.get(digest).is_some_and(|found| left.iter().any(|other| found.contains(other)));
        let free = left.iter().position(|digest| !is_named(digest) && !is_subject(digest));
        // Digests cannot name each other in a circle. If manifests claim to, they are kept.
        let Some(free) = free.or_else(|| left.iter().position(|digest| !is_named(digest))) else { break };
        order.push(left.remove(free).clone());
    }
    order
}
