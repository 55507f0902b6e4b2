//! The decision on random repositories, held against a definition that is written in another way.

use std::{collections::HashSet, sync::LazyLock};

use proptest::{
    collection::vec,
    prelude::*,
    strategy::ValueTree as _,
    test_runner::{RngSeed, TestRunner},
};

use crate::{
    clean::{
        Graph, Node, decide,
        graph::{fallback_subject, fallback_tag},
    },
    oci::{Digest, Tag, digest_of},
};

/// How many repositories each property is tried on.
const CASES: u32 = 12_000;
/// Where the random numbers begin, so that a failure comes again.
const SEED: RngSeed = RngSeed::Fixed(20_260_914);
/// How many manifests a repository has at most.
const NODES_MAX: usize = 12;

fn digest(n: usize) -> Digest {
    static DIGESTS: LazyLock<Vec<Digest>> =
        LazyLock::new(|| (0..NODES_MAX).map(|n| digest_of(format!("manifest {n}").as_bytes())).collect());
    DIGESTS[n].clone()
}

/// A repository and what records name of it.
#[derive(Debug, Clone)]
struct Case {
    graph: Graph,
    recorded: Vec<Digest>,
}

/// Lists of lists with shared children, images, signatures with subjects; tags on all of them, some in two places at
/// once, fallback tags on anything; sometimes a manifest that is named and not there.
fn cases() -> impl Strategy<Value = Case> {
    // A manifest names only later ones, as digests allow nothing else. Two masks make few children.
    // What is about something is often close to it: an attestation stands in the same list.
    let distance = prop_oneof![3 => 1..3_usize, 1 => 1..NODES_MAX];
    let node = (any::<u16>(), any::<u16>(), any::<bool>(), prop::option::weighted(0.3, distance));
    let target = || (0..NODES_MAX, prop::option::weighted(0.2, 0..NODES_MAX));
    (
        vec(node, 2..=NODES_MAX),
        vec(target(), 0..=5),
        vec((0..NODES_MAX, target()), 0..=3),
        prop::option::weighted(0.3, 0..NODES_MAX),
        vec(0..NODES_MAX, 0..=3),
    )
        .prop_map(|(nodes, tags, fallbacks, missing, recorded)| {
            let count = nodes.len();
            let at = |(one, other): (usize, Option<usize>)| -> Vec<Digest> {
                std::iter::once(one).chain(other).map(|n| digest(n % count)).collect()
            };
            let missing = missing.map(|n| n % count);
            let mut graph = Graph::default();
            for (n, (one, other, list, subject)) in nodes.into_iter().enumerate().filter(|(n, _)| missing != Some(*n)) {
                let named = ((n + 1)..count).filter(|child| list && (one & other) >> child & 1 == 1);
                let subject = subject.map(|distance| n + distance).filter(|subject| *subject < count);
                let node = Node { children: named.map(digest).collect(), subject: subject.map(digest), list };
                graph.nodes.insert(digest(n), node);
            }
            for (n, target) in tags.into_iter().enumerate() {
                graph.tags.insert(format!("tag-{n}").parse().unwrap(), at(target));
            }
            for (subject, target) in fallbacks {
                graph.tags.insert(fallback_tag(&digest(subject % count)), at(target));
            }
            Case { graph, recorded: recorded.into_iter().map(|n| digest(n % count)).collect() }
        })
}

