//! Runs that clean up after the tag has moved, and the same with one deletion out of place.

use proptest::prelude::*;

use crate::{
    history::Kind,
    oracle::{
        Violation, deleted_early,
        testing::{REPOSITORY, Script},
    },
};

const SERVERS: [&str; 2] = ["ghcr", "dockerhub"];

fn moves(script: &mut Script) {
    for server in SERVERS {
        script.put(server, "latest", "sha256:new", 503).put(server, "latest", "sha256:new", 201);
    }
}

fn deletes(script: &mut Script) {
    script.ask("github-api", Kind::PackageVersionDelete, "1", 204);
    script.ask("dockerhub", Kind::ManifestDelete, "sha256:old", 202);
}

fn judged(script: &Script) -> Vec<Violation> {
    deleted_early(&script.history, REPOSITORY, "latest", &SERVERS.map(String::from))
}

#[test]
fn deletions_come_after_the_move_on_all_registries() {
    let (mut after, mut before, mut alone) = (Script::default(), Script::default(), Script::default());
    moves(&mut after);
    deletes(&mut after);
    deletes(&mut before);
    moves(&mut before);
    deletes(&mut alone);
    assert_eq!((judged(&after).len(), judged(&before).len(), judged(&alone).len()), (0, 4, 4));
}

#[test]
fn deletions_that_came_to_nothing_do_not_count() {
    let mut script = Script::default();
    script.ask("ghcr", Kind::ManifestDelete, "sha256:old", 405).ask("hub-api", Kind::HubTagDelete, "latest", 0);
    moves(&mut script);
    assert_eq!(judged(&script), []);
}

proptest! {
    /// However far before the last move a deletion begins, it is caught.
    #[test]
    fn one_deletion_too_early_is_caught(at in 0_usize..4) {
        let mut script = Script::default();
        moves(&mut script);
        deletes(&mut script);
        let early = script.history.remove(4);
        script.history.insert(at, early);
        for (number, exchange) in script.history.iter_mut().enumerate() {
            (exchange.began_ms, exchange.ended_ms) = (number as u64, number as u64 + 1);
        }
        let found = judged(&script);
        prop_assert!(!found.is_empty());
        prop_assert!(found.iter().all(|violation| violation.exchanges[0] == at));
    }
}
