//! One entry of a list, or the one image that a reference names itself.

use serde::{Deserialize, Serialize};

use super::{Config, Descriptor, Executable, Manifest, Platform, executable::machine_of};

/// An image, or an attestation about one.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct Child {
    /// How the list names it; none if the reference itself does.
    pub descriptor: Option<Descriptor>,
    /// Its manifest, if that could be read. Attestations' are not read, only asked for.
    pub manifest: Option<Manifest>,
    /// How its manifest names its configuration.
    pub config_descriptor: Option<Descriptor>,
    /// Its configuration, if that could be read.
    pub config: Option<Config>,
    /// Its layers, the lowest first.
    pub layers: Vec<Layer>,
    /// The programs that its entry point and its health check reach; none if nobody looked, or could.
    pub executables: Option<Vec<Executable>>,
}

/// A layer of an image.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Layer {
    /// How the manifest names it.
    pub descriptor: Descriptor,
    /// The size that the registry told; none if it told none or has no such layer.
    pub stated_size: Option<u64>,
    /// What was found in it; none if it was not read.
    pub content: Option<LayerContent>,
}

/// What was found by reading a layer.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct LayerContent {
    /// How many bytes came.
    pub size: u64,
    /// Their digest.
    pub digest: String,
    /// The digest of what they unpack to; none if they do not.
    pub diff_id: Option<String>,
    /// Why they could not be unpacked or read as an archive.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub problem: Option<String>,
}

impl Child {
    /// Whether it is an attestation: no image.
    pub fn is_attestation(&self) -> bool {
        self.descriptor.as_ref().is_some_and(Descriptor::is_attestation)
    }

    /// What it is made for: by the list's account, else by its own.
    pub fn platform(&self) -> Option<&Platform> {
        let listed = self.descriptor.as_ref().and_then(|it| it.platform.as_ref());
        listed.or_else(|| self.config.as_ref()?.facts.platform.as_ref())
    }

    /// That in words: `linux/arm64`.
    pub fn platform_name(&self) -> String {
        self.platform().map_or_else(|| "unknown".to_owned(), Platform::name)
    }

    /// The value of a label.
    pub fn label(&self, name: &str) -> Option<&str> {
        self.config.as_ref()?.facts.labels.get(name).map(String::as_str)
    }

    /// Its digest: of the manifest that was read, else as the list names it.
    pub fn digest(&self) -> Option<&str> {
        let read = self.manifest.as_ref().map(|it| it.digest.as_str());
        read.or_else(|| self.descriptor.as_ref().map(|it| it.digest.as_str()))
    }

    /// The programs that are made for another processor than the image says, or that are not there.
    pub fn unusable_executables(&self) -> impl Iterator<Item = &Executable> {
        let machine = self.platform().and_then(|platform| machine_of(&platform.architecture));
        self.executables.iter().flatten().filter(move |it| !it.runs_on(machine))
    }
}
