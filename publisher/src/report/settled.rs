//! Counts what became of blobs, so that one line can say it for a platform on a registry.

use std::{collections::BTreeMap, mem};

use super::units;
use crate::{event::LayerFate, oci::Platform};

/// What became of the blobs of one platform on one registry.
#[derive(Default)]
struct Fates {
    uploaded: u64,
    uploaded_bytes: u64,
    mounted: u64,
    present: u64,
}

/// The counts of a run.
#[derive(Default)]
pub(super) struct Settled {
    fates: BTreeMap<(Platform, String), Fates>,
    /// How many layers of a platform were known everywhere, and their bytes.
    known: BTreeMap<Platform, (u64, u64)>,
}

impl Settled {
    /// Counts one blob.
    pub(super) fn add(&mut self, platform: Platform, registry: String, size: u64, fate: LayerFate) {
        let fates = self.fates.entry((platform, registry)).or_default();
        match fate {
            LayerFate::Present => fates.present += 1,
            LayerFate::Mounted => fates.mounted += 1,
            LayerFate::Uploaded => {
                fates.uploaded += 1;
                fates.uploaded_bytes += size;
            }
        }
    }

    /// Counts one layer that every repository held before.
    pub(super) fn add_known(&mut self, platform: Platform, size: u64) {
        let (layers, bytes) = self.known.entry(platform).or_default();
        *layers += 1;
        *bytes += size;
    }

    /// A line for the layers known everywhere and one for each registry that has blobs of this platform; their counts are done with.
    pub(super) fn take(&mut self, platform: &Platform) -> Vec<String> {
        let known = self.known.remove(platform).map(|(layers, bytes)| {
            let (layers, bytes) = (units::count(layers, "layer"), units::bytes(bytes));
            format!("{platform}: {layers} known everywhere, {bytes} not sent")
        });
        let (of_platform, others): (BTreeMap<_, _>, _) =
            mem::take(&mut self.fates).into_iter().partition(|((of, _), _)| of == platform);
        self.fates = others;
        let fates =
            of_platform.into_iter().map(|((_, registry), fates)| format!("{platform} {registry}: {}", fates.words()));
        known.into_iter().chain(fates).collect()
    }
}

impl Fates {
    fn words(&self) -> String {
        let mut words = Vec::new();
        if self.uploaded > 0 {
            words.push(format!("{} uploaded ({})", self.uploaded, units::bytes(self.uploaded_bytes)));
        }
        if self.mounted > 0 {
            words.push(format!("{} mounted", self.mounted));
        }
        if self.present > 0 {
            words.push(format!("{} already there", self.present));
        }
        words.join(", ")
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::report::testing::{amd64, arm64};

    #[test]
    fn each_platform_is_told_once_registry_by_registry() {
        let mut settled = Settled::default();
        settled.add(amd64(), "hub".into(), 500, LayerFate::Uploaded);
        settled.add(amd64(), "hub".into(), 700, LayerFate::Uploaded);
        settled.add(amd64(), "hub".into(), 9, LayerFate::Mounted);
        settled.add(amd64(), "ghcr".into(), 9, LayerFate::Present);
        settled.add(arm64(), "ghcr".into(), 9, LayerFate::Present);
        settled.add_known(amd64(), 40);
        settled.add_known(amd64(), 2);
        let told = [
            "linux/amd64: 2 layers known everywhere, 42 B not sent",
            "linux/amd64 ghcr: 1 already there",
            "linux/amd64 hub: 2 uploaded (1.2 kB), 1 mounted",
        ];
        assert_eq!(settled.take(&amd64()), told);
        assert_eq!(settled.take(&amd64()), [""; 0]);
        assert_eq!(settled.take(&arm64()), ["linux/arm64 ghcr: 1 already there"]);
    }
}