/// What the cases are to have in them: the name, and whether a case has it.
type Trait = (&'static str, fn(&Graph) -> bool);
const TRAITS: &[Trait] = &[
    ("an image that several lists name", |graph| {
        graph.nodes.keys().any(|it| lists_of(graph, it) > 1 && !is_list(graph, it))
    }),
    ("a list that several lists name", |graph| {
        graph.nodes.keys().any(|it| lists_of(graph, it) > 1 && is_list(graph, it))
    }),
    ("a list in a list in a list", |graph| {
        let outer = |it: &&Digest| graph.nodes[*it].children.iter().any(|inner| names_a_list(graph, inner));
        graph.nodes.keys().any(|it| outer(&it))
    }),
    ("several tags on one manifest", |graph| {
        let mut seen = HashSet::new();
        graph.tags.values().flatten().any(|at| !seen.insert(at))
    }),
    ("a tag in two places", |graph| graph.tags.values().any(|at| at.len() > 1)),
    ("an attestation beside what it is about", |graph| {
        graph.nodes.values().any(|node| {
            let about = |it: &Digest| graph.nodes.get(it).and_then(|entry| entry.subject.as_ref());
            node.children.iter().filter_map(about).any(|subject| node.children.contains(subject))
        })
    }),
    ("an untagged referrer", |graph| {
        let tagged = |it: &Digest| graph.tags.values().flatten().any(|at| at == it);
        graph.nodes.iter().any(|(it, node)| node.subject.is_some() && !tagged(it))
    }),
    ("a fallback tag", |graph| graph.tags.keys().any(|tag| fallback_subject(tag).is_some())),
    ("something that is named and not there", |graph| {
        graph.nodes.values().flat_map(|node| &node.children).any(|child| !graph.nodes.contains_key(child))
    }),
];
/// In how many of a hundred cases each is at least.
const SHARE_MIN: usize = 5;

fn is_list(graph: &Graph, digest: &Digest) -> bool {
    graph.nodes.get(digest).is_some_and(|node| node.list)
}

fn lists_of(graph: &Graph, digest: &Digest) -> usize {
    graph.nodes.values().filter(|node| node.children.contains(digest)).count()
}

fn names_a_list(graph: &Graph, digest: &Digest) -> bool {
    graph.nodes.get(digest).is_some_and(|node| node.children.iter().any(|child| is_list(graph, child)))
}

/// A property that holds of cases without anything in them says nothing.
#[test]
fn the_cases_cover_what_repositories_contain() {
    const DRAWN: usize = 2_000;
    let config = ProptestConfig { failure_persistence: None, rng_seed: SEED, ..ProptestConfig::default() };
    let mut runner = TestRunner::new(config);
    let drawn: Vec<_> = (0..DRAWN).map(|_| cases().new_tree(&mut runner).unwrap().current()).collect();
    let share = |has: &dyn Fn(&Case) -> bool| drawn.iter().filter(|case| has(case)).count() * 100 / DRAWN;
    let mut shares: Vec<_> = TRAITS.iter().map(|(name, has)| (*name, share(&|case| has(&case.graph)))).collect();
    let removes = |case: &Case| decide(&case.graph, &case.recorded).is_ok_and(|it| !it.removals.is_empty());
    shares.push(("something that goes", share(&removes)));
    assert!(shares.iter().all(|(_, share)| *share >= SHARE_MIN), "of 100 cases: {shares:#?}");
}

/// What is about a manifest.
fn about(graph: &Graph, digest: &Digest) -> Vec<Digest> {
    let tagged = graph.tags.iter().filter(|(tag, _)| fallback_subject(tag).as_ref() == Some(digest));
    let naming = graph.nodes.iter().filter(|(_, node)| node.subject.as_ref() == Some(digest));
    tagged.flat_map(|(_, targets)| targets.clone()).chain(naming.map(|(name, _)| name.clone())).collect()
}

/// Everything that the given manifests hold: what users who pull them need.
fn parts(graph: &Graph, mut from: Vec<Digest>) -> HashSet<Digest> {
    let mut parts = HashSet::new();
    while let Some(digest) = from.pop() {
        if parts.insert(digest.clone()) {
            from.extend(graph.nodes.get(&digest).map(|node| node.children.clone()).unwrap_or_default());
        }
    }
    parts
}

/// Everything that keeps living because the given manifests do.
fn alive(graph: &Graph, mut from: Vec<Digest>) -> HashSet<Digest> {
    let mut alive = HashSet::new();
    while let Some(digest) = from.pop() {
        if alive.insert(digest.clone()) {
            let node = graph.nodes.get(&digest).cloned().unwrap_or_default();
            from.extend(node.children.into_iter().chain(node.subject).chain(about(graph, &digest)));
        }
    }
    alive
}

/// What is ours: recorded, named by what is ours, or about it.
fn ours(graph: &Graph, recorded: &[Digest]) -> HashSet<Digest> {
    let (mut from, mut ours) = (recorded.to_vec(), HashSet::new());
    while let Some(digest) = from.pop() {
        if graph.nodes.contains_key(&digest) && ours.insert(digest.clone()) {
            from.extend(graph.nodes[&digest].children.iter().cloned().chain(about(graph, &digest)));
        }
    }
    ours
}

/// The tags that survive when so much goes.
fn surviving<'a>(graph: &'a Graph, gone: &HashSet<Digest>) -> Vec<(&'a Tag, &'a Vec<Digest>)> {
    graph.tags.iter().filter(|(tag, _)| fallback_subject(tag).is_none_or(|subject| !gone.contains(&subject))).collect()
}

