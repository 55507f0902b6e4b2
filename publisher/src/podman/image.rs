//! An image in podman's store.

use std::{
    fmt,
    path::{Path, PathBuf},
    str::FromStr,
};

use base64::{Engine as _, engine::general_purpose::STANDARD};
use bytes::Bytes;
use oci_spec::image::{Digest, DigestAlgorithm};
use serde::Deserialize;
use serde_json::Value;
use thiserror::Error;

use super::{Podman, PodmanError, StoredLayer};
use crate::oci::{Platform, digest_of};

/// The id of an image: the digest of its configuration.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct ImageId(Digest);

/// Why a text is no image id.
#[derive(Debug, Error, PartialEq, Eq)]
#[error("`{0}` is no image id")]
pub struct ImageIdError(String);

impl ImageId {
    /// The digest of the configuration.
    pub fn digest(&self) -> &Digest {
        &self.0
    }

    /// The 64 hexadecimal digits, podman's own notation.
    pub fn hex(&self) -> &str {
        self.0.digest()
    }
}

impl FromStr for ImageId {
    type Err = ImageIdError;

    /// Takes the digest with or without its algorithm, as podman prints both.
    fn from_str(text: &str) -> Result<Self, ImageIdError> {
        let digest = if text.contains(':') { text.parse() } else { format!("sha256:{text}").parse() };
        match digest {
            Ok(digest @ Digest { .. }) if digest.algorithm() == &DigestAlgorithm::Sha256 => Ok(Self(digest)),
            _ => Err(ImageIdError(text.into())),
        }
    }
}

impl fmt::Display for ImageId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// An image as podman describes it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ImageInfo {
    /// The image.
    pub id: ImageId,
    /// The operating system.
    pub os: String,
    /// The architecture by its Go name.
    pub architecture: String,
    /// The architecture's variant, where the configuration has one and could be read.
    pub variant: Option<String>,
    /// The digests of the uncompressed layers, lowest first; one may occur several times.
    pub diff_ids: Vec<Digest>,
    /// Where the store holds them, in the same order; empty where podman does not tell, or tells otherwise.
    pub stored: Vec<StoredLayer>,
    /// The exact bytes of the configuration, whose SHA-256 is the image's id, or nothing where only [`Podman::save`]
    /// has them.
    ///
    /// They lie in podman's store as a file. Its place is an implementation detail of containers/storage (tested with
    /// podman 4.3 and 5.8), so it is believed only when the digest agrees, and its absence is no error.
    pub config: Option<Bytes>,
}

impl ImageInfo {
    /// Whether the image says that it is of this platform.
    pub fn is_of(&self, platform: &Platform) -> bool {
        platform.is(&self.os, &self.architecture, self.variant.as_deref())
    }
}

