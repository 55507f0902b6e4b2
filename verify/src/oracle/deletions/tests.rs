//! Runs that clean up in either order, and the same with one deletion out of place.

use proptest::prelude::*;

use super::*;
use crate::oracle::testing::{REPOSITORY, Script};

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

fn judged(script: &Script, wanted: Order) -> usize {
    order(&script.history, REPOSITORY, "latest", &SERVERS, wanted).len()
}

#[test]
fn each_order_fits_itself_alone() {
    let (mut after, mut before) = (Script::default(), Script::default());
    moves(&mut after);
    deletes(&mut after);
    deletes(&mut before);
    moves(&mut before);
    assert_eq!((judged(&after, Order::MoveFirst), judged(&after, Order::DeleteFirst)), (0, 4));
    assert_eq!((judged(&before, Order::MoveFirst), judged(&before, Order::DeleteFirst)), (4, 0));
    assert_eq!(deletions(&after.history), [4, 5]);
}

#[test]
fn a_deletion_without_a_move_comes_too_early() {
    let mut script = Script::default();
    deletes(&mut script);
    assert_eq!((judged(&script, Order::MoveFirst), judged(&script, Order::DeleteFirst)), (4, 0));
}

#[test]
fn deletions_that_came_to_nothing_do_not_count() {
    let mut script = Script::default();
    script.ask("ghcr", Kind::ManifestDelete, "sha256:old", 405).ask("hub-api", Kind::HubTagDelete, "latest", 0);
    moves(&mut script);
    assert_eq!(judged(&script, Order::MoveFirst), 0);
    assert_eq!(deletions(&script.history), Vec::<usize>::new());
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
        let found = order(&script.history, REPOSITORY, "latest", &SERVERS, Order::MoveFirst);
        prop_assert!(!found.is_empty());
        prop_assert!(found.iter().all(|violation| violation.exchanges[0] == at));
    }
}
