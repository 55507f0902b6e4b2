//! A podman whose images are prepared by the test: a real process, real archives, no build.

use std::path::PathBuf;

use base64::{Engine as _, engine::general_purpose::STANDARD};
use serde_json::json;
use tempfile::TempDir;

use super::world::sha256;

/// What an image is made of.
pub(crate) struct FakeImage<'a> {
    /// `amd64`, `arm64`.
    pub(crate) architecture: &'a str,
    /// The uncompressed bytes of its layers.
    pub(crate) layers: &'a [Vec<u8>],
    /// Its label for the commit.
    pub(crate) revision: &'a str,
    /// Its label for the commit's time, in seconds since 1970.
    pub(crate) committed: u64,
}

/// A podman that ends with the test.
pub(crate) struct FakePodman(TempDir);

impl FakePodman {
    /// A podman of a good version, without images.
    pub(crate) fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        // Tests may be run from a copy of the project, where cargo and nextest say at run time where that is.
        let root = PathBuf::from(std::env::var_os("CARGO_MANIFEST_DIR").unwrap());
        let script = root.join("tests/e2e/support/fake-podman");
        std::os::unix::fs::symlink(script, folder.path().join("podman")).unwrap();
        let fake = Self(folder);
        fake.write("version", r#"{"Client":{"Version":"5.8.6"}}"#);
        fake
    }

    /// The program.
    pub(crate) fn program(&self) -> PathBuf {
        self.path("podman")
    }

    /// A file in its folder.
    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.0.path().join(name)
    }

    /// Writes a file into its folder.
    pub(crate) fn write(&self, name: &str, content: impl AsRef<[u8]>) {
        std::fs::write(self.path(name), content).unwrap();
    }

    /// How it was called so far, a line each.
    pub(crate) fn calls(&self) -> String {
        std::fs::read_to_string(self.path("calls")).unwrap_or_default()
    }

    /// From now on, a build for this image's architecture gives this image.
    pub(crate) fn prepare(&self, image: &FakeImage<'_>) {
        let diff_ids: Vec<String> = image.layers.iter().map(|layer| sha256(layer)).collect();
        let created = format_time(image.committed);
        let config = json!({
            "architecture": image.architecture, "os": "linux",
            "config": {
                "Healthcheck": { "Test": ["CMD", "true"] },
                "Labels": {
                    "org.opencontainers.image.revision": image.revision,
                    "org.opencontainers.image.created": created,
                },
            },
            "rootfs": { "type": "layers", "diff_ids": diff_ids },
        })
        .to_string();
        let id = sha256(config.as_bytes());
        let hex = id.trim_start_matches("sha256:");
        // As podman has it: the configuration lies in the store, where the top layer's folder leads to.
        let inspected = json!([{
            "Id": hex, "Os": "linux", "Architecture": image.architecture, "Size": 1,
            "RootFS": { "Layers": diff_ids },
            "GraphDriver": { "Name": "overlay", "Data": { "UpperDir": self.path("store/overlay/top/diff") } },
        }]);
        let record = self.path("store/overlay-images").join(hex);
        std::fs::create_dir_all(&record).unwrap();
        std::fs::write(record.join(format!("={}", STANDARD.encode(&id))), &config).unwrap();
        self.write(&format!("{}.id", image.architecture), &id);
        self.write(&format!("{hex}.json"), inspected.to_string());
        let mut archive = tar::Builder::new(Vec::new());
        let mut append = |name: &str, bytes: &[u8]| {
            let mut header = tar::Header::new_ustar();
            header.set_size(bytes.len() as u64);
            header.set_mode(0o644);
            archive.append_data(&mut header, name, bytes).unwrap();
        };
        for (layer, diff_id) in image.layers.iter().zip(&diff_ids) {
            append(&format!("{}.tar", diff_id.trim_start_matches("sha256:")), layer);
        }
        append(&format!("{hex}.json"), config.as_bytes());
        append("manifest.json", b"[]");
        self.write(&format!("{hex}.tar"), archive.into_inner().unwrap());
    }
}

/// RFC 3339 in UTC, by the tool that everybody has.
fn format_time(seconds: u64) -> String {
    let output =
        std::process::Command::new("date").args(["-u", "-d", &format!("@{seconds}"), "+%Y-%m-%dT%H:%M:%SZ"]).output();
    String::from_utf8(output.unwrap().stdout).unwrap().trim().to_owned()
}
