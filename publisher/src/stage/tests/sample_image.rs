//! A small image: in podman's store, and as somebody published it before.

use base64::{Engine as _, engine::general_purpose::STANDARD};
use serde_json::{Value, json};
use tar::{Builder, Header};
use tempfile::TempDir;

use super::{
    super::{Commit, config::normalise},
    NAME,
};
use crate::{
    oci::{DOCKER_CONFIG, DOCKER_LAYER_GZIP, DOCKER_LIST, DOCKER_MANIFEST, Digest, RawManifest, digest_of},
    podman::{
        Podman,
        store::tests::{bytes, store_layer},
        tests::fake_podman,
    },
    registry::testing::Scripted,
};

/// An image for linux/amd64 with these layers.
pub(super) struct SampleImage {
    layers: Vec<&'static str>,
    config: Vec<u8>,
    /// What its published layers are said to be.
    pub(super) layer_type: &'static str,
}

impl SampleImage {
    /// An image that differs by `name` from others with the same layers.
    pub(super) fn new(name: &str, layers: &[&'static str]) -> Self {
        let diff_ids: Vec<_> = layers.iter().map(|layer| digest_of(layer.as_bytes())).collect();
        let config = json!({"architecture": "amd64", "os": "linux", "name": name, "rootfs": {"diff_ids": diff_ids}});
        // As we publish it: then it stays as it is.
        let config = normalise(config.to_string().as_bytes(), &Commit::default()).unwrap();
        Self { layers: layers.to_vec(), config: config.into(), layer_type: DOCKER_LAYER_GZIP }
    }

    /// The same image as podman has it that built it at another time.
    pub(super) fn built_at(mut self, created: &str) -> Self {
        let mut config: Value = serde_json::from_slice(&self.config).unwrap();
        config["created"] = json!(created);
        self.config = config.to_string().into();
        self
    }

    pub(super) fn id(&self) -> Digest {
        self.config_digest()
    }

    pub(super) fn config_digest(&self) -> Digest {
        digest_of(&self.config)
    }

    pub(super) fn diff_ids(&self) -> Vec<Digest> {
        self.layers.iter().map(|layer| digest_of(layer.as_bytes())).collect()
    }

    /// A podman that has it in its store.
    pub(super) fn in_podman(&self) -> (TempDir, Podman) {
        let (folder, podman) = fake_podman(
            "case $1 in image) cat \"$here/inspect.json\" ;; save) echo >>\"$here/saves\"; cat \"$here/archive.tar\" ;; esac",
        );
        let store = folder.path().join("store");
        self.tell(&folder, &json!({"UpperDir": store.join("overlay/top/diff")}));
        std::fs::write(folder.path().join("archive.tar"), self.archive()).unwrap();
        let record = store.join("overlay-images").join(self.id().digest());
        std::fs::create_dir_all(&record).unwrap();
        let key = STANDARD.encode(self.id().to_string());
        std::fs::write(record.join(format!("={key}")), &self.config).unwrap();
        (folder, podman)
    }

    /// The same where the store shows the layers themselves; the one called `spoiled` is not what it should be.
    pub(super) fn in_open_store(&self, spoiled: &str) -> (TempDir, Podman) {
        let (folder, podman) = self.in_podman();
        let stored = self.layers.iter().enumerate().map(|(height, layer)| {
            let content = if *layer == spoiled { "something else" } else { layer };
            store_layer(&folder.path().join("store"), &format!("layer-{height}"), &[bytes(content.as_bytes())])
        });
        let mut folders: Vec<_> = stored.map(|files| files.to_str().unwrap().to_owned()).collect();
        folders.reverse();
        self.tell(&folder, &json!({"UpperDir": folders[0], "LowerDir": folders[1..].join(":")}));
        (folder, podman)
    }

    /// Lets podman say where the image is stored.
    fn tell(&self, folder: &TempDir, folders: &Value) {
        let inspected = json!([{
            "Os": "linux", "Architecture": "amd64", "RootFS": {"Layers": (!self.layers.is_empty()).then(|| self.diff_ids())},
            "GraphDriver": {"Name": "overlay", "Data": folders}
        }]);
        std::fs::write(folder.path().join("inspect.json"), inspected.to_string()).unwrap();
    }

    /// What `podman save` writes.
    fn archive(&self) -> Vec<u8> {
        let mut tar = Builder::new(Vec::new());
        let mut add = |name: String, bytes: &[u8]| {
            let mut header = Header::new_gnu();
            header.set_size(bytes.len() as u64);
            tar.append_data(&mut header, name, bytes).unwrap();
        };
        for layer in &self.layers {
            add(format!("{}.tar", digest_of(layer.as_bytes()).digest()), layer.as_bytes());
        }
        add(format!("{}.json", self.id().digest()), &self.config);
        tar.into_inner().unwrap()
    }

    /// A layer as `by` compresses it: the bytes do not matter to a registry.
    pub(super) fn compressed(layer: &str, by: &str) -> Vec<u8> {
        format!("{layer} compressed by {by}").into()
    }

    /// The image's manifest after `by` published it.
    pub(super) fn manifest(&self, by: &str) -> RawManifest {
        let layers: Vec<_> =
            self.layers.iter().map(|layer| descriptor(self.layer_type, &Self::compressed(layer, by))).collect();
        let config = descriptor(DOCKER_CONFIG, &self.config);
        document(DOCKER_MANIFEST, &json!({"config": config, "layers": layers}))
    }

    /// Puts the image on a registry as `by` published it, and a list with it for this platform as `latest`.
    pub(super) fn publish(&self, server: &Scripted, by: &str, platform: &str) {
        let (manifest, (os, architecture)) = (self.manifest(by), platform.split_once('/').unwrap());
        let mut entry = descriptor(DOCKER_MANIFEST, &manifest.bytes);
        entry["platform"] = json!({"os": os, "architecture": architecture});
        // As buildx writes them beside each image.
        let mut attestation = descriptor(DOCKER_MANIFEST, b"attestation");
        attestation["platform"] = json!({"os": "unknown", "architecture": "unknown"});
        let list = document(DOCKER_LIST, &json!({"manifests": [attestation, entry]}));
        server.store(|store| {
            store.put_blob(NAME, &self.config);
            for layer in &self.layers {
                store.put_blob(NAME, &Self::compressed(layer, by));
            }
            store.put_manifest(NAME, None, &manifest);
            store.put_manifest(NAME, Some("latest"), &list);
        });
    }
}

fn descriptor(media_type: &str, bytes: &[u8]) -> Value {
    json!({"mediaType": media_type, "size": bytes.len(), "digest": digest_of(bytes)})
}

fn document(media_type: &str, content: &Value) -> RawManifest {
    let mut document = json!({"schemaVersion": 2, "mediaType": media_type});
    for (key, value) in content.as_object().unwrap() {
        document[key] = value.clone();
    }
    RawManifest::new(media_type, document.to_string())
}
