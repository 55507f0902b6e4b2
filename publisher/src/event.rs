//! What a run tells while it works.
//!
//! The parts that work emit [`Event`]s and know nothing of terminals; [`crate::report`] turns them into progress bars,
//! log groups, a summary. Events carry no secret: they name registries, platforms and digests, never credentials.

use std::{sync::Arc, time::Duration};

use oci_spec::image::Digest;

use crate::oci::Platform;

/// One stretch of a run, timed and reported as such.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum Phase {
    /// `podman build` for one platform.
    Build(Platform),
    /// Layers, configuration and manifest of one platform put on all registries, by digest.
    Stage(Platform),
    /// The list put on all registries, by digest.
    List,
    /// The tag moved on all registries.
    Commit,
    /// The tag read back from all registries until they agree.
    ReadBack,
    /// What the tag pointed at before removed from all registries.
    Clean,
}

/// What becomes of one layer on one registry.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum LayerFate {
    /// The repository held it already; nothing was sent.
    Present,
    /// The registry linked it from another repository; nothing was sent.
    Mounted,
    /// It was sent.
    Uploaded,
}

/// Something that happened. Sizes are bytes; a registry is given by its short name.
#[expect(missing_docs, reason = "the variants say what their fields are")]
#[derive(Debug, Clone)]
pub enum Event {
    /// A phase began.
    PhaseStarted(Phase),
    /// A phase ended well.
    PhaseFinished(Phase, Duration),
    /// A line that `podman build` wrote.
    BuildLine(Platform, String),
    /// A layer known by its diff_id is in every repository: neither compressed nor sent. `size` is compressed.
    LayerKnown { platform: Platform, diff_id: Digest, size: u64 },
    /// More of a layer was read from podman and compressed. `read` counts up to the uncompressed size.
    LayerCompressed { platform: Platform, diff_id: Digest, read: u64, done: bool },
    /// More of a blob was taken by a registry.
    Uploading { platform: Platform, registry: String, digest: Digest, sent: u64, size: u64 },
    /// A blob is settled on a registry.
    LayerSettled { platform: Platform, registry: String, digest: Digest, size: u64, fate: LayerFate },
    /// An operation failed and will be tried again after `wait`.
    Retry { registry: String, operation: String, attempt: u32, attempts: u32, wait: Duration, cause: String },
    /// Something worth a line.
    Note(String),
    /// Something that the user may want to act on before it matters.
    Notice(String),
    /// Something that did not stop the run but that the user should know.
    Warning(String),
}

/// Takes events; called from many tasks at once, must not block for long.
pub trait Reporter: Send + Sync {
    /// Takes one event.
    fn event(&self, event: Event);
}

/// A shared reporter.
pub type Events = Arc<dyn Reporter>;
