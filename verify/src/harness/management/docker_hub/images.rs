//! The images behind a tag, as Docker Hub tells them.

use std::io;

use serde_json::{Value, json};

use crate::harness::contents::{Contents, StoredManifest};

/// The images that a manifest names: a list's entries, or itself. A manifest does not say what it runs on: its
/// configuration does, which is not looked at.
pub(super) fn images(
    contents: &dyn Contents,
    repository: &str,
    digest: &str,
    manifest: &StoredManifest,
) -> io::Result<Vec<Value>> {
    let document = parsed(manifest);
    let Some(entries) = document["manifests"].as_array() else {
        return Ok(vec![image(digest, &Value::Null, size(&document))]);
    };
    let of_entry = |entry: &Value| {
        let digest = entry["digest"].as_str().unwrap_or_default();
        let child = contents.manifest(repository, digest)?;
        Ok(image(digest, &entry["platform"], child.map_or(0, |child| size(&parsed(&child)))))
    };
    entries.iter().map(of_entry).collect()
}

/// The digests that a list names; none for what is no list.
pub(super) fn children(manifest: &StoredManifest) -> Vec<String> {
    let document = parsed(manifest);
    let entries = document["manifests"].as_array().into_iter().flatten();
    entries.filter_map(|entry| Some(entry["digest"].as_str()?.to_owned())).collect()
}

fn parsed(manifest: &StoredManifest) -> Value {
    serde_json::from_slice(&manifest.bytes).unwrap_or_default()
}

/// The bytes that a pull fetches: configuration and layers.
fn size(document: &Value) -> u64 {
    let layers = document["layers"].as_array().into_iter().flatten();
    layers.chain([&document["config"]]).filter_map(|descriptor| descriptor["size"].as_u64()).sum()
}

fn image(digest: &str, platform: &Value, size: u64) -> Value {
    json!({
        "architecture": platform["architecture"],
        "os": platform["os"],
        "variant": platform["variant"],
        "digest": digest,
        "size": size,
        "status": "active",
        "last_pushed": null,
    })
}
