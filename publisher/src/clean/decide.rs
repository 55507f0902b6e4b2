//! What may go. Pure: from what a repository holds and what is known to be ours, to what is removed and why.
//!
//! Ours is what the records of this publisher name (the list that a floating tag pointed at, what a run staged), what
//! these lists name, and what refers to them. Of that, everything goes that no surviving tag reaches, and nothing else
//! ever does. A tag reaches what it points at, what that names, to any depth, and what that is about. A fallback tag
//! (`sha256-<hex>`) of something that is ours survives only with its subject; every other tag survives.
//!
//! If anything that a surviving tag reaches is not known, there is no decision.

use std::collections::{HashMap, HashSet, VecDeque};

use thiserror::Error;

use super::graph::{Graph, fallback_subject};
use crate::oci::{Digest, Tag};

/// Something that a surviving tag reaches was not read, so that nobody knows what else it holds.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[error("what {tag} holds is not known: {digest} was not read")]
pub struct Unknown {
    /// The tag.
    pub tag: Tag,
    /// What was not read.
    pub digest: Digest,
}

/// What becomes of one manifest that is ours.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Fate {
    /// It stays: this tag reaches it.
    Kept(Tag),
    /// It goes.
    Removed,
}

/// Why a manifest is ours.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Because {
    /// A record names it.
    Recorded,
    /// This list, which is ours, names it.
    PartOf(Digest),
    /// It is about this manifest, which is ours.
    About(Digest),
}

/// One manifest that is ours.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Verdict {
    /// The manifest.
    pub digest: Digest,
    /// How deep it lies below the recorded one, for showing.
    pub depth: usize,
    /// Whether it is a list.
    pub list: bool,
    /// Why it is ours.
    pub because: Because,
    /// What becomes of it.
    pub fate: Fate,
}

/// A decision.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Decision {
    /// Everything that is ours and there, each once: a list before what it names.
    pub verdicts: Vec<Verdict>,
    /// What goes, in an order in which nothing that is left ever names what is gone.
    pub removals: Vec<Digest>,
}

impl Decision {
    /// The verdict on a manifest, if it is ours and there.
    pub fn on(&self, digest: &Digest) -> Option<&Verdict> {
        self.verdicts.iter().find(|verdict| verdict.digest == *digest)
    }
}

/// Decides, from what records name.
///
/// # Errors
/// [`Unknown`] when the graph is not complete. Nothing may be removed then.
pub fn decide(graph: &Graph, recorded: &[Digest]) -> Result<Decision, Unknown> {
    let mut verdicts = Vec::new();
    let about = companions(graph);
    for digest in recorded {
        claim(graph, &about, digest, Because::Recorded, 0, &mut verdicts);
    }
    let ours: HashSet<&Digest> = verdicts.iter().map(|verdict| &verdict.digest).collect();
    let held = reached(graph, &about, &ours)?;
    let fates: Vec<_> = verdicts.iter().map(|verdict| held.get(&verdict.digest).map(|tag| (*tag).clone())).collect();
    for (verdict, tag) in verdicts.iter_mut().zip(fates) {
        if let Some(tag) = tag {
            verdict.fate = Fate::Kept(tag);
        }
    }
    let removals = ordered(graph, &about, &verdicts);
    Ok(Decision { verdicts, removals })
}

/// Everything that is ours, given the digests that records name: for whoever has to find out about it.
pub(super) fn ours(graph: &Graph, recorded: &[Digest]) -> HashSet<Digest> {
    let (about, mut verdicts) = (companions(graph), Vec::new());
    for digest in recorded {
        claim(graph, &about, digest, Because::Recorded, 0, &mut verdicts);
    }
    verdicts.into_iter().map(|verdict| verdict.digest).collect()
}

