//! The same bytes put on every registry.

use std::{collections::HashMap, sync::Arc};

use futures::future::try_join_all;

use crate::{
    event::{BlobOutcome, Event, Events},
    oci::Platform,
    registry::{Blob, Progress, Registry, RegistryError},
};

/// The registries of a run.
pub(super) type Registries = [Arc<Registry>];

/// Puts a blob on all registries at once. Repositories on the same host share their blobs: the first gets the bytes,
/// the others mount them from it (distribution specification 1.1, "Mounting a blob from another repository"). Returns
/// the number of bytes that were sent.
pub(super) async fn push_everywhere(
    registries: &Registries,
    blob: &Blob,
    platform: &Platform,
    events: &Events,
) -> Result<u64, RegistryError> {
    let mut hosts: HashMap<_, Vec<&Registry>> = HashMap::new();
    for registry in registries {
        hosts.entry(&registry.repository().host).or_default().push(registry);
    }
    let uploaded = try_join_all(hosts.values().map(async |group| {
        let mut uploaded = 0;
        for (position, registry) in group.iter().enumerate() {
            let mount_from = (position > 0).then_some(group[0].repository().name.as_str());
            let outcome = registry.push_blob(blob, mount_from, &progress(registry, blob, platform, events)).await?;
            events.event(Event::BlobPushed {
                platform: platform.clone(),
                registry: registry.name().into(),
                digest: blob.digest.clone(),
                size: blob.size,
                outcome,
            });
            if outcome == BlobOutcome::Uploaded {
                uploaded += blob.size;
            }
        }
        Ok(uploaded)
    }));
    Ok(uploaded.await?.into_iter().sum())
}

fn progress(registry: &Registry, blob: &Blob, platform: &Platform, events: &Events) -> Progress {
    let (registry, digest, size) = (registry.name().to_owned(), blob.digest.clone(), blob.size);
    let (platform, events) = (platform.clone(), Arc::clone(events));
    Arc::new(move |sent| {
        let (platform, registry, digest) = (platform.clone(), registry.clone(), digest.clone());
        events.event(Event::Uploading { platform, registry, digest, sent, size });
    })
}
