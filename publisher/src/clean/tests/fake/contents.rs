//! What the repository holds, and how it is filled by a test.

use std::{
    collections::{BTreeMap, HashMap},
    time::{Duration, SystemTime, UNIX_EPOCH},
};

use serde_json::{Value, json};

use super::script::Script;
use crate::{
    config::DriverKind,
    oci::{DOCKER_LIST, DOCKER_MANIFEST, Digest, OCI_INDEX, RawManifest, digest_of},
};

/// What the clock of the repository says before anything is in it, in seconds since 1970.
const EPOCH: u64 = 1_700_000_000;
/// A day of that clock.
const DAY: u64 = 24 * 60 * 60;

/// A moment so many seconds after the first.
pub(crate) fn moment(seconds: u64) -> SystemTime {
    UNIX_EPOCH + Duration::from_secs(EPOCH + seconds)
}

/// The first moment of a day.
pub(crate) fn day(day: u64) -> SystemTime {
    moment(day * DAY)
}

/// A moment as interfaces write it.
pub(super) fn rfc3339(seconds: u64) -> String {
    humantime::format_rfc3339_seconds(moment(seconds)).to_string()
}

/// The key of a step of this name: 64 hexadecimal digits.
pub(crate) fn key(name: &str) -> String {
    digest_of(name.as_bytes()).to_string().split_off("sha256:".len())
}

/// A manifest with what only the registry knows of it.
#[derive(Clone)]
pub(super) struct Version {
    pub(super) manifest: RawManifest,
    pub(super) id: u64,
}

/// What it holds and how it behaves.
#[derive(Default)]
pub(crate) struct Contents {
    pub(super) kind: Option<DriverKind>,
    /// Oldest first.
    pub(super) versions: Vec<Version>,
    /// Where each manifest stands among them.
    pub(super) places: HashMap<Digest, usize>,
    pub(crate) tags: BTreeMap<String, Digest>,
    /// When tags changed, on Docker Hub's clock.
    pub(super) changed: BTreeMap<String, u64>,
    pub(super) clock: u64,
    /// The blobs that anybody reads: configurations.
    pub(super) blobs: BTreeMap<String, Vec<u8>>,
    /// `METHOD /path?query` of every request.
    pub(crate) log: Vec<String>,
    pub(super) script: Script,
    /// Below which address GitHub shows the package.
    pub(crate) home: &'static str,
    /// Whether GitHub lists the oldest first.
    pub(crate) oldest_first: bool,
    /// Whether GitHub leaves out when versions were made.
    pub(crate) undated: bool,
    /// How often GitHub still shows `latest` on what it was moved from, and where that is.
    pub(crate) lagging: Option<(usize, Digest)>,
    /// Keys that Docker Hub leaves out of its list.
    pub(crate) omitted: Vec<&'static str>,
    pub(super) logins: usize,
    /// Whether the other user has acted.
    pub(crate) acted: bool,
}

impl Contents {
    /// Puts in an image for one platform.
    pub(crate) fn image(&mut self, name: &str) -> Digest {
        let document = json!({ "schemaVersion": 2, "mediaType": DOCKER_MANIFEST, "config": { "name": name } });
        self.put(DOCKER_MANIFEST, &document)
    }

    /// Puts in a step of a build as podman caches it, under the key of this name, made so many days after the first.
    pub(crate) fn step(&mut self, name: &str, day: u64) -> Digest {
        self.clock = self.clock.max(day * DAY);
        let config = json!({ "created": rfc3339(self.clock), "history": [{ "created_by": name }] }).to_string();
        let digest = digest_of(config.as_bytes());
        self.blobs.insert(digest.to_string(), config.into_bytes());
        let step = self.put(DOCKER_MANIFEST, &json!({ "mediaType": DOCKER_MANIFEST, "config": { "digest": digest } }));
        self.tag(&key(name), &step);
        step
    }

    /// Puts in a list of what is there.
    pub(crate) fn list(&mut self, children: &[&Digest]) -> Digest {
        let entry = |digest: &&Digest| {
            let child = self.find(digest).expect("a list needs its children");
            json!({ "mediaType": child.manifest.media_type, "digest": digest, "size": child.manifest.bytes.len() })
        };
        let entries: Vec<_> = children.iter().map(entry).collect();
        self.put(DOCKER_LIST, &json!({ "schemaVersion": 2, "mediaType": DOCKER_LIST, "manifests": entries }))
    }

    /// Puts in a list that is what its digest says, and makes no sense.
    pub(crate) fn nonsense(&mut self, tag: &str) {
        let digest = self.put(DOCKER_LIST, &json!({ "mediaType": DOCKER_LIST, "manifests": [{ "size": 1 }] }));
        self.tag(tag, &digest);
    }

    /// Puts in a list of two new images under a tag.
    pub(crate) fn publish(&mut self, tag: &str, name: &str) -> Digest {
        let [one, two] = ["amd64", "arm64"].map(|platform| self.image(&format!("{name}-{platform}")));
        let list = self.list(&[&one, &two]);
        self.tag(tag, &list);
        list
    }

    /// Puts in a signature of something, and the index and fallback tag by which it is found.
    pub(crate) fn sign(&mut self, subject: &Digest) -> (Digest, Digest) {
        let document = json!({ "mediaType": DOCKER_MANIFEST, "config": {}, "subject": { "digest": subject } });
        let signature = self.put(DOCKER_MANIFEST, &document);
        let entries = json!([{ "mediaType": DOCKER_MANIFEST, "digest": signature }]);
        let index = self.put(OCI_INDEX, &json!({ "mediaType": OCI_INDEX, "manifests": entries }));
        self.tag(&subject.to_string().replace(':', "-"), &index);
        (index, signature)
    }

    /// Sets a tag.
    pub(crate) fn tag(&mut self, tag: &str, digest: &Digest) {
        self.clock += 1;
        self.tags.insert(tag.into(), digest.clone());
        self.changed.insert(tag.into(), self.clock);
    }

    /// What a list names.
    pub(crate) fn children(&self, list: &Digest) -> Vec<Digest> {
        let document: Value = serde_json::from_slice(&self.find(list).unwrap().manifest.bytes).unwrap();
        let entries = document["manifests"].as_array().cloned().unwrap_or_default();
        entries.iter().filter_map(|entry| entry["digest"].as_str()?.parse().ok()).collect()
    }

    pub(crate) fn manifest(&self, digest: &Digest) -> RawManifest {
        self.find(digest).unwrap().manifest.clone()
    }

    pub(crate) fn holds(&self, digest: &Digest) -> bool {
        self.find(digest).is_some()
    }

    pub(crate) fn forget(&mut self, digest: &Digest) {
        self.versions.retain(|version| version.manifest.digest != *digest);
        self.tags.retain(|_, at| at != digest);
        let digests = self.versions.iter().map(|version| version.manifest.digest.clone());
        self.places = digests.zip(0..).collect();
    }

    pub(super) fn put(&mut self, media_type: &str, document: &Value) -> Digest {
        let manifest = RawManifest::new(media_type, document.to_string());
        let digest = manifest.digest.clone();
        if !self.holds(&digest) {
            self.clock += 1;
            self.places.insert(digest.clone(), self.versions.len());
            self.versions.push(Version { manifest, id: self.clock });
        }
        digest
    }

    pub(super) fn find(&self, digest: &Digest) -> Option<&Version> {
        self.places.get(digest).map(|place| &self.versions[*place])
    }

    pub(super) fn resolve(&self, name: &str) -> Option<&Version> {
        let digest = self.tags.get(name).cloned().or_else(|| name.parse().ok())?;
        self.find(&digest)
    }
}
