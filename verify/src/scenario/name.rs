//! The scenarios by name.

use clap::ValueEnum;
use serde::{Deserialize, Serialize};

/// What a pipeline is made to do.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
#[derive(ValueEnum)]
pub enum Scenario {
    /// A real image is published, read, pulled and run, over TLS.
    Images,
    /// A build of main, a release, a build of changed main.
    Releases,
    /// Git tags of every form, good and bad, are decided on.
    Versions,
    /// A git tag is pushed that is no version.
    BadVersion,
    /// Secrets that are missing, one at a time.
    MissingSecrets,
    /// Builds that are started by hand.
    Manual,
    /// One platform cannot be built.
    BuildFails,
    /// One platform cannot be pushed to one registry.
    PushFails,
    /// One platform's hand-over is not there.
    HandoverMissing,
    /// One platform's hand-over comes from another run.
    HandoverForeign,
    /// One registry does not take the tag.
    TagRefused,
    /// Every kind of request fails twice and then works.
    Transients,
    /// Registries refuse for good.
    Refusals,
    /// Every kind of request fails for good, each in a run of its own.
    Outages,
    /// Registries say how long to wait.
    RateLimits,
    /// A token expires on the way.
    TokenExpires,
    /// An upload breaks off in the middle.
    BrokenUpload,
    /// The run is cancelled while it pushes.
    Cancelled,
    /// The run is cancelled just before it moves the tags, and between two of them.
    CancelledLate,
    /// A run of an older commit ends after that of a newer one.
    Overtaken,
    /// The run is killed between two registries' tags; the next heals.
    Killed,
    /// A registry shows late what it accepted.
    StaleReads,
    /// The same source is built again, each time with an empty store.
    Cached,
    /// The layer cache takes nothing.
    CacheDown,
    /// Many builds and releases, one of them with the digest of a `latest`.
    Accumulation,
    /// The very first build, with nothing to clean up.
    FirstEver,
    /// Clean-up is denied.
    CleanupDenied,
    /// A tag cannot be read when it must be known what it needs.
    CleanupBlind,
}

impl Scenario {
    /// All, in the order in which they are run.
    pub fn all() -> &'static [Self] {
        Self::value_variants()
    }

    /// Whether the images that are published in it are read, pulled and run.
    pub const fn inspects_images(self) -> bool {
        matches!(self, Self::Images)
    }

    /// Whether its registries speak TLS, with certificates of an authority that only the pipeline is told of.
    pub const fn speaks_tls(self) -> bool {
        matches!(self, Self::Images)
    }

    /// Whether one platform is built after the other: where attempts are counted, requests must belong to one build.
    pub const fn builds_in_turn(self) -> bool {
        matches!(self, Self::Transients | Self::Refusals | Self::Outages | Self::RateLimits)
    }

    /// Whether anything is built in it.
    pub const fn builds(self) -> bool {
        !matches!(self, Self::Versions | Self::MissingSecrets)
    }

    /// Its name with what happens in it: `build-fails: one platform cannot be built`.
    pub fn words(self) -> String {
        let help = self.to_possible_value().and_then(|value| value.get_help().map(ToString::to_string));
        let mut help = help.unwrap_or_default();
        if let Some(first) = help.get_mut(..1) {
            first.make_ascii_lowercase();
        }
        format!("{}: {help}", self.name())
    }

    /// Its name on the command line: `build-fails`.
    pub fn name(self) -> String {
        self.to_possible_value().map_or_else(|| format!("{self:?}"), |value| value.get_name().to_owned())
    }
}