impl Podman {
    /// Inspects an image.
    ///
    /// # Errors
    /// podman does not have it.
    pub async fn inspect(&self, id: &ImageId) -> Result<ImageInfo, PodmanError> {
        const COMMAND: &str = "podman image inspect";
        let answer = self.output(COMMAND, &["image", "inspect", &id.to_string()]).await?;
        let unclear = |error: serde_json::Error| PodmanError::answer(COMMAND, error);
        let [image] = serde_json::from_slice::<[Inspected; 1]>(&answer).map_err(unclear)?;
        let diff_ids = image.root_fs.layers.unwrap_or_default();
        let driver = image.graph_driver.unwrap_or_default();
        let stored = driver.layers().filter(|layers| layers.len() == diff_ids.len()).unwrap_or_default();
        let config = match driver.config_file(id) {
            Some(file) => tokio::fs::read(file).await.ok().filter(|bytes| digest_of(bytes) == *id.digest()),
            None => None,
        };
        // podman does not print the variant.
        let variant = config.as_ref().and_then(|config| {
            let config: Value = serde_json::from_slice(config).ok()?;
            Some(config.get("variant")?.as_str()?.to_owned()).filter(|variant| !variant.is_empty())
        });
        Ok(ImageInfo {
            id: id.clone(),
            os: image.os,
            architecture: image.architecture,
            variant,
            diff_ids,
            stored,
            config: config.map(Bytes::from),
        })
    }
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Inspected {
    os: String,
    architecture: String,
    #[serde(rename = "RootFS")]
    root_fs: RootFs,
    graph_driver: Option<GraphDriver>,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct RootFs {
    /// None where the image has none.
    layers: Option<Vec<Digest>>,
}

/// How and where an image's layers are stored.
#[derive(Default, Deserialize)]
#[serde(rename_all = "PascalCase", default)]
struct GraphDriver {
    name: String,
    data: Value,
}

impl GraphDriver {
    fn upper_dir(&self) -> Option<&Path> {
        Some(Path::new(self.data.get("UpperDir")?.as_str()?))
    }

    /// `<graph root>/<driver>-images/<id>/=<base64 of the digest>`: a record's file is named by its key in base64 where
    /// the key holds more than digits, lower-case letters and dots. The top layer lies in
    /// `<graph root>/<driver>/<layer>/diff`.
    fn config_file(&self, id: &ImageId) -> Option<PathBuf> {
        let images = self.upper_dir()?.ancestors().nth(3)?.join(format!("{}-images", self.name));
        Some(images.join(id.hex()).join(format!("={}", STANDARD.encode(id.to_string()))))
    }

    /// The layers, lowest first. `LowerDir` has folders with colons between them, the highest first.
    fn layers(&self) -> Option<Vec<StoredLayer>> {
        let upper = self.upper_dir().filter(|_| self.name == "overlay")?;
        let lower = self.data.get("LowerDir").and_then(Value::as_str).unwrap_or_default();
        let lower = lower.split(':').filter(|folder| !folder.is_empty()).map(Path::new);
        lower.rev().chain([upper]).map(StoredLayer::of).collect()
    }
}

#[cfg(test)]
mod tests {
    use tempfile::TempDir;

    use super::*;
    use crate::podman::tests::fake_podman;

    const CONFIG: &[u8] = br#"{"architecture":"arm","os":"linux","variant":"v7"}"#;
    const LAYER: &str = "sha256:2cf24dba5fb0a30e26e83b2ac5b9e29e1b161e5c1fa7425e73043362938b9824";

    fn id() -> ImageId {
        ImageId(digest_of(CONFIG))
    }

    /// A podman whose store holds `CONFIG` as these bytes.
    fn podman_with(stored: Option<&[u8]>) -> (TempDir, Podman) {
        let driver = r#"{"Name":"overlay","Data":{"UpperDir":"'$here'/store/overlay/0123/diff"}}"#;
        let (folder, podman) = fake_podman(&format!(
            "echo '[{{\"Os\":\"linux\",\"Architecture\":\"arm\",\"Size\":7,\"RootFS\":{{\"Layers\":[\"{LAYER}\"]}},\"GraphDriver\":{driver}}}]'"
        ));
        let record = folder.path().join("store/overlay-images").join(id().hex());
        std::fs::create_dir_all(&record).unwrap();
        if let Some(bytes) = stored {
            std::fs::write(record.join(format!("={}", STANDARD.encode(id().to_string()))), bytes).unwrap();
        }
        (folder, podman)
    }

    #[rstest::rstest]
    #[case("sha256:2cf24dba5fb0a30e26e83b2ac5b9e29e1b161e5c1fa7425e73043362938b9824", true)]
    #[case("2cf24dba5fb0a30e26e83b2ac5b9e29e1b161e5c1fa7425e73043362938b9824", true)]
    #[case("2cf24dba5fb0", false)]
    #[case("../../etc/passwd", false)]
    #[case("", false)]
    fn ids_are_whole_digests(#[case] text: &str, #[case] good: bool) {
        assert_eq!(text.parse::<ImageId>().map(|id| id.to_string()).is_ok_and(|id| id == LAYER), good);
    }

    #[rstest::rstest]
    #[case::whole(Some(CONFIG), Some("v7"))]
    #[case::absent(None, None)]
    #[case::another(Some(&b"something else"[..]), None)]
    #[tokio::test]
    async fn an_image_is_inspected(#[case] stored: Option<&'static [u8]>, #[case] variant: Option<&str>) {
        let (folder, podman) = podman_with(stored);
        let expected = ImageInfo {
            id: id(),
            os: "linux".into(),
            architecture: "arm".into(),
            variant: variant.map(Into::into),
            diff_ids: vec![LAYER.parse().unwrap()],
            stored: StoredLayer::of(&folder.path().join("store/overlay/0123/diff")).into_iter().collect(),
            config: variant.and(stored).map(Bytes::from_static),
        };
        assert_eq!(podman.inspect(&id()).await.unwrap(), expected);
    }
}
