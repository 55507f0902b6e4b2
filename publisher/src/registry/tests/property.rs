//! Whatever goes wrong in an upload: the right bytes are there in the end, or none.

use proptest::{
    prelude::*,
    test_runner::{RngAlgorithm, TestRng, TestRunner},
};

use super::{
    super::testing::{Answer, Effect, Fault, Scripted, registry},
    NAME, SIZE, blob, bytes, push,
};
use crate::http::ATTEMPTS_MAX;

const CASES: u32 = 64;
const UPLOAD: &str = "/v2/acme/hello/blobs/uploads/u*";
const OTHERS: &[(&str, &str)] =
    &[("PUT", UPLOAD), ("GET", UPLOAD), ("HEAD", "/v2/acme/hello/blobs/sha256:*"), ("POST", "*"), ("GET", "/token")];

/// What can happen to the line and to the registry without a byte being changed.
fn trouble() -> impl Strategy<Value = Effect> {
    let statuses = vec![404, 408, 416, 429, 500, 503];
    prop_oneof![
        4 => (0..=SIZE, any::<bool>()).prop_map(|(after, kept)| Effect::Break { after, kept }),
        1 => Just(Effect::LoseAnswer),
        1 => Just(Effect::ExpireTokens),
        1 => prop::sample::select(statuses).prop_map(|status| Effect::Answer(Answer::status(status))),
        1 => Just(Effect::Answer(Answer::error(404, "BLOB_UPLOAD_UNKNOWN"))),
        1 => Just(Effect::EarlyAnswer(Answer::status(503))),
    ]
}

/// What happens to the first, second and third time that bytes are sent, and to any of the other requests.
fn table(sending: impl Strategy<Value = Effect>) -> impl Strategy<Value = Table> {
    let other = (1..=3_u32, prop::sample::select(OTHERS), trouble());
    (prop::collection::vec(sending, 0..=3), prop::collection::vec(other, 0..=3))
}

type Table = (Vec<Effect>, Vec<(u32, (&'static str, &'static str), Effect)>);

fn faults((sending, others): Table) -> Vec<Fault> {
    let sending = (1..).zip(sending).map(|(at, effect)| Fault::nth(at, "PATCH", UPLOAD, effect));
    let others = others.into_iter().map(|(at, (method, path), effect)| Fault::nth(at, method, path, effect));
    sending.chain(others).collect()
}

/// Runs a push against each of many tables, always the same ones.
fn for_all<T: std::fmt::Debug>(tables: impl Strategy<Value = T>, check: impl AsyncFn(T)) {
    let config = ProptestConfig { cases: CASES, failure_persistence: None, ..ProptestConfig::default() };
    let mut runner = TestRunner::new_with_rng(config, TestRng::deterministic_rng(RngAlgorithm::ChaCha));
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let run = |table| {
        runtime.block_on(check(table));
        Ok(())
    };
    runner.run(&tables, run).unwrap();
}

/// Pushes, and holds what came of it against what the registry has.
async fn push_through(server: &Scripted) {
    let (registry, _) = registry(server, NAME);
    let result = push(&registry).await;
    let there = server.store(|store| store.blob(NAME, &blob().digest).map(<[u8]>::to_vec));
    assert!(there.as_ref().is_none_or(|there| *there == bytes()), "other bytes, after {}", server.story());
    match result {
        Ok(_) => assert!(there.is_some(), "nothing, after {}", server.story()),
        Err(error) => assert!(error.attempts <= ATTEMPTS_MAX),
    }
    let opened = server.seen().iter().filter(|seen| seen.method == "POST" && seen.body == 0).count();
    assert!(opened <= 2 * ATTEMPTS_MAX as usize, "{}", server.story());
}

/// The registry stores whatever came, so that a byte sent twice or not at all would show.
#[test]
fn no_connection_failure_doubles_or_drops_a_byte() {
    for_all(table(trouble()), async |table| {
        let server = Scripted::start(faults(table)).await.with_tokens().trusting().lenient();
        push_through(&server).await;
    });
}

#[test]
fn damaged_bytes_are_never_stored() {
    let damage = prop_oneof![1 => trouble(), 2 => Just(Effect::DamageBody)];
    for_all(table(damage), async |table| {
        let server = Scripted::start(faults(table)).await.lenient();
        push_through(&server).await;
    });
}
