//! Images made by hand: layers, configurations, manifests, lists.

use std::io::Write as _;

use flate2::{Compression, write::GzEncoder};
use serde_json::{Value, json};
use tar::{EntryType, Header};

use super::registry::Registry;
use crate::client::Raw;

pub(crate) const X86_64: u16 = 62;
pub(crate) const AARCH64: u16 = 183;

/// The media types of one of the two families.
#[derive(Clone, Copy)]
pub(crate) struct Family {
    pub(crate) list: &'static str,
    pub(crate) manifest: &'static str,
    config: &'static str,
    layer: &'static str,
}

pub(crate) const DOCKER: Family = Family {
    list: "application/vnd.docker.distribution.manifest.list.v2+json",
    manifest: "application/vnd.docker.distribution.manifest.v2+json",
    config: "application/vnd.docker.container.image.v1+json",
    layer: "application/vnd.docker.image.rootfs.diff.tar.gzip",
};

pub(crate) const OCI: Family = Family {
    list: "application/vnd.oci.image.index.v1+json",
    manifest: "application/vnd.oci.image.manifest.v1+json",
    config: "application/vnd.oci.image.config.v1+json",
    layer: "application/vnd.oci.image.layer.v1.tar+gzip",
};

/// A layer as it is pushed, and the digest of what it unpacks to.
#[derive(Clone)]
pub(crate) struct LayerBytes {
    pub(crate) bytes: Vec<u8>,
    pub(crate) diff_id: String,
}

/// A file, with its content, or a symbolic link, with its target.
pub(crate) enum Entry<'a> {
    File(&'a str, Vec<u8>),
    Link(&'a str, &'a str),
}

