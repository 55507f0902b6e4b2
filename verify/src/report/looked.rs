//! What was looked at: each reference on each registry, and its images by platform.

use std::fmt::Write as _;

use serde::Serialize;

use super::Report;
use crate::client::{Child, Publication, Wait};

/// How much of a digest people compare.
const SHORT_CHARS: usize = "sha256:".len() + 12;

/// One reference on one registry.
#[derive(Debug, Clone, Serialize)]
pub struct Looked {
    /// `ghcr.io/acme/hello:latest`
    pub reference: String,
    /// What it names; none if it is not there.
    pub digest: Option<String>,
    /// The images that it consists of.
    pub images: Vec<LookedImage>,
}

/// An image for one platform.
#[derive(Debug, Clone, Serialize)]
pub struct LookedImage {
    /// `linux/arm64`
    pub platform: String,
    /// The digest of its manifest.
    pub digest: Option<String>,
}

impl From<&Publication> for Looked {
    fn from(publication: &Publication) -> Self {
        let separator = if publication.reference.contains(':') { '@' } else { ':' };
        let image =
            |child: &Child| LookedImage { platform: child.platform_name(), digest: child.digest().map(str::to_owned) };
        Self {
            reference: format!("{}{separator}{}", publication.repository, publication.reference),
            digest: publication.digest().map(str::to_owned),
            images: publication.platforms().map(image).collect(),
        }
    }
}

impl LookedImage {
    /// `linux/arm64 sha256:705ad3373fed`
    pub(super) fn short(&self) -> String {
        format!("{} {}", self.platform, short(self.digest.as_deref()))
    }
}

/// In words: `ghcr.io/acme/hello:latest: waited 3.2 s until it shows sha256:…`.
pub(super) fn wait_text(wait: &Wait) -> String {
    #[expect(clippy::cast_precision_loss, reason = "for people, in seconds")]
    let seconds = wait.waited_ms as f64 / 1000.0;
    let in_vain = if wait.came { "" } else { " in vain" };
    format!("{}: waited {seconds:.1} s{in_vain} until {}", wait.place, wait.until)
}

/// What was looked at and waited for, as lines; nothing where nothing was.
pub(super) fn looked_text(report: &Report) -> String {
    let mut text = String::new();
    // Writing to a string cannot fail.
    for looked in &report.looked {
        let _ = writeln!(text, "looked at {}  {}", looked.reference, short(looked.digest.as_deref()));
        for image in &looked.images {
            let _ = writeln!(text, "  {}", image.short());
        }
    }
    for wait in &report.waits {
        let _ = writeln!(text, "{}", wait_text(wait));
    }
    if text.is_empty() { text } else { text + "\n" }
}

/// A digest, shortened, or that it is not there.
fn short(digest: Option<&str>) -> &str {
    digest.map_or("not there", |digest| digest.get(..SHORT_CHARS).unwrap_or(digest))
}
