//! Images made by hand: layers, configurations, manifests, lists.

use std::io::Write as _;

use flate2::{Compression, write::GzEncoder};
use serde_json::{Value, json};
use tar::{EntryType, Header};

use super::registry::Registry;
use crate::look::{
    Raw,
    media_type::{DOCKER_CONFIG, DOCKER_LIST, DOCKER_MANIFEST, OCI_CONFIG, OCI_INDEX, OCI_MANIFEST},
};

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
    list: DOCKER_LIST,
    manifest: DOCKER_MANIFEST,
    config: DOCKER_CONFIG,
    layer: "application/vnd.docker.image.rootfs.diff.tar.gzip",
};

pub(crate) const OCI: Family = Family {
    list: OCI_INDEX,
    manifest: OCI_MANIFEST,
    config: OCI_CONFIG,
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
    linked_elf(machine, None, &[], None)
}

/// A program that names a loader, libraries, and a folder for those.
pub(crate) fn linked_elf(machine: u16, loader: Option<&str>, libraries: &[&str], folder: Option<&str>) -> Vec<u8> {
    const HEADER: usize = 64;
    const SEGMENT: usize = 56;
    const BASE: u64 = 0x40_0000;
    let place = |at: usize| u64::try_from(at).unwrap();
    let begin = HEADER + 3 * SEGMENT;
    let mut strings = vec![0_u8];
    let mut string = |text: &str| {
        let at = strings.len();
        strings.extend_from_slice(text.as_bytes());
        strings.push(0);
        place(at)
    };
    // Tags: 1 is DT_NEEDED, 29 DT_RUNPATH, 5 DT_STRTAB, 0 the end.
    let mut dynamic: Vec<(u64, u64)> = libraries.iter().map(|name| (1, string(name))).collect();
    dynamic.extend(folder.map(|folder| (29, string(folder))));
    let loader_at = loader.map_or(0, &mut string);
    dynamic.extend([(5, BASE + place(begin)), (0, 0)]);
    let dynamic_at = begin + strings.len();
    let dynamic: Vec<u8> =
        dynamic.iter().flat_map(|(tag, value)| [tag.to_le_bytes(), value.to_le_bytes()].concat()).collect();
    let size = dynamic_at + dynamic.len();
    let mut segments = vec![(1_u32, 0, size), (2, dynamic_at, dynamic.len())];
    if let Some(loader) = loader {
        segments.push((3, begin + usize::try_from(loader_at).unwrap(), loader.len() + 1));
    }
    let mut elf = Vec::new();
    elf.extend_from_slice(b"\x7fELF\x02\x01\x01\0\0\0\0\0\0\0\0\0");
    elf.extend_from_slice(&2_u16.to_le_bytes());
    elf.extend_from_slice(&machine.to_le_bytes());
    elf.extend_from_slice(&1_u32.to_le_bytes());
    elf.extend([BASE, place(HEADER), 0].iter().flat_map(|it| it.to_le_bytes()));
    elf.extend_from_slice(&0_u32.to_le_bytes());
    let counts = [HEADER, SEGMENT, segments.len(), 64, 0, 0];
    elf.extend(counts.iter().flat_map(|it| u16::try_from(*it).unwrap().to_le_bytes()));
    for (kind, at, length) in segments {
        elf.extend_from_slice(&kind.to_le_bytes());
        elf.extend_from_slice(&4_u32.to_le_bytes());
        let (at, length) = (place(at), place(length));
        elf.extend([at, BASE + at, BASE + at, length, length, 8].iter().flat_map(|it| it.to_le_bytes()));
    }
    elf.resize(begin, 0);
    elf.extend_from_slice(&strings);
    elf.extend_from_slice(&dynamic);
    elf
}
