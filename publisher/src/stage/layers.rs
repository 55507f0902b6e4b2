//! The layers that the registries lack: read from podman, compressed, and sent while the next one is compressed.

use std::{
    collections::{HashMap, HashSet},
    io::{self, BufWriter, Read},
    num::NonZero,
    ops::ControlFlow,
    path::PathBuf,
    sync::Arc,
    thread,
};

use bytes::Bytes;
use futures::{
    StreamExt as _, TryStreamExt as _,
    channel::mpsc::{self, UnboundedSender},
    future::try_join_all,
    try_join,
};
use tokio::task::spawn_blocking;

use super::{
    StageOptions,
    gzip::{Compressed, compress},
    previous::Layer,
};
use crate::{
    event::{BlobOutcome, Event, Events},
    exit::{Exit, Failure},
    oci::{Digest, Platform},
    podman::{ImageInfo, Podman, StoredLayer},
    registry::{Blob, BlobSource, Progress, Registry, RegistryError},
};

/// The registries of a run.
pub(super) type Registries = [Arc<Registry>];

/// Compresses the layers with these `diff_ids` and pushes them to all registries. Reads the configuration as well where the
/// store does not show it. Returns that, and each layer with its diff_id and the number of bytes that were sent.
///
/// Layers come straight from podman's store where they can be read there, else from `podman save`.
pub(super) async fn push_layers(
    podman: &Podman,
    image: &ImageInfo,
    diff_ids: HashSet<Digest>,
    options: &StageOptions<'_>,
    registries: &Registries,
    events: &Events,
) -> Result<(Option<Bytes>, Vec<(Digest, Layer, u64)>), Failure> {
    let (compressed, receiver) = mpsc::unbounded();
    let mut compressor = LayerCompressor {
        missing: diff_ids,
        needs_config: image.config.is_none(),
        platform: options.platform.clone(),
        spool: options.spool.to_owned(),
        compressed,
        events: Arc::clone(events),
    };
    let stored: Vec<_> = image.diff_ids.iter().cloned().zip(image.stored.iter().cloned()).collect();
    let compressing = async {
        let from_store = spawn_blocking(move || {
            compressor.read_store(&stored);
            compressor
        });
        let mut compressor = from_store
            .await
            .map_err(|error| Failure::new(Exit::Failed, "failed to compress the layers").because(error))?;
        if compressor.is_done() {
            return Ok(None);
        }
        Ok(podman.save(&image.id, move |diff_id, content| compressor.take(diff_id, content)).await?)
    };
    let pushing = receiver
        .map(async |(diff_id, blob): (Digest, Blob)| {
            let uploaded = push_everywhere(registries, &blob, options.platform, events).await?;
            Ok::<_, Failure>((diff_id, Layer { digest: blob.digest.clone(), size: blob.size }, uploaded))
        })
        .buffer_unordered(usize::MAX)
        .try_collect::<Vec<_>>();
    try_join!(compressing, pushing)
}

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
        hosts.entry(&registry.repository.host).or_default().push(registry);
    }
    let uploaded = try_join_all(hosts.values().map(async |group| {
        let mut uploaded = 0;
        for (position, registry) in group.iter().enumerate() {
            let mount_from = (position > 0).then_some(group[0].repository.name.as_str());
            let outcome = registry.push_blob(blob, mount_from, &progress(registry, blob, platform, events)).await?;
            let (platform, registry, digest) = (platform.clone(), registry.name.clone(), blob.digest.clone());
            events.event(Event::BlobPushed { platform, registry, digest, size: blob.size, outcome });
            if outcome == BlobOutcome::Uploaded {
                uploaded += blob.size;
            }
        }
        Ok(uploaded)
    }));
    Ok(uploaded.await?.into_iter().sum())
}

fn progress(registry: &Registry, blob: &Blob, platform: &Platform, events: &Events) -> Progress {
    let (registry, digest, size) = (registry.name.clone(), blob.digest.clone(), blob.size);
    let (platform, events) = (platform.clone(), Arc::clone(events));
    Arc::new(move |sent| {
        let (platform, registry, digest) = (platform.clone(), registry.clone(), digest.clone());
        events.event(Event::Uploading { platform, registry, digest, sent, size });
    })
}

/// The half that blocks.
struct LayerCompressor {
    /// The layers that are not compressed yet.
    missing: HashSet<Digest>,
    needs_config: bool,
    platform: Platform,
    /// A folder on a disk with room for the compressed layers.
    spool: PathBuf,
    /// Where compressed layers go; closed when an upload failed or the run was cancelled.
    compressed: UnboundedSender<(Digest, Blob)>,
    events: Events,
}

impl LayerCompressor {
    fn is_done(&self) -> bool {
        self.missing.is_empty() && !self.needs_config
    }

    /// Compresses what can be read from the store. A layer that cannot be read there, or turns out to be another one,
    /// stays missing: podman is asked for it, and if the cause was another, its error is the one to report.
    fn read_store(&mut self, stored: &[(Digest, StoredLayer)]) {
        for (diff_id, layer) in stored {
            if self.missing.contains(diff_id) && !self.compressed.is_closed() {
                let _ = layer.open().and_then(|mut content| self.compress(diff_id, &mut content));
            }
        }
    }

    /// Takes a layer that `podman save` gives; breaks off when no more is needed.
    fn take(&mut self, diff_id: &Digest, content: &mut dyn Read) -> io::Result<ControlFlow<()>> {
        if self.missing.contains(diff_id) {
            self.compress(diff_id, content)?;
        }
        Ok(if self.is_done() { ControlFlow::Break(()) } else { ControlFlow::Continue(()) })
    }

    /// Compresses a layer into a file and hands it on.
    fn compress(&mut self, diff_id: &Digest, content: &mut dyn Read) -> io::Result<()> {
        let blob = self.spool_layer(diff_id, content).map_err(|error| match error.kind() {
            kind @ (io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded) => {
                let folder = self.spool.display();
                io::Error::new(kind, format!("no space left in {folder} for the compressed layers"))
            }
            _ => error,
        })?;
        self.missing.remove(diff_id);
        // It is closed when an upload failed, which is the error to report.
        let _ = self.compressed.unbounded_send((diff_id.clone(), blob));
        Ok(())
    }

    fn spool_layer(&self, diff_id: &Digest, content: &mut dyn Read) -> io::Result<Blob> {
        let (file, path) = tempfile::Builder::new().prefix("tallyman-layer-").tempfile_in(&self.spool)?.into_parts();
        let (platform, compressed) = (&self.platform, &self.compressed);
        let progress = |read| {
            self.events.event(Event::Compressing { platform: platform.clone(), diff_id: diff_id.clone(), read });
            if compressed.is_closed() { Err(io::Error::other("the run was cancelled")) } else { Ok(()) }
        };
        let (threads, mut output) = (thread::available_parallelism().map_or(1, NonZero::get), BufWriter::new(&file));
        let Compressed { diff_id: actual, digest, size } = compress(threads, content, &mut output, &progress)?;
        if actual != *diff_id {
            return Err(io::Error::other(format!("podman gave {actual} where the image has {diff_id}")));
        }
        self.events.event(Event::Compressed { platform: platform.clone(), diff_id: diff_id.clone() });
        Ok(Blob { digest, size, source: BlobSource::File(Arc::new(path)) })
    }
}