/// For each manifest what is about it: what its fallback tag points at, and what names it as its subject.
fn companions(graph: &Graph) -> HashMap<Digest, Vec<Digest>> {
    let tagged = graph.tags.iter().filter_map(|(tag, digests)| Some((fallback_subject(tag)?, digests.clone())));
    let mut untagged: Vec<_> =
        graph.nodes.iter().filter_map(|(digest, node)| Some((node.subject.clone()?, vec![digest.clone()]))).collect();
    untagged.sort_by(|(_, one), (_, other)| one[0].as_ref().cmp(other[0].as_ref()));
    let mut about: HashMap<Digest, Vec<Digest>> = HashMap::new();
    for (subject, companions) in tagged.chain(untagged) {
        let known = about.entry(subject).or_default();
        for companion in companions {
            if !known.contains(&companion) {
                known.push(companion);
            }
        }
    }
    about
}

/// Adds a manifest, what it names, and what is about it, each once.
fn claim(
    graph: &Graph,
    about: &HashMap<Digest, Vec<Digest>>,
    digest: &Digest,
    because: Because,
    depth: usize,
    verdicts: &mut Vec<Verdict>,
) {
    // What is not known is not there any more, or no tag could reach anything of it either.
    let Some(node) = graph.nodes.get(digest) else { return };
    if verdicts.iter().any(|verdict| verdict.digest == *digest) {
        return;
    }
    verdicts.push(Verdict { digest: digest.clone(), depth, list: node.list, because, fate: Fate::Removed });
    for child in &node.children {
        claim(graph, about, child, Because::PartOf(digest.clone()), depth + 1, verdicts);
    }
    for companion in about.get(digest).into_iter().flatten() {
        claim(graph, about, companion, Because::About(digest.clone()), depth + 1, verdicts);
    }
}

/// Everything that a surviving tag reaches, with the first such tag.
fn reached<'a>(
    graph: &'a Graph,
    about: &'a HashMap<Digest, Vec<Digest>>,
    ours: &HashSet<&Digest>,
) -> Result<HashMap<&'a Digest, &'a Tag>, Unknown> {
    // A fallback tag of something that is ours waits for its subject; what is about a manifest lives with it.
    let waits = |tag: &Tag| fallback_subject(tag).is_some_and(|subject| ours.contains(&subject));
    let roots = graph.tags.iter().filter(|(tag, _)| !waits(tag));
    let mut next: VecDeque<_> =
        roots.flat_map(|(tag, digests)| digests.iter().map(move |digest| (digest, tag, true))).collect();
    let mut held: HashMap<&Digest, &Tag> = HashMap::new();
    while let Some((digest, tag, is_part)) = next.pop_front() {
        let node = graph.nodes.get(digest);
        // What something is about need not be there, nor have been read; what it is made of must. Asked before anything
        // else: the same manifest may be met in both ways.
        if node.is_none() && is_part {
            return Err(Unknown { tag: tag.clone(), digest: digest.clone() });
        }
        if held.contains_key(digest) {
            continue;
        }
        if let Some(node) = node {
            next.extend(node.children.iter().map(|child| (child, tag, true)));
            next.extend(node.subject.iter().map(|subject| (subject, tag, false)));
        }
        held.insert(digest, tag);
        next.extend(about.get(digest).into_iter().flatten().map(|companion| (companion, tag, true)));
    }
    Ok(held)
}

/// What goes, in an order in which a list goes before what it names and, unless that contradicts it, a companion before
/// its subject.
fn ordered(graph: &Graph, about: &HashMap<Digest, Vec<Digest>>, verdicts: &[Verdict]) -> Vec<Digest> {
    let going = verdicts.iter().filter(|verdict| verdict.fate == Fate::Removed).map(|verdict| &verdict.digest);
    let mut left: Vec<&Digest> = going.collect();
    let mut order = Vec::new();
    while !left.is_empty() {
        let named = |digest: &Digest| left.iter().any(|other| names(graph, other).contains(digest));
        let awaited = |digest: &Digest| about.get(digest).is_some_and(|it| left.iter().any(|other| it.contains(other)));
        let free = left.iter().position(|digest| !named(digest) && !awaited(digest));
        // Digests cannot name each other in a circle: should that be claimed all the same, its members stay.
        let Some(free) = free.or_else(|| left.iter().position(|digest| !named(digest))) else { break };
        order.push(left.remove(free).clone());
    }
    order
}

fn names<'a>(graph: &'a Graph, digest: &Digest) -> &'a [Digest] {
    graph.nodes.get(digest).map(|node| node.children.as_slice()).unwrap_or_default()
}
