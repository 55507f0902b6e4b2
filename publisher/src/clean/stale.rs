//! Which steps in a layer cache have had their day. Pure.
//!
//! podman keeps the image of each step under the step's key, a tag of 64 hexadecimal digits, and looks for it by that key
//! alone. So a step goes when it is older than is wanted and the build at hand had no use for it, and an image that no tag
//! leads to (its key leads to another one by now) goes when it is as old. Whatever has any other tag is somebody else's.

use std::{
    collections::HashSet,
    time::{Duration, SystemTime},
};

use super::driver::Stock;
use crate::oci::Tag;

/// How long the key of a step is, in hexadecimal digits.
const KEY_LENGTH: usize = 64;

/// What a layer cache is pruned by.
#[derive(Debug, Clone)]
pub struct Pruning {
    /// The keys of the steps that the build at hand took from the cache or left there.
    pub used: HashSet<Tag>,
    /// How old an unused step may become.
    pub max_age: Duration,
    /// What time it is.
    pub now: SystemTime,
    /// Whether to say only what would be done.
    pub dry_run: bool,
}

/// What is said of one entry of a cache.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Judgement {
    /// It is young, or nobody knows how old it is, or it is not ours.
    Kept,
    /// It is old, and the build at hand used it.
    Used(Tag),
    /// It may go.
    Stale,
}

/// Whether a tag is the key of a step.
pub(super) fn is_key(tag: &Tag) -> bool {
    let text = tag.as_str().as_bytes();
    text.len() == KEY_LENGTH && text.iter().all(|byte| matches!(byte, b'0'..=b'9' | b'a'..=b'f'))
}

/// Judges an entry. In a repository that others use as well, nothing is known of what has no tag.
pub(super) fn judge(entry: &Stock, pruning: &Pruning, is_shared: bool) -> Judgement {
    let is_ours = if entry.tags.is_empty() { !is_shared } else { entry.tags.iter().all(is_key) };
    let age = entry.since.and_then(|since| pruning.now.duration_since(since).ok());
    if !is_ours || age.is_none_or(|age| age <= pruning.max_age) {
        return Judgement::Kept;
    }
    match entry.tags.iter().find(|tag| pruning.used.contains(tag)) {
        Some(tag) => Judgement::Used(tag.clone()),
        None => Judgement::Stale,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::oci::digest_of;

    const DAY: Duration = Duration::from_secs(24 * 60 * 60);
    const KEY: &str = "ed2d1053486cfe028b3bcf654bc0418778ab337f46b968cab8322764d26f2e69";
    const OTHER: &str = "d60270d6102bbbac04d7de13cff46fa6ed29d92c55bf1170066e067d4f6ff240";

    #[rstest::rstest]
    #[case::young(&[KEY], Some(30), false, "Kept")]
    #[case::old(&[KEY], Some(31), false, "Stale")]
    #[case::old_where_others_are(&[KEY], Some(31), true, "Stale")]
    #[case::of_unknown_age(&[KEY], None, false, "Kept")]
    #[case::made_tomorrow(&[KEY], Some(-1), false, "Kept")]
    #[case::used(&[OTHER], Some(31), false, "Used")]
    #[case::one_of_two_keys_used(&[KEY, OTHER], Some(31), false, "Used")]
    #[case::somebody_elses(&["latest"], Some(31), false, "Kept")]
    #[case::somebody_elses_too(&[KEY, "mine"], Some(31), false, "Kept")]
    #[case::without_a_tag(&[], Some(31), false, "Stale")]
    #[case::young_without_a_tag(&[], Some(1), false, "Kept")]
    #[case::without_a_tag_where_others_are(&[], Some(31), true, "Kept")]
    fn what_is_old_unused_and_ours_goes(
        #[case] tags: &[&str],
        #[case] days: Option<i32>,
        #[case] is_shared: bool,
        #[case] expected: &str,
    ) {
        let now = SystemTime::UNIX_EPOCH + 1000 * DAY;
        let used = HashSet::from([OTHER.parse().unwrap()]);
        let pruning = Pruning { used, max_age: 30 * DAY, now, dry_run: false };
        let since = days.map(|days| if days < 0 { now + DAY } else { now - days.unsigned_abs() * DAY });
        let tags = tags.iter().map(|tag| tag.parse().unwrap()).collect();
        let entry = Stock { digest: digest_of(b"step"), tags, since };
        assert!(format!("{:?}", judge(&entry, &pruning, is_shared)).starts_with(expected));
    }

    #[rstest::rstest]
    #[case(KEY, true)]
    #[case(&KEY[1..], false)]
    #[case(&KEY.to_uppercase(), false)]
    #[case("sha256-ed2d1053486cfe028b3bcf654bc0418778ab337f46b968cab8322764d26f2e69", false)]
    #[case("latest", false)]
    fn keys_are_told_from_tags(#[case] tag: &str, #[case] expected: bool) {
        assert_eq!(is_key(&tag.parse().unwrap()), expected);
    }
}
