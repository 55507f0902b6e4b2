//! The same bytes put on every registry.

use std::sync::Arc;

use futures::future::try_join_all;

use crate::{
    event::{Event, Events, LayerFate},
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
    let mut hosts: Vec<Vec<&Arc<Registry>>> = Vec::new();
    for registry in registries {
        match hosts.iter_mut().find(|group| group[0].repository().host == registry.repository().host) {
            Some(group) => group.push(registry),
            None => hosts.push(vec![registry]),
        }
    }
    let uploaded = try_join_all(hosts.iter().map(async |group| {
        let first = group[0].repository().name.as_str();
        let mut uploaded = 0;
        for (position, registry) in group.iter().enumerate() {
            let mount_from = (position > 0).then_some(first);
            let fate = registry.push_blob(blob, mount_from, &progress(registry, blob, platform, events)).await?;
            tell(registry, blob, platform, events, fate);
            if fate == LayerFate::Uploaded {
                uploaded += blob.size;
            }
        }
        Ok(uploaded)
    }))
    .await?;
    Ok(uploaded.into_iter().sum())
}

fn progress(registry: &Registry, blob: &Blob, platform: &Platform, events: &Events) -> Progress {
    let (registry, digest, size) = (registry.name().to_owned(), blob.digest.clone(), blob.size);
    let (platform, events) = (platform.clone(), Arc::clone(events));
    Arc::new(move |sent| {
        events.event(Event::Uploading {
            platform: platform.clone(),
            registry: registry.clone(),
            digest: digest.clone(),
            sent,
            size,
        });
    })
}

fn tell(registry: &Registry, blob: &Blob, platform: &Platform, events: &Events, fate: LayerFate) {
    events.event(Event::LayerSettled {
        platform: platform.clone(),
        registry: registry.name().into(),
        digest: blob.digest.clone(),
        size: blob.size,
        fate,
    });
}