/// The largest part of what is ours that can go, found by giving up more and more of it.
fn expected(graph: &Graph, recorded: &[Digest]) -> HashSet<Digest> {
    let mut going = ours(graph, recorded);
    loop {
        let roots = surviving(graph, &going).into_iter().flat_map(|(_, targets)| targets.clone()).collect();
        let alive = alive(graph, roots);
        let fewer: HashSet<_> = going.iter().filter(|digest| !alive.contains(*digest)).cloned().collect();
        if fewer == going {
            return going;
        }
        going = fewer;
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: CASES, failure_persistence: None, rng_seed: SEED, ..ProptestConfig::default() })]

    #[test]
    fn no_surviving_tag_loses_anything(case in cases()) {
        let Ok(decision) = decide(&case.graph, &case.recorded) else { return Ok(()) };
        let gone: HashSet<_> = decision.removals.iter().cloned().collect();
        for (tag, targets) in surviving(&case.graph, &gone) {
            let lost: Vec<_> = parts(&case.graph, targets.clone()).intersection(&gone).cloned().collect();
            prop_assert!(lost.is_empty(), "{tag} loses {lost:?}");
        }
    }

    #[test]
    fn exactly_what_is_ours_and_unreachable_is_removed(case in cases()) {
        let Ok(decision) = decide(&case.graph, &case.recorded) else { return Ok(()) };
        let gone: HashSet<_> = decision.removals.iter().cloned().collect();
        prop_assert_eq!(gone.len(), decision.removals.len(), "something goes twice");
        prop_assert_eq!(gone, expected(&case.graph, &case.recorded));
    }

    #[test]
    fn what_is_left_never_names_what_is_gone(case in cases()) {
        let Ok(decision) = decide(&case.graph, &case.recorded) else { return Ok(()) };
        // Interrupted at any point: of what was to go, nothing that is left has lost a part.
        for cut in 0..decision.removals.len() {
            let (gone, left) = decision.removals.split_at(cut);
            for digest in left {
                prop_assert!(!case.graph.nodes[digest].children.iter().any(|child| gone.contains(child)));
            }
        }
    }

    #[test]
    fn an_incomplete_graph_gives_no_decision(case in cases()) {
        let ours = ours(&case.graph, &case.recorded);
        let waits = |tag: &Tag| fallback_subject(tag).is_some_and(|subject| ours.contains(&subject));
        let roots = case.graph.tags.iter().filter(|(tag, _)| !waits(tag)).flat_map(|(_, it)| it.clone()).collect();
        let whole = parts(&case.graph, roots).iter().all(|digest| case.graph.nodes.contains_key(digest));
        if !whole {
            prop_assert!(decide(&case.graph, &case.recorded).is_err());
        }
    }

    #[test]
    fn tags_moved_between_two_scans_lose_nothing(
        case in cases(),
        moves in vec(prop::option::of((0..4_usize, 0..NODES_MAX)), 0..=8),
    ) {
        let mut world = case.graph.clone();
        let Ok(plan) = decide(&world, &case.recorded) else { return Ok(()) };
        let mut moves = moves.into_iter();
        for digest in &plan.removals {
            // Another user tags what is still there and whole, as a registry would let them.
            if let Some(Some((tag, target))) = moves.next()
                && parts(&world, vec![self::digest(target)]).iter().all(|part| world.nodes.contains_key(part))
            {
                world.tags.insert(format!("tag-{tag}").parse().unwrap(), vec![self::digest(target)]);
            }
            let Ok(now) = decide(&world, &case.recorded) else { break };
            if now.removals.contains(digest) {
                world.nodes.remove(digest);
                world.tags.retain(|_, targets| !targets.contains(digest));
            }
        }
        for (tag, targets) in world.tags.iter().filter(|(tag, _)| fallback_subject(tag).is_none()) {
            let before = parts(&case.graph, targets.clone());
            let whole_before = before.iter().all(|part| case.graph.nodes.contains_key(part));
            let whole = before.iter().all(|part| world.nodes.contains_key(part));
            prop_assert!(whole || !whole_before, "{tag} was whole and is not");
        }
    }
}
