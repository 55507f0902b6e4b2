//! The events of a run, for its report.
//!
//! The parts that work emit [`Event`]s and know nothing of terminals; [`crate::report`] turns them into progress bars,
//! log groups, a summary. Events carry no secret: they name registries, platforms and digests, never credentials.

use std::{fmt, sync::Arc, time::Duration};

use oci_spec::image::Digest;

use crate::oci::Platform;

/// A phase of a run, timed and reported as such.
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

impl Phase {
    /// The name in data: `build`, `read_back`.
    pub fn name(&self) -> &'static str {
        match self {
            Self::Build(_) => "build",
            Self::Stage(_) => "stage",
            Self::List => "list",
            Self::Commit => "commit",
            Self::ReadBack => "read_back",
            Self::Clean => "clean",
        }
    }

    /// The platform, where the phase belongs to one.
    pub fn platform(&self) -> Option<&Platform> {
        match self {
            Self::Build(platform) | Self::Stage(platform) => Some(platform),
            Self::List | Self::Commit | Self::ReadBack | Self::Clean => None,
        }
    }
}

/// What the phase does: `build linux/arm64`, `move the tag`.
impl fmt::Display for Phase {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Build(platform) => write!(f, "build {platform}"),
            Self::Stage(platform) => write!(f, "stage {platform}"),
            Self::List => f.write_str("stage the list"),
            Self::Commit => f.write_str("move the tag"),
            Self::ReadBack => f.write_str("read the tag back"),
            Self::Clean => f.write_str("clean up"),
        }
    }
}

/// How a registry got a blob.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum BlobOutcome {
    /// The repository had it already; nothing was sent.
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
    /// A phase succeeded.
    PhaseFinished(Phase, Duration),
    /// A line that `podman build` wrote.
    BuildLine(Platform, String),
    /// Every repository has a layer with this diff_id: it is neither compressed nor sent. `size` is compressed.
    LayerKnown { platform: Platform, diff_id: Digest, size: u64 },
    /// More of a layer was read from podman and compressed. `read` counts up to the uncompressed size.
    Compressing { platform: Platform, diff_id: Digest, read: u64 },
    /// A layer is compressed.
    Compressed { platform: Platform, diff_id: Digest },
    /// More of a blob was sent to a registry.
    Uploading { platform: Platform, registry: String, digest: Digest, sent: u64, size: u64 },
    /// A registry has a blob.
    BlobPushed { platform: Platform, registry: String, digest: Digest, size: u64, outcome: BlobOutcome },
    /// An operation failed and will be tried again after `wait`.
    Retry { registry: String, operation: String, attempt: u32, attempts: u32, wait: Duration, cause: String },
    /// A message for the log.
    Note(String),
    /// A message that the user may want to act on before it matters.
    Notice(String),
    /// A problem that did not stop the run.
    Warning(String),
}

/// Takes events; called from many tasks at once, must not block for long.
pub trait Reporter: Send + Sync {
    /// Takes one event.
    fn event(&self, event: Event);
}

/// A shared reporter.
pub type Events = Arc<dyn Reporter>;
