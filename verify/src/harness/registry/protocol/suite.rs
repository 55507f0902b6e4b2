//! Runs the table against every backend.

use std::{collections::BTreeSet, sync::Arc};

use super::{
    base,
    behaviour::Behaviour,
    blobs, broken,
    client::{self, It},
    deletion,
    differences::DIFFERENCES,
    guarded, listing, manifests, negotiation, uploads,
};
use crate::harness::{
    registry::{Backend, Registry},
    token::{TokenService, TokenSettings},
};

/// What an open registry does.
const OPEN: &[&[Behaviour]] = &[
    base::BEHAVIOURS,
    uploads::BEHAVIOURS,
    broken::BEHAVIOURS,
    blobs::BEHAVIOURS,
    manifests::BEHAVIOURS,
    negotiation::BEHAVIOURS,
    deletion::BEHAVIOURS,
    listing::BEHAVIOURS,
];
/// What a registry does that wants tokens.
const GUARDED: &[&[Behaviour]] = &[guarded::BEHAVIOURS];

/// What must be seen of a backend.
fn expected(behaviour: &Behaviour, backend: Backend) -> &'static str {
    let difference = DIFFERENCES.iter().find(|difference| difference.claim == behaviour.claim);
    match difference {
        Some(difference) if backend == Backend::Embedded => difference.embedded,
        _ => behaviour.expected,
    }
}

/// Runs behaviours one after the other, each in a repository of its own, and tells all that are not as they should be.
async fn run(table: &[&[Behaviour]], registry: &Registry, tokens: Option<Arc<TokenService>>) {
    let http = client::http();
    let mut wrong = Vec::new();
    for (number, behaviour) in table.iter().flat_map(|part| part.iter()).enumerate() {
        let it = It {
            http: http.clone(),
            host: registry.host().to_owned(),
            repository: format!("suite/t{number:03}"),
            tokens: tokens.clone(),
            authorization: None,
        };
        let (seen, expected) = ((behaviour.run)(it).await, expected(behaviour, registry.backend()));
        if seen != expected {
            wrong.push(format!("{}\n  expected {expected}\n  seen     {seen}", behaviour.claim));
        }
    }
    assert!(wrong.is_empty(), "{:?}:\n{}", registry.backend(), wrong.join("\n"));
}

async fn open(backend: Backend) {
    let registry = Registry::start(backend, None).await.unwrap();
    run(OPEN, &registry, None).await;
}

async fn guarded(backend: Backend) {
    let tokens = TokenService::start(TokenSettings::new(guarded::SERVICE, Vec::new())).await.unwrap();
    let registry = Registry::start(backend, Some(&tokens.auth(guarded::REALM))).await.unwrap();
    run(GUARDED, &registry, Some(Arc::new(tokens))).await;
}

#[rstest::rstest]
#[case::embedded(Backend::Embedded)]
#[case::process(Backend::Process)]
#[case::container(Backend::Container)]
#[tokio::test]
async fn open_registries_behave(#[case] backend: Backend) {
    open(backend).await;
}

#[rstest::rstest]
#[case::embedded(Backend::Embedded)]
#[case::process(Backend::Process)]
#[case::container(Backend::Container)]
#[tokio::test]
async fn guarded_registries_behave(#[case] backend: Backend) {
    guarded(backend).await;
}

#[test]
fn every_claim_stands_once_and_every_difference_is_one() {
    let all: Vec<&Behaviour> = OPEN.iter().chain(GUARDED).flat_map(|part| part.iter()).collect();
    let claims: BTreeSet<&str> = all.iter().map(|behaviour| behaviour.claim).collect();
    assert_eq!(claims.len(), all.len());
    for difference in DIFFERENCES {
        let behaviour = all.iter().find(|behaviour| behaviour.claim == difference.claim);
        assert_ne!(behaviour.map(|it| it.expected), Some(difference.embedded), "{}", difference.claim);
        assert!(behaviour.is_some() && !difference.why.is_empty(), "{}", difference.claim);
    }
}
