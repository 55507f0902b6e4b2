//! Whether a published image is what it says: everything is there, and sizes, digests, media types and platforms agree.
//!
//! A pure function over what was read. Every violation is collected.

use std::collections::HashSet;

use super::{Child, Descriptor, Layer, Manifest, Publication, Shape};
use crate::oracle::Violation;

/// All ways in which a publication contradicts itself or is incomplete.
pub fn integrity(publication: &Publication) -> Vec<Violation> {
    let mut judge = Judge { name: publication.name(), violations: Vec::new() };
    for missing in &publication.missing {
        judge
            .violations
            .push(Violation::new(format!("{}: {} can be read", judge.name, missing.what), missing.to_string()));
    }
    if let Some(root) = &publication.root {
        judge.manifest("what it names", root, publication.reference.contains(':').then_some(&publication.reference));
        if publication.shape == Shape::List && publication.platforms().next().is_none() {
            judge.tell("its list names an image", "it names none");
        }
    }
    let mut platforms = HashSet::new();
    for child in publication.platforms() {
        let platform = child.platform_name();
        judge.child(child, &platform);
        if !platforms.insert(platform.clone()) {
            judge.tell("each platform is listed once", format!("{platform} again"));
        }
    }
    judge.violations
}

struct Judge {
    name: String,
    violations: Vec<Violation>,
}

impl Judge {
    fn tell(&mut self, expected: impl AsRef<str>, seen: impl Into<String>) {
        self.violations.push(Violation::new(format!("{}: {}", self.name, expected.as_ref()), seen));
    }

    /// Tells if two things differ that should be equal.
    fn equal(&mut self, what: &str, expected: &str, seen: &str) {
        if expected != seen {
            self.tell(format!("{what} is {expected}"), format!("it is {seen}"));
        }
    }

    fn manifest(&mut self, what: &str, manifest: &Manifest, digest: Option<&String>) {
        if let Some(digest) = digest {
            self.equal(&format!("the digest of {what}"), digest, &manifest.digest);
        }
        if let Some(stated) = &manifest.stated_digest {
            self.equal(&format!("the digest that the registry says of {what}"), &manifest.digest, stated);
        }
        if let Some(own) = &manifest.own_media_type {
            self.equal(&format!("the media type that the registry says of {what}"), own, &manifest.media_type);
        }
    }

    fn child(&mut self, child: &Child, platform: &str) {
        if let Some(manifest) = &child.manifest {
            let what = format!("the manifest for {platform}");
            self.manifest(&what, manifest, child.descriptor.as_ref().map(|it| &it.digest));
            if let Some(listed) = &child.descriptor {
                self.equal(&format!("the size of {what}"), &listed.size.to_string(), &manifest.raw.size().to_string());
                self.equal(&format!("the media type of {what}"), &listed.media_type, &manifest.media_type);
            }
        }
        if let (Some(named), Some(config)) = (&child.config_descriptor, &child.config) {
            let what = format!("the configuration for {platform}");
            self.sized(&what, named, config.raw.size(), &config.digest);
            if config.problem.is_none() {
                self.own_platform(child, &what);
                self.layers(child, platform, &config.facts.diff_ids);
            }
        }
    }

    /// What the list says an image is for, the image says too. A variant counts if both name one.
    fn own_platform(&mut self, child: &Child, what: &str) {
        let listed = child.descriptor.as_ref().and_then(|it| it.platform.clone());
        let own = child.config.as_ref().and_then(|it| it.facts.platform.clone());
        let (Some(mut listed), Some(mut own)) = (listed, own) else { return };
        if listed.variant.is_none() || own.variant.is_none() {
            (listed.variant, own.variant) = (None, None);
        }
        self.equal(&format!("the platform in {what}"), &listed.name(), &own.name());
    }

    fn layers(&mut self, child: &Child, platform: &str, diff_ids: &[String]) {
        let (layers, named) = (child.layers.len().to_string(), diff_ids.len().to_string());
        self.equal(&format!("the number of layers for {platform}"), &named, &layers);
        for (index, layer) in child.layers.iter().enumerate() {
            self.layer(&format!("layer {} for {platform}", index + 1), layer, diff_ids.get(index));
        }
    }

    fn layer(&mut self, what: &str, layer: &Layer, diff_id: Option<&String>) {
        match &layer.content {
            Some(content) => {
                self.sized(what, &layer.descriptor, content.size, &content.digest);
                if let (Some(expected), Some(seen)) = (diff_id, &content.diff_id) {
                    self.equal(&format!("{what}, unpacked,"), expected, seen);
                }
            }
            None => {
                if let Some(stated) = layer.stated_size {
                    self.equal(&format!("the size of {what}"), &layer.descriptor.size.to_string(), &stated.to_string());
                }
            }
        }
    }

    fn sized(&mut self, what: &str, named: &Descriptor, size: u64, digest: &str) {
        self.equal(&format!("the size of {what}"), &named.size.to_string(), &size.to_string());
        self.equal(&format!("the digest of {what}"), &named.digest, digest);
    }
}
