//! A listing that lags behind: it shows once more what is gone, or a tag where it was before it moved.

use std::collections::{BTreeMap, BTreeSet};

/// In which ways a listing lags.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Lag {
    /// A deleted version is listed once more.
    pub deleted_versions: bool,
    /// A tag that has moved is listed once at both versions.
    pub moved_tags: bool,
}

/// Versions as a listing shows them: digests with their tags.
pub(super) type Listed = BTreeMap<String, BTreeSet<String>>;

/// What the last listing showed, and what this one shows too much. A listing begins with its first page, so that its
/// pages fit each other.
#[derive(Default)]
pub(super) struct Lagging {
    last: Listed,
    too_much: Listed,
}

impl Lagging {
    /// What is known when nobody has listed anything yet.
    pub(super) fn starting_with(last: Listed) -> Self {
        Self { last, too_much: Listed::new() }
    }

    /// What a page is cut from.
    pub(super) fn show(&mut self, current: Listed, first_page: bool, lag: Lag) -> Listed {
        if first_page {
            let last = std::mem::replace(&mut self.last, current.clone());
            self.too_much = last.into_iter().filter_map(|version| too_much(version, &current, lag)).collect();
        }
        let mut shown = current;
        for (digest, tags) in &self.too_much {
            shown.entry(digest.clone()).or_default().extend(tags.iter().cloned());
        }
        shown
    }
}

/// What of a version that was there is shown though it is no longer so.
fn too_much(
    (digest, tags): (String, BTreeSet<String>),
    current: &Listed,
    lag: Lag,
) -> Option<(String, BTreeSet<String>)> {
    let elsewhere = |tag: &String| current.iter().any(|(other, tags)| *other != digest && tags.contains(tag));
    if !current.contains_key(&digest) {
        // A tag that has found another place is not shown at what is gone.
        let tags = tags.into_iter().filter(|tag| !elsewhere(tag)).collect();
        return lag.deleted_versions.then_some((digest, tags));
    }
    let moved: BTreeSet<String> = tags.into_iter().filter(|tag| lag.moved_tags && elsewhere(tag)).collect();
    (!moved.is_empty()).then_some((digest, moved))
}

#[cfg(test)]
mod tests {
    use super::*;

    const BOTH: Lag = Lag { deleted_versions: true, moved_tags: true };

    fn listed(versions: &[(&str, &[&str])]) -> Listed {
        let tags = |tags: &[&str]| tags.iter().map(|tag| (*tag).to_owned()).collect();
        versions.iter().map(|(digest, of)| ((*digest).to_owned(), tags(of))).collect()
    }

    #[test]
    fn a_listing_lags_once() {
        let before = listed(&[("a", &["latest", "1.0.0"]), ("b", &[])]);
        let now = listed(&[("a", &["1.0.0"]), ("c", &["latest"])]);
        let mut lagging = Lagging::starting_with(before);
        let both_places = listed(&[("a", &["latest", "1.0.0"]), ("b", &[]), ("c", &["latest"])]);
        assert_eq!(lagging.show(now.clone(), true, BOTH), both_places);
        assert_eq!(lagging.show(now.clone(), false, BOTH), both_places, "the second page fits the first");
        assert_eq!(lagging.show(now.clone(), true, BOTH), now);
    }

    #[test]
    fn a_listing_that_does_not_lag_is_current() {
        let now = listed(&[("a", &[]), ("c", &["latest"])]);
        let mut lagging = Lagging::starting_with(listed(&[("a", &["latest"]), ("b", &["1.0.0"])]));
        assert_eq!(lagging.show(now.clone(), true, Lag::default()), now);
    }
}
