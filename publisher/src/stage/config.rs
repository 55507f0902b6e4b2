//! An image's configuration as it is published: the same for the same commit and the same layers, whenever, wherever and
//! by whichever podman the image was built. Pure.
//!
//! What differs between two builds, or between podman 4.3 and 5.8, is set or removed here; all else is kept as it is, known
//! to us or not (`Healthcheck` is in no OCI specification). Members are sorted, so that their order says nothing either.
//! The labels that name the commit are set here too: as a step of the build they would be a history entry each for one
//! podman and one for all of them for another, and a step that no cache ever has.

use std::time::{Duration, UNIX_EPOCH};

use bytes::Bytes;
use serde_json::{Map, Value, json};

use crate::oci::{LABEL_CREATED, LABEL_PARENTS, LABEL_REVISION, LABEL_SOURCE};

/// The last second of the year 9999, the last that RFC 3339 can say.
const SECONDS_MAX: u64 = 253_402_300_799;
/// Fields about the container in which the last step ran, and about the image before that step.
const BUILD_FIELDS: [&str; 3] = ["container", "container_config", "parent"];
/// Settings that one podman leaves empty and another leaves out, with the same meaning.
const LISTS: [&str; 8] = ["Cmd", "Entrypoint", "Env", "ExposedPorts", "Labels", "OnBuild", "Shell", "Volumes"];
/// How many hexadecimal digits a SHA-256 digest has.
const DIGEST_DIGITS: usize = 64;
/// How many of them podman shows of an image.
const SHORT_ID_DIGITS: usize = 12;

/// The commit that an image is built from, for its configuration.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Commit {
    /// For the label [`LABEL_SOURCE`].
    pub source: Option<String>,
    /// For the label [`LABEL_REVISION`].
    pub revision: String,
    /// When it was made, in seconds since 1970: for the label [`LABEL_CREATED`] and as the time of the image and of each
    /// step. Where it is not known there is no such label, and the time is the beginning of 1970.
    pub time: Option<u64>,
    /// The commits that it was made from: for the label [`LABEL_PARENTS`].
    pub parents: Option<String>,
}

/// The configuration to publish in place of podman's.
///
/// # Errors
/// podman's is no JSON object.
pub(super) fn normalise(config: &[u8], commit: &Commit) -> serde_json::Result<Bytes> {
    let mut image: Map<String, Value> = serde_json::from_slice(config)?;
    image.retain(|name, _| !BUILD_FIELDS.contains(&name.as_str()));
    let created = rfc3339(commit.time.unwrap_or_default());
    image.insert("created".into(), json!(created));
    if let Some(Value::Array(history)) = image.get_mut("history") {
        history.iter_mut().filter_map(Value::as_object_mut).for_each(|step| normalise_step(step, &created));
    }
    // An image without layers has no list.
    if let Some(Value::Object(rootfs)) = image.get_mut("rootfs") {
        rootfs.entry("diff_ids").or_insert(json!([]));
    }
    let mut settings = object(image.remove("config"));
    normalise_settings(&mut settings, commit);
    image.insert("config".into(), Value::Object(settings));
    let mut image = Value::Object(image);
    image.sort_all_objects();
    serde_json::to_vec(&image).map(Bytes::from)
}

fn normalise_settings(settings: &mut Map<String, Value>, commit: &Commit) {
    // The short id of the last step's container.
    settings.remove("Hostname");
    let mut labels = object(settings.remove("Labels"));
    labels.remove("io.buildah.version");
    let ours = [
        (LABEL_SOURCE, commit.source.clone()),
        (LABEL_REVISION, Some(commit.revision.clone())),
        (LABEL_CREATED, commit.time.map(rfc3339)),
        (LABEL_PARENTS, commit.parents.clone()),
    ];
    labels.extend(ours.into_iter().filter_map(|(name, value)| Some((name.to_owned(), json!(value?)))));
    settings.insert("Labels".into(), Value::Object(labels));
    let empty = [json!(null), json!([]), json!({})];
    settings.retain(|name, value| !(LISTS.contains(&name.as_str()) && empty.contains(value)));
    // podman 4.3 leaves it empty where nothing sets it, newer ones write what that means.
    let folder = settings.entry("WorkingDir").or_insert(json!(""));
    if *folder == "" {
        *folder = json!("/");
    }
}

fn normalise_step(step: &mut Map<String, Value>, created: &str) {
    step.insert("created".into(), json!(created));
    // podman 4.3 names the image before each step, newer ones only the one in FROM.
    let names_image = |comment: &str| comment.strip_prefix("FROM ").is_some_and(|id| is_hex(id, SHORT_ID_DIGITS));
    if step.get("comment").and_then(Value::as_str).is_some_and(names_image) {
        step.remove("comment");
    }
    if let Some(Value::String(created_by)) = step.get_mut("created_by") {
        *created_by = without_checksums(created_by);
    }
}

/// The text of a step without what podman adds to it to recognise the step: checksums of what is copied or mounted, which
/// depend on the files' times and on podman's version, and blanks. What a layer contains is said by its digest.
fn without_checksums(created_by: &str) -> String {
    let mut text = created_by.trim_end();
    if ["COPY ", "ADD "].iter().any(|name| text.starts_with(&format!("/bin/sh -c #(nop) {name}"))) {
        let word = |word: &str| match word.split_once(':') {
            Some((kind @ ("file" | "dir" | "multi"), checksum)) if is_hex(checksum, DIGEST_DIGITS) => kind.to_owned(),
            _ => word.to_owned(),
        };
        return text.split(' ').map(word).collect::<Vec<_>>().join(" ");
    }
    while text.contains("/bin/sh -c --mount=")
        && let Some((rest, checksum)) = text.rsplit_once(":sha256:")
        && is_hex(checksum, DIGEST_DIGITS)
    {
        text = rest;
    }
    text.trim_end().to_owned()
}

fn is_hex(text: &str, digits: usize) -> bool {
    text.len() == digits && text.bytes().all(|digit| digit.is_ascii_hexdigit())
}

fn object(value: Option<Value>) -> Map<String, Value> {
    if let Some(Value::Object(map)) = value { map } else { Map::new() }
}

/// Seconds since 1970 in RFC 3339; a time that it cannot say becomes the last that it can.
fn rfc3339(seconds: u64) -> String {
    humantime::format_rfc3339_seconds(UNIX_EPOCH + Duration::from_secs(seconds.min(SECONDS_MAX))).to_string()
}
