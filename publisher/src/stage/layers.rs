//! The layers that the registries lack: taken out of podman, compressed, and sent while the next one is compressed.

use std::{
    cell::Cell,
    collections::{HashMap, HashSet},
    io::{self, BufWriter, Read},
    mem,
    ops::ControlFlow,
    path::{Path, PathBuf},
    sync::Arc,
};

use bytes::Bytes;
use futures::{StreamExt as _, stream::FuturesUnordered};
use tokio::sync::mpsc;

use super::{
    everywhere::{Registries, push_everywhere},
    gzip::{Compressed, compress},
    previous::Layer,
};
use crate::{
    event::{Event, Events},
    exit::{Exit, Failure},
    oci::{Digest, Platform},
    podman::{ImageId, Podman, Stop, StoredLayer},
    registry::{Blob, BlobSource},
};

/// What taking layers out of podman yields.
pub(super) struct Exported {
    /// The layers, by diff_id.
    pub(super) layers: HashMap<Digest, Layer>,
    /// The exact configuration, if the export came that far.
    pub(super) config: Option<Bytes>,
    /// Bytes sent, to all registries together.
    pub(super) bytes_uploaded: u64,
}

/// The layers to take and where to put them meanwhile.
pub(super) struct Wanted<'a> {
    pub(super) image: &'a ImageId,
    pub(super) platform: &'a Platform,
    pub(super) diff_ids: HashSet<Digest>,
    /// Where podman's store holds them, lowest first, as far as that is known.
    pub(super) stored: Vec<(Digest, StoredLayer)>,
    /// Whether the export must go on to its end, where the configuration is.
    pub(super) config: bool,
    /// A folder on a disk with room for the compressed layers.
    pub(super) spool: &'a Path,
}

/// Exports, compresses and pushes the wanted layers to all registries.
pub(super) async fn push_layers(
    podman: &Podman,
    wanted: Wanted<'_>,
    registries: &Registries,
    events: &Events,
) -> Result<Exported, Failure> {
    // When this function's future is dropped, the exporting thread stops.
    let (_keep, stop) =
        Stop::new().map_err(|error| Failure::new(Exit::Failed, "failed to set up the export").because(error))?;
    let (compressed, mut ready) = mpsc::unbounded_channel();
    let exporter = Exporter {
        podman: podman.clone(),
        image: wanted.image.clone(),
        platform: wanted.platform.clone(),
        missing: wanted.diff_ids,
        stored: wanted.stored,
        config: wanted.config,
        spool: wanted.spool.to_owned(),
        stop: Arc::new(stop),
        events: Arc::clone(events),
    };
    let export = tokio::task::spawn_blocking(move || exporter.run(&compressed));

    let mut layers = HashMap::new();
    let mut uploads = FuturesUnordered::new();
    let (mut exporting, mut bytes_uploaded) = (true, 0);
    while exporting || !uploads.is_empty() {
        tokio::select! {
            next = ready.recv(), if exporting => match next {
                Some((diff_id, blob)) => {
                    let blob: Blob = blob;
                    layers.insert(diff_id, Layer { digest: blob.digest.clone(), size: blob.size });
                    uploads.push(async move { push_everywhere(registries, &blob, wanted.platform, events).await });
                }
                None => exporting = false,
            },
            Some(pushed) = uploads.next() => bytes_uploaded += pushed?,
        }
    }
    let config = export.await.map_err(|_| Failure::new(Exit::Failed, "the exporting thread died"))??;
    Ok(Exported { layers, config, bytes_uploaded })
}

/// The half that blocks: runs on a thread of its own.
struct Exporter {
    podman: Podman,
    image: ImageId,
    platform: Platform,
    missing: HashSet<Digest>,
    stored: Vec<(Digest, StoredLayer)>,
    config: bool,
    spool: PathBuf,
    stop: Arc<Stop>,
    events: Events,
}

