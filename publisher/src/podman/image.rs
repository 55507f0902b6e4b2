//! An image in podman's store.

use std::path::{Path, PathBuf};

use base64::{Engine as _, engine::general_purpose::STANDARD};
use bytes::Bytes;
use serde::Deserialize as _;
use serde_json::Value;

use super::{Podman, PodmanError, StoredLayer};
use crate::oci::{Digest, Platform, digest_of};

/// An image as podman describes it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ImageInfo {
    /// The image's id: the digest of its configuration.
    pub id: Digest,
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
    pub async fn inspect(&self, id: &Digest) -> Result<ImageInfo, PodmanError> {
        let image = &self.json("image inspect", &[id.as_ref()]).await?[0];
        let text = |field: &str| image[field].as_str().unwrap_or_default().to_owned();
        // An image without layers has no list.
        let diff_ids: Vec<Digest> = Option::deserialize(&image["RootFS"]["Layers"])
            .map_err(|error| PodmanError::answer("image inspect", error))?
            .unwrap_or_default();
        let driver = &image["GraphDriver"];
        let stored = layers(driver).filter(|layers| layers.len() == diff_ids.len()).unwrap_or_default();
        let config = config_file(driver, id).and_then(|file| std::fs::read(file).ok());
        let config = config.filter(|bytes| digest_of(bytes) == *id).map(Bytes::from);
        // podman does not print the variant.
        let variant = config.as_ref().and_then(|config| {
            let config: Value = serde_json::from_slice(config).ok()?;
            Some(config.get("variant")?.as_str()?.to_owned()).filter(|variant| !variant.is_empty())
        });
        let (os, architecture) = (text("Os"), text("Architecture"));
        Ok(ImageInfo { id: id.clone(), os, architecture, variant, diff_ids, stored, config })
    }
}

/// `<graph root>/<driver>-images/<id>/=<base64 of the digest>`, where the top layer's files are in
/// `<graph root>/<driver>/<layer>/diff`. A record's file is named by its key in base64 where the
/// key holds more than digits, lower-case letters and dots.
fn config_file(driver: &Value, id: &Digest) -> Option<PathBuf> {
    let upper = Path::new(driver["Data"]["UpperDir"].as_str()?);
    let images = upper.ancestors().nth(3)?.join(format!("{}-images", driver["Name"].as_str()?));
    Some(images.join(id.digest()).join(format!("={}", STANDARD.encode(id.to_string()))))
}

/// The layers, lowest first. `LowerDir` has folders with colons between them, the highest first.
fn layers(driver: &Value) -> Option<Vec<StoredLayer>> {
    let upper = driver["Data"]["UpperDir"].as_str().filter(|_| driver["Name"] == "overlay")?;
    let lower = driver["Data"]["LowerDir"].as_str().unwrap_or_default();
    let lower = lower.split(':').filter(|folder| !folder.is_empty()).map(Path::new);
    lower.rev().chain([Path::new(upper)]).map(StoredLayer::of).collect()
}

#[cfg(test)]
mod tests {
    use tempfile::TempDir;

    use super::*;
    use crate::podman::tests::fake_podman;

    const CONFIG: &[u8] = br#"{"architecture":"arm","os":"linux","variant":"v7"}"#;
    const LAYER: &str = "sha256:2cf24dba5fb0a30e26e83b2ac5b9e29e1b161e5c1fa7425e73043362938b9824";

    fn id() -> Digest {
        digest_of(CONFIG)
    }

    /// A podman whose store holds `CONFIG` as these bytes.
    fn podman_with(stored: Option<&[u8]>) -> (TempDir, Podman) {
        let driver = r#"{"Name":"overlay","Data":{"UpperDir":"'$here'/store/overlay/0123/diff"}}"#;
        let (folder, podman) = fake_podman(&format!(
            "echo '[{{\"Os\":\"linux\",\"Architecture\":\"arm\",\"Size\":7,\"RootFS\":{{\"Layers\":[\"{LAYER}\"]}},\"GraphDriver\":{driver}}}]'"
        ));
        let record = folder.path().join("store/overlay-images").join(id().digest());
        std::fs::create_dir_all(&record).unwrap();
        if let Some(bytes) = stored {
            std::fs::write(record.join(format!("={}", STANDARD.encode(id().to_string()))), bytes).unwrap();
        }
        (folder, podman)
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
