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

use std::{cmp::Ordering, time::SystemTime};

use serde_json::Value;

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

impl Build {
    /// Reads an image's configuration. What is missing or unreadable is left open.
    pub fn of_config(config: &[u8]) -> Self {
        let config: Value = serde_json::from_slice(config).unwrap_or_default();
        let label = |name: &str| config["config"]["Labels"][name].as_str();
        Self {
            revision: label(LABEL_REVISION).map(Into::into),
            committed: label(LABEL_CREATED).and_then(|text| humantime::parse_rfc3339(text).ok()),
            parents: label(LABEL_PARENTS).unwrap_or_default().split_whitespace().map(Into::into).collect(),
        }
    }

    /// How new `other` is, compared with this build; `Equal` if it is of the same commit. `None` if that is unknown, for
    /// example because another tool published it.
    pub fn age_of(&self, other: &Self) -> Option<Ordering> {
        if self.revision.is_some() && self.revision == other.revision {
            return Some(Ordering::Equal);
        }
        let time = other.committed?.cmp(&self.committed?);
        let descends = |one: &Self, from: &Self| from.revision.as_ref().is_some_and(|from| one.parents.contains(from));
        let by_descent = descends(other, self).cmp(&descends(self, other));
        let ordering = time.then(by_descent).then_with(|| other.revision.cmp(&self.revision));
        Some(ordering).filter(|ordering| ordering.is_ne())
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
    #[case(build("a", Some(100)), build("b", Some(101)), Some(Ordering::Greater))]
    #[case(build("a", Some(100)), build("b", Some(99)), Some(Ordering::Less))]
    #[case::of_the_same_second_by_their_names(build("a", Some(100)), build("b", Some(100)), Some(Ordering::Greater))]
    #[case::of_the_same_second_by_their_names(build("b", Some(100)), build("a", Some(100)), Some(Ordering::Less))]
    #[case::a_child_of_the_same_second(build("b", Some(100)), child("a", Some(100), "x b"), Some(Ordering::Greater))]
    #[case::a_parent_of_the_same_second(child("a", Some(100), "b"), build("b", Some(100)), Some(Ordering::Less))]
    #[case::time_goes_before_descent(build("b", Some(100)), child("a", Some(99), "b"), Some(Ordering::Less))]
    #[case(build("a", Some(100)), build("a", Some(500)), Some(Ordering::Equal))]
    #[case(build("a", Some(100)), build("b", None), None)]
    #[case(build("a", None), build("b", Some(1)), None)]
    #[case(build("a", Some(100)), Build::default(), None)]
    #[case(Build::default(), Build::default(), None)]
    fn builds_are_ordered_by_their_commits(#[case] ours: Build, #[case] other: Build, #[case] age: Option<Ordering>) {
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
