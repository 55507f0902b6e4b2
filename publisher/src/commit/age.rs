//! Which of two builds is the newer one. Pure.
//!
//! A floating tag must never move backwards, whichever run ends last. What orders builds stands in the labels of their
//! images, so it can be read from any registry, needs no history, and is the same for every run that asks:
//!
//! 1. the time of the commit ([`LABEL_CREATED`]): a re-run of an old workflow counts as old;
//! 2. of two commits of the same second, the one that names the other as its parent ([`LABEL_PARENTS`]) is the newer one;
//! 3. else the one whose name is the greater text: no truth, but all runs agree on it, so that no registries ever differ.
//!
//! Builds of the same commit are equally new. The number of the run is nowhere in an image: it would make two images of
//! the same commit different.

use std::{cmp::Ordering, collections::HashMap, time::SystemTime};

use serde::Deserialize;

use crate::oci::{LABEL_CREATED, LABEL_PARENTS, LABEL_REVISION};

/// What an image says of the build that it comes from.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Build {
    /// The commit, if the image says so.
    pub revision: Option<String>,
    /// The commit's time, if the image says so.
    pub committed: Option<SystemTime>,
    /// The commits that it was made from, if the image says so.
    pub parents: Vec<String>,
}

/// How another build compares with ours.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Age {
    /// It is of the same commit: ours may take its place.
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
            parents: labels.get(LABEL_PARENTS).iter().flat_map(|it| it.split_whitespace()).map(Into::into).collect(),
        }
    }

    /// How `other` compares with this build.
    pub fn age_of(&self, other: &Self) -> Age {
        if self.revision.is_some() && self.revision == other.revision {
            return Age::Same;
        }
        let (Some(ours), Some(theirs)) = (self.committed, other.committed) else { return Age::Unknown };
        let descends = |one: &Self, from: &Self| from.revision.as_ref().is_some_and(|from| one.parents.contains(from));
        let by_descent = descends(other, self).cmp(&descends(self, other));
        match theirs.cmp(&ours).then(by_descent).then_with(|| other.revision.cmp(&self.revision)) {
            Ordering::Greater => Age::Newer,
            Ordering::Less => Age::Older,
            Ordering::Equal => Age::Unknown,
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
        child(revision, seconds, "")
    }

    fn child(revision: &str, seconds: Option<u64>, parents: &str) -> Build {
        let created = seconds.map_or("yesterday".into(), created_label);
        let labels = serde_json::json!({ LABEL_REVISION: revision, LABEL_CREATED: created, LABEL_PARENTS: parents });
        Build::of_config(serde_json::json!({ "config": { "Labels": labels } }).to_string().as_bytes())
    }

    #[rstest::rstest]
    #[case(build("a", Some(100)), build("b", Some(101)), Age::Newer)]
    #[case(build("a", Some(100)), build("b", Some(99)), Age::Older)]
    #[case::of_the_same_second_by_their_names(build("a", Some(100)), build("b", Some(100)), Age::Newer)]
    #[case::of_the_same_second_by_their_names(build("b", Some(100)), build("a", Some(100)), Age::Older)]
    #[case::a_child_of_the_same_second(build("b", Some(100)), child("a", Some(100), "x b"), Age::Newer)]
    #[case::a_parent_of_the_same_second(child("a", Some(100), "b"), build("b", Some(100)), Age::Older)]
    #[case::time_goes_before_descent(build("b", Some(100)), child("a", Some(99), "b"), Age::Older)]
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