impl Exporter {
    fn run(mut self, compressed: &mpsc::UnboundedSender<(Digest, Blob)>) -> Result<Option<Bytes>, Failure> {
        self.read_from_store(compressed);
        if (self.missing.is_empty() && !self.config) || self.stop.is_set() {
            return Ok(None);
        }
        let (podman, image, stop) = (self.podman.clone(), self.image.clone(), Arc::clone(&self.stop));
        let mut spooling = None;
        let config = podman.export(&image, &stop, &mut |diff_id, _size, reader| {
            if self.stop.is_set() {
                return Ok(ControlFlow::Break(()));
            }
            if self.missing.contains(diff_id) {
                self.take(diff_id, reader, compressed).inspect_err(|error| spooling = Some(error.kind()))?;
            }
            let done = self.missing.is_empty() && !self.config;
            Ok(if done { ControlFlow::Break(()) } else { ControlFlow::Continue(()) })
        });
        let config = config.map_err(|error| self.explain(Failure::from(error), spooling))?;
        if let Some(diff_id) = self.missing.iter().next()
            && !self.stop.is_set()
        {
            return Err(Failure::new(Exit::Failed, format!("podman's export lacks the layer {diff_id}")));
        }
        Ok(config)
    }

    /// Takes what it can straight from the store. A layer that cannot be read there, or turns out to be another one,
    /// stays missing: podman is asked for it, and if the cause was another, its error is the one to report.
    fn read_from_store(&mut self, compressed: &mpsc::UnboundedSender<(Digest, Blob)>) {
        for (diff_id, layer) in mem::take(&mut self.stored) {
            if self.missing.contains(&diff_id) && !self.stop.is_set() {
                let _ = layer.open().and_then(|mut reader| self.take(&diff_id, &mut reader, compressed));
            }
        }
    }

    fn take(
        &mut self,
        diff_id: &Digest,
        reader: &mut dyn Read,
        compressed: &mpsc::UnboundedSender<(Digest, Blob)>,
    ) -> io::Result<()> {
        let blob = self.spool_layer(diff_id, reader)?;
        self.missing.remove(diff_id);
        // The receiver is gone when an upload failed: then the next layer is the last.
        let _ = compressed.send((diff_id.clone(), blob));
        Ok(())
    }

    fn spool_layer(&self, diff_id: &Digest, reader: &mut dyn Read) -> io::Result<Blob> {
        let (file, path) = tempfile::Builder::new().prefix("tallyman-layer-").tempfile_in(&self.spool)?.into_parts();
        let tell = |read, done| {
            let (platform, diff_id) = (self.platform.clone(), diff_id.clone());
            self.events.event(Event::LayerCompressed { platform, diff_id, read, done });
        };
        let mut reader = Stoppable { inner: reader, stop: &self.stop };
        let total = Cell::new(0);
        let Compressed { diff_id: seen, digest, size } = compress(&mut reader, &mut BufWriter::new(&file), &|read| {
            total.set(read);
            tell(read, false);
        })?;
        if seen != *diff_id {
            return Err(io::Error::other(format!("podman gave {seen} where the image has {diff_id}")));
        }
        tell(total.get(), true);
        Ok(Blob { digest, size, source: BlobSource::File(Arc::new(path)) })
    }

    fn explain(&self, failure: Failure, spooling: Option<io::ErrorKind>) -> Failure {
        match spooling {
            Some(io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded) => Failure::new(
                Exit::Failed,
                format!("no space left in {} for the compressed layers", self.spool.display()),
            )
            .because(failure)
            .hint("make room, or set TMPDIR to a folder on a larger disk"),
            Some(_) | None => failure,
        }
    }
}

/// A reader that fails as soon as the work is given up, so that no thread compresses for nobody.
struct Stoppable<'a> {
    inner: &'a mut dyn Read,
    stop: &'a Stop,
}

impl Read for Stoppable<'_> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        if self.stop.is_set() {
            return Err(io::Error::other("the run was given up"));
        }
        self.inner.read(buffer)
    }
}
