//! One blob to several repositories.

use std::sync::Arc;

use super::{super::layers::push_everywhere, amd64, outcomes};
use crate::{
    event::{BlobOutcome, Event, Events},
    registry::{
        Registry,
        testing::{Answer, Effect, Fault, Scripted, Told, blob_of, registry},
    },
};

const BYTES: &[u8] = b"a layer";

/// Clients of these repositories.
fn repositories(of: &[(&Scripted, &str)]) -> Vec<Arc<Registry>> {
    of.iter().map(|(server, name)| Arc::new(registry(server, name).0)).collect()
}

#[tokio::test]
async fn a_second_repository_on_the_same_host_mounts_and_another_host_is_sent_to() {
    let (shared, other) = (Scripted::start(Vec::new()).await.with_tokens(), Scripted::start(Vec::new()).await);
    let registries = repositories(&[(&shared, "acme/one"), (&other, "acme/one"), (&shared, "acme/two")]);
    let (blob, told) = (blob_of(BYTES), Arc::new(Told::default()));
    let events = Arc::clone(&told) as Events;
    let sent = push_everywhere(&registries, &blob, &amd64(), &events).await.unwrap();
    assert_eq!(sent, 2 * BYTES.len() as u64);
    for (server, name) in [(&shared, "acme/one"), (&shared, "acme/two"), (&other, "acme/one")] {
        assert!(server.store(|store| store.blob(name, &blob.digest) == Some(BYTES)), "{name}");
    }
    assert_eq!(shared.story().matches("PATCH").count(), 1, "{}", shared.story());
    let outcomes = outcomes(&told);
    let count = |outcome| outcomes.iter().filter(|it| **it == outcome).count();
    assert_eq!((count(BlobOutcome::Uploaded), count(BlobOutcome::Mounted)), (2, 1));
}

#[tokio::test]
async fn what_is_there_is_told_and_not_counted() {
    let server = Scripted::start(Vec::new()).await;
    server.store(|store| store.put_blob("acme/one", BYTES));
    let (blob, told) = (blob_of(BYTES), Arc::new(Told::default()));
    let events = Arc::clone(&told) as Events;
    let sent = push_everywhere(&repositories(&[(&server, "acme/one")]), &blob, &amd64(), &events).await.unwrap();
    assert_eq!((sent, outcomes(&told)), (0, vec![BlobOutcome::Present]));
    assert!(!told.events().iter().any(|event| matches!(event, Event::Uploading { .. })));
}

#[tokio::test]
async fn one_registry_that_refuses_fails_all() {
    let denied = Effect::Answer(Answer::error(403, "DENIED"));
    let (one, two) =
        (Scripted::start(Vec::new()).await.lenient(), Scripted::start(vec![Fault::nth(1, "POST", "*", denied)]).await);
    let registries = repositories(&[(&one, "acme/one"), (&two, "acme/two")]);
    let events: Events = Arc::new(Told::default());
    let error = push_everywhere(&registries, &blob_of(BYTES), &amd64(), &events).await.unwrap_err();
    assert!(error.registry.contains("acme/two"), "{error}");
}
