//! What to remove. Pure: from the repository's graph and the recorded digests to a decision.
//!
//! Ours is what the records of this publisher name (the list that a floating tag pointed at, what a run staged), what
//! these lists name, and their referrers. Of that, everything that no surviving tag reaches is removed, and nothing else.
//! A tag reaches its target, everything that names to any depth, and the subject of each. A fallback tag (`sha256-<hex>`)
//! of something that is ours survives only with its subject; every other tag survives.
//!
//! If a surviving tag reaches a manifest that is not in the graph, there is no decision.

use std::collections::{HashMap, HashSet, VecDeque};

use super::{
    Item, Outcome, Problem,
    graph::{Graph, Node, fallback_subject},
};
use crate::oci::{Digest, Tag, short};

/// A decision.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Decision {
    /// Everything that is ours and present, each once: a list before what it names.
    pub items: Vec<Item>,
    /// What is removed, ordered so that nothing left ever names something removed.
    pub removals: Vec<Digest>,
}

impl Decision {
    /// The item of this manifest, if it is ours.
    pub fn item(&self, digest: &Digest) -> Option<&Item> {
        self.items.iter().find(|item| item.digest == *digest)
    }
}

/// Each manifest's referrers.
type Referrers = HashMap<Digest, Vec<Digest>>;

/// Decides what to remove.
///
/// # Errors
/// When a surviving tag reaches a manifest that is not in the graph: what else it reaches is unknown. Nothing may be
/// removed then.
pub fn decide(graph: &Graph, recorded: &[Digest]) -> Result<Decision, Problem> {
    let referrers = referrers(graph);
    let mut items = claim_all(graph, &referrers, recorded);
    let ours = items.iter().map(|item| item.digest.clone()).collect();
    let reached = reached(graph, &referrers, &ours)?;
    for item in &mut items {
        match reached.get(&item.digest) {
            Some(&tag) => {
                item.becomes(Outcome::Kept, format!("{tag} holds it"));
                item.kept_by = Some(tag.clone());
            }
            None => item.because.push_str(", no tag holds it"),
        }
    }
    let removals = removal_order(graph, &referrers, &items);
    Ok(Decision { items, removals })
}

/// Everything that is ours.
pub(super) fn ours(graph: &Graph, recorded: &[Digest]) -> HashSet<Digest> {
    claim_all(graph, &referrers(graph), recorded).into_iter().map(|item| item.digest).collect()
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

fn claim_all(graph: &Graph, referrers: &Referrers, recorded: &[Digest]) -> Vec<Item> {
    let mut items = Vec::new();
    for digest in recorded {
        claim(graph, referrers, digest, 0, "superseded or never published".into(), &mut items);
    }
    items
}

/// Adds a manifest, what it names, and its referrers, each once. What is not in the graph is gone already.
fn claim(graph: &Graph, referrers: &Referrers, digest: &Digest, depth: usize, because: String, items: &mut Vec<Item>) {
    let Some(Node { children, list, .. }) = graph.nodes.get(digest) else { return };
    if items.iter().any(|item| item.digest == *digest) {
        return;
    }
    items.push(Item { digest: digest.clone(), depth, list: *list, outcome: Outcome::Planned, because, kept_by: None });
    for child in children {
        claim(graph, referrers, child, depth + 1, format!("part of {}", short(digest)), items);
    }
    for referrer in referrers.get(digest).into_iter().flatten() {
        claim(graph, referrers, referrer, depth + 1, format!("refers to {}", short(digest)), items);
    }
}

/// Everything that a surviving tag reaches, with the first such tag.
fn reached<'a>(
    graph: &'a Graph,
    referrers: &'a Referrers,
    ours: &HashSet<Digest>,
) -> Result<HashMap<&'a Digest, &'a Tag>, Problem> {
    let survives = |tag: &Tag| fallback_subject(tag).is_none_or(|subject| !ours.contains(&subject));
    let roots = graph.tags.iter().filter(|(tag, _)| survives(tag));
    let mut next: VecDeque<_> =
        roots.flat_map(|(tag, targets)| targets.iter().map(move |digest| (digest, tag, true))).collect();
    let mut reached: HashMap<&Digest, &Tag> = HashMap::new();
    while let Some((digest, tag, is_part)) = next.pop_front() {
        let node = graph.nodes.get(digest);
        // A subject may be absent or unread, a part may not. This comes first: a manifest may be met as both.
        if node.is_none() && is_part {
            return Err(Problem::new(format!("what {tag} holds is not known: {digest} was not read")));
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
fn removal_order(graph: &Graph, referrers: &Referrers, items: &[Item]) -> Vec<Digest> {
    let mut left: Vec<_> = items.iter().filter(|item| item.kept_by.is_none()).map(|item| &item.digest).collect();
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
