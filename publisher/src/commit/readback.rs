//! Reading a tag back after it was moved: what was accepted is not yet what is seen.
//!
//! Some registries answer the old content for a while after a write. That is a wait, reported apart, and no failure,
//! until it takes longer than [`READ_BACK_MAX`].

use std::time::Duration;

use tokio::time::Instant;

use crate::{
    oci::{Digest, Tag},
    registry::{Registry, RegistryError},
};

/// How long a registry may go on showing the old content.
pub const READ_BACK_MAX: Duration = Duration::from_secs(60);
/// The first pause between two looks; it doubles up to [`PAUSE_MAX`].
const PAUSE_FIRST: Duration = Duration::from_millis(100);
/// The longest pause between two looks.
const PAUSE_MAX: Duration = Duration::from_secs(5);

/// What a tag showed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum ReadBack {
    /// Ours, after this long.
    Ours(Duration),
    /// Neither ours nor what was there before: somebody else moved the tag meanwhile.
    Other(Digest),
    /// Still what was there before, for all of [`READ_BACK_MAX`].
    Stale(Option<Digest>),
}

/// Looks at a tag until it shows `ours`, somebody else's content, or time is up. `before` is what it showed before it
/// was moved.
pub(super) async fn read_back(
    registry: &Registry,
    tag: &Tag,
    ours: &Digest,
    before: Option<&Digest>,
) -> Result<ReadBack, RegistryError> {
    let start = Instant::now();
    let mut pause = PAUSE_FIRST;
    loop {
        let seen = registry.resolve(tag).await?;
        match seen {
            Some(digest) if digest == *ours => return Ok(ReadBack::Ours(start.elapsed())),
            Some(digest) if Some(&digest) != before => return Ok(ReadBack::Other(digest)),
            stale if start.elapsed() + pause > READ_BACK_MAX => return Ok(ReadBack::Stale(stale)),
            _ => tokio::time::sleep(pause).await,
        }
        pause = (pause * 2).min(PAUSE_MAX);
    }
}