pub(crate) fn archive(entries: &[Entry<'_>]) -> Vec<u8> {
    let mut builder = tar::Builder::new(Vec::new());
    for entry in entries {
        let mut header = Header::new_gnu();
        header.set_mode(0o755);
        match entry {
            Entry::File(path, content) => {
                header.set_size(content.len() as u64);
                builder.append_data(&mut header, path, content.as_slice()).unwrap();
            }
            Entry::Link(path, target) => {
                header.set_size(0);
                header.set_entry_type(EntryType::Symlink);
                builder.append_link(&mut header, path, target).unwrap();
            }
        }
    }
    builder.into_inner().unwrap()
}

/// One gzip member.
pub(crate) fn member(bytes: &[u8]) -> Vec<u8> {
    let mut encoder = GzEncoder::new(Vec::new(), Compression::fast());
    encoder.write_all(bytes).unwrap();
    encoder.finish().unwrap()
}

pub(crate) fn layer(entries: &[Entry<'_>]) -> LayerBytes {
    let archive = archive(entries);
    LayerBytes { bytes: member(&archive), diff_id: Raw::from(archive).digest() }
}

/// The same files, not compressed.
pub(crate) fn plain_layer(entries: &[Entry<'_>]) -> LayerBytes {
    let archive = archive(entries);
    LayerBytes { diff_id: Raw::from(archive.clone()).digest(), bytes: archive }
}

/// An image to be pushed.
#[derive(Clone)]
pub(crate) struct ImageToPush {
    pub(crate) family: Family,
    /// What its configuration says that it is for.
    pub(crate) architecture: &'static str,
    /// The part `config` of its configuration.
    pub(crate) running: Value,
    pub(crate) layers: Vec<LayerBytes>,
}

/// An image with one program, `/bin/app`, made for a machine.
pub(crate) fn image(architecture: &'static str, machine: u16) -> ImageToPush {
    ImageToPush {
        family: DOCKER,
        architecture,
        running: json!({
            "Entrypoint": ["/bin/app"],
            "Labels": {"made": "by hand"},
            "Healthcheck": {"Test": ["CMD", "/bin/app", "health"], "Interval": 10_000_000_000_u64},
        }),
        layers: vec![layer(&[Entry::File("bin/app", elf(machine))])],
    }
}

impl ImageToPush {
    pub(crate) fn running(self, running: Value) -> Self {
        Self { running, ..self }
    }

    pub(crate) fn layers(self, layers: &[LayerBytes]) -> Self {
        Self { layers: layers.to_vec(), ..self }
    }

    /// Pushes it; its entry for a list, for the platform that it says itself.
    pub(crate) async fn push(&self, registry: &Registry) -> Value {
        self.push_as(registry, None).await
    }

    /// Pushes it under a tag.
    pub(crate) async fn push_as(&self, registry: &Registry, tag: Option<&str>) -> Value {
        let config = json!({
            "architecture": self.architecture, "os": "linux", "config": self.running,
            "rootfs": {"type": "layers", "diff_ids": self.layers.iter().map(|it| &*it.diff_id).collect::<Vec<_>>()},
        });
        let config = serde_json::to_vec(&config).unwrap();
        let mut layers = Vec::new();
        for layer in &self.layers {
            let digest = registry.put_blob(&layer.bytes).await;
            layers.push(json!({"mediaType": self.family.layer, "digest": digest, "size": layer.bytes.len()}));
        }
        let config_digest = registry.put_blob(&config).await;
        let manifest = json!({
            "schemaVersion": 2, "mediaType": self.family.manifest,
            "config": {"mediaType": self.family.config, "digest": config_digest, "size": config.len()},
            "layers": layers,
        });
        let (digest, size) = registry.put_manifest(tag, self.family.manifest, &manifest).await;
        json!({
            "mediaType": self.family.manifest, "digest": digest, "size": size,
            "platform": {"os": "linux", "architecture": self.architecture},
        })
    }
}

/// Pushes a list under a tag; its digest.
pub(crate) async fn push_list(registry: &Registry, tag: &str, family: Family, entries: &[Value]) -> String {
    let list = json!({"schemaVersion": 2, "mediaType": family.list, "manifests": entries});
    registry.put_manifest(Some(tag), family.list, &list).await.0
}

/// Pushes a good image of both platforms under a tag; the list's digest.
pub(crate) async fn push_good(registry: &Registry, tag: &str, family: Family) -> String {
    let amd64 = ImageToPush { family, ..image("amd64", X86_64) }.push(registry).await;
    let arm64 = ImageToPush { family, ..image("arm64", AARCH64) }.push(registry).await;
    push_list(registry, tag, family, &[amd64, arm64]).await
}

/// The beginning of a static program for a machine.
pub(crate) fn elf(machine: u16) -> Vec<u8> {
    linked_elf(machine, None)
}

/// The headers of a program that names a loader.
pub(crate) fn linked_elf(machine: u16, loader: Option<&str>) -> Vec<u8> {
    const HEADER: u16 = 64;
    const SEGMENT: u16 = 56;
    const PT_INTERP: u32 = 3;
    let mut elf = b"\x7fELF\x02\x01\x01\0\0\0\0\0\0\0\0\0".to_vec();
    elf.extend([2_u16, machine].map(u16::to_le_bytes).concat());
    elf.extend(1_u32.to_le_bytes());
    elf.extend([0_u64, u64::from(HEADER), 0].map(u64::to_le_bytes).concat());
    elf.extend(0_u32.to_le_bytes());
    let segments = u16::from(loader.is_some());
    elf.extend([HEADER, SEGMENT, segments, 64, 0, 0].map(u16::to_le_bytes).concat());
    if let Some(loader) = loader {
        let (at, size) = (u64::from(HEADER + SEGMENT), loader.len() as u64 + 1);
        elf.extend([PT_INTERP, 4].map(u32::to_le_bytes).concat());
        elf.extend([at, at, at, size, size, 1].map(u64::to_le_bytes).concat());
        elf.extend([loader.as_bytes(), b"\0"].concat());
    }
    elf
}
