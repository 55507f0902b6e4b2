//! Which of two builds is the newer one. Pure.
//!
//! A floating tag must never move backwards, whichever run ends last. What orders builds is the time of their commits:
//! it stands in the image's label [`LABEL_CREATED`], so it can be read from any registry and needs no history, and a
//! re-run of an old workflow counts as old. Builds of the same commit are equally new.

use std::{collections::HashMap, time::SystemTime};

use serde::Deserialize;

use crate::oci::{LABEL_CREATED, LABEL_REVISION};

/// What an image says of the build that it comes from.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Build {
    /// The commit, if the image says so.
    pub revision: Option<String>,
    /// The commit's time, if the image says so.
    pub committed: Option<SystemTime>,
}

/// How another build compares with ours.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Age {
    /// It is ours, or one of the same age: ours may take its place.
    Same,
    /// It is older than ours.
    Older,
    /// It is newer than ours, which must not take its place.
    Newer,
    /// It does not say, for example because another tool published it.
    Unknown,
}

impl Build {
    /// Reads an image's configuration. What is missing or unreadable is left open.
    pub fn of_config(config: &[u8]) -> Self {
        #[derive(Deserialize)]
        struct Document {
            config: Option<Config>,
        }
        #[derive(Deserialize)]
        struct Config {
            #[serde(rename = "Labels")]
            labels: Option<HashMap<String, String>>,
        }
        let document = serde_json::from_slice::<Document>(config).ok();
        let labels = document.and_then(|document| document.config?.labels).unwrap_or_default();
        Self {
            revision: labels.get(LABEL_REVISION).cloned(),
            committed: labels.get(LABEL_CREATED).and_then(|text| humantime::parse_rfc3339(text).ok()),
        }
    }

    /// How `other` compares with this build.
    pub fn age_of(&self, other: &Self) -> Age {
        if self.revision.is_some() && self.revision == other.revision {
            return Age::Same;
        }
        match (self.committed, other.committed) {
            (Some(ours), Some(theirs)) if theirs > ours => Age::Newer,
            (Some(ours), Some(theirs)) if theirs < ours => Age::Older,
            (Some(_), Some(_)) => Age::Same,
            _ => Age::Unknown,
        }
    }
}

#[cfg(test)]
mod tests {
    use std::time::{Duration, UNIX_EPOCH};

    use super::*;

    fn created_label(seconds: u64) -> String {
        humantime::format_rfc3339_seconds(UNIX_EPOCH + Duration::from_secs(seconds)).to_string()
    }

    fn build(revision: &str, seconds: Option<u64>) -> Build {
        let created = seconds.map_or("yesterday".into(), created_label);
        let labels = serde_json::json!({ LABEL_REVISION: revision, LABEL_CREATED: created });
        Build::of_config(serde_json::json!({ "config": { "Labels": labels } }).to_string().as_bytes())
    }

    #[rstest::rstest]
    #[case(build("a", Some(100)), build("b", Some(101)), Age::Newer)]
    #[case(build("a", Some(100)), build("b", Some(99)), Age::Older)]
    #[case(build("a", Some(100)), build("b", Some(100)), Age::Same)]
    #[case(build("a", Some(100)), build("a", Some(500)), Age::Same)]
    #[case(build("a", Some(100)), build("b", None), Age::Unknown)]
    #[case(build("a", None), build("b", Some(1)), Age::Unknown)]
    #[case(build("a", Some(100)), Build::default(), Age::Unknown)]
    #[case(Build::default(), Build::default(), Age::Unknown)]
    fn builds_are_ordered_by_their_commits(#[case] ours: Build, #[case] other: Build, #[case] age: Age) {
        assert_eq!(ours.age_of(&other), age);
    }

    #[rstest::rstest]
    #[case(b"")]
    #[case(b"[]")]
    #[case(br#"{"config":null}"#)]
    #[case(br#"{"config":{"Labels":null}}"#)]
    fn a_config_that_says_nothing_leaves_it_open(#[case] config: &[u8]) {
        assert_eq!(Build::of_config(config), Build::default());
    }
}
