//! Which steps of a layer cache have expired.
//!
//! podman keeps the image of each step under the step's key, a tag of 64 hexadecimal digits, and finds it by that key
//! alone. So a step expires when it is older than the configured age and this build did not use it. An image without a
//! tag (its key points at another image now) expires by age too, unless the repository has other tags than keys: those
//! belong to other users, who may pull by digest. An image with any other tag is never removed.

use std::{
    collections::{HashMap, HashSet},
    time::{Duration, SystemTime},
};

use futures::future::try_join_all;
use serde_json::Value;

use super::{
    CleanError, Decision, Graph, Item, Outcome, Report, decide,
    driver::{Driver, Listing},
    manifest_cache::ManifestCache,
};
use crate::{
    oci::{Digest, Tag, short},
    registry::{Name, Registry, RegistryError},
};

/// How long the key of a step is, in hexadecimal digits.
const KEY_LENGTH: usize = 64;
/// How many steps are removed at once. GitHub allows a thousand requests an hour, and a step takes two.
const REMOVALS_MAX: usize = 50;
/// How many images are read at once to find out their age.
const READS_MAX: usize = 16;
/// How much of a date is shown: the day.
const DAY_LENGTH: usize = "2026-01-31".len();

/// What a layer cache is pruned by.
#[derive(Debug, Clone)]
pub struct Pruning {
    /// The keys of the steps that this build took from the cache or pushed to it.
    pub used: HashSet<Tag>,
    /// How old an unused step may become.
    pub max_age: Duration,
    /// The time.
    pub now: SystemTime,
    /// Whether to say only what would be removed.
    pub dry_run: bool,
}

/// An image in the cache.
#[derive(Debug, Clone, Default)]
struct Step {
    tags: Vec<Tag>,
    /// When it was pushed or built; `None` if unknown.
    created_at: Option<SystemTime>,
}

/// What may be done with a step.
#[derive(Debug, PartialEq, Eq)]
enum State {
    /// It is young, of unknown age, or has a tag of another user.
    Fresh,
    /// It is old, and this build used it.
    Used,
    /// It is removed unless another user's tag reaches it.
    Expired,
}

/// Finds the expired steps, oldest first, and puts everything that is old into `report`.
///
/// # Errors
/// When the listing, an image or another user's list cannot be read.
pub(super) async fn expired(
    registry: &Registry,
    driver: &Driver,
    pruning: &Pruning,
    report: &mut Report,
) -> Result<(Graph, Decision), CleanError> {
    let steps = inventory(registry, driver).await?;
    let is_foreign = |step: &Step| step.tags.iter().any(|tag| !is_key(tag));
    let is_shared = steps.iter().any(|(_, step)| is_foreign(step));
    let mut manifests = ManifestCache::new(registry);
    let foreign = steps.iter().filter(|(_, step)| is_foreign(step));
    let (foreign, mut graph, mut expired, mut items) =
        (foreign.map(|(digest, _)| digest.clone()).collect(), Graph::default(), Vec::new(), Vec::new());
    for (digest, step) in &steps {
        match pruning.state(step, is_shared) {
            State::Fresh => {}
            State::Used => items.push(step.item(digest, Outcome::Kept, "this build used it")),
            State::Expired => expired.push((digest.clone(), step)),
        }
        graph.tags.extend(step.tags.iter().map(|tag| (tag.clone(), vec![digest.clone()])));
    }
    let later = expired.split_off(expired.len().min(REMOVALS_MAX)).len();
    if later > 0 {
        report.warnings.push(format!("{later} more are as old and left for the next clean-up"));
    }
    if expired.is_empty() {
        report.items = items;
        return Ok((graph, Decision::default()));
    }
    manifests.read(foreign, false).await?;
    graph.nodes = manifests.nodes;
    // Steps are images, which name no manifests. Only other users' tags may point at lists.
    for (digest, _) in steps.iter().filter(|(_, step)| !is_foreign(step)) {
        graph.nodes.entry(digest.clone()).or_default();
    }
    graph.expiring = expired.iter().flat_map(|(_, step)| step.tags.iter().cloned()).collect();
    let digests: Vec<_> = expired.iter().map(|(digest, _)| digest.clone()).collect();
    let mut decision = decide(&graph, &digests)?;
    decision.removals.retain(|digest| digests.contains(digest));
    for (digest, step) in expired {
        let kept_by = decision.candidate(&digest).and_then(|candidate| candidate.kept_by.as_ref());
        items.push(match kept_by {
            Some(tag) => step.item(&digest, Outcome::Kept, &format!("{tag} holds it")),
            None => step.item(&digest, Outcome::Planned, "no build used it since"),
        });
    }
    report.items = items;
    Ok((graph, decision))
}

/// Every image with its tags and age, oldest first; also those without a tag, where the registry lists them.
async fn inventory(registry: &Registry, driver: &Driver) -> Result<Vec<(Digest, Step)>, CleanError> {
    let Listing { tags, created_at, .. } = driver.list(registry, &HashSet::new()).await?;
    let mut steps: HashMap<Digest, Step> = HashMap::new();
    for (digest, created_at) in created_at {
        steps.entry(digest).or_default().created_at = Some(created_at);
    }
    for entry in tags {
        let step = steps.entry(entry.digest).or_default();
        // Of several tags, the youngest counts.
        step.created_at = step.created_at.max(entry.updated_at);
        step.tags.push(entry.tag);
    }
    let mut steps: Vec<_> = steps.into_iter().collect();
    // Where the listing has no dates, the image's own one counts.
    let mut undated: Vec<_> = steps.iter_mut().filter(|(_, step)| step.created_at.is_none()).collect();
    for some in undated.chunks_mut(READS_MAX) {
        let dates = try_join_all(some.iter().map(async |(digest, _)| build_date(registry, digest).await)).await?;
        some.iter_mut().zip(dates).for_each(|((_, step), date)| step.created_at = date);
    }
    steps.sort_by(|(a, one), (b, other)| (one.created_at, a.as_ref()).cmp(&(other.created_at, b.as_ref())));
    Ok(steps)
}

/// When an image was built, by its configuration; `None` if that does not say, or if it is no image.
async fn build_date(registry: &Registry, digest: &Digest) -> Result<Option<SystemTime>, RegistryError> {
    let Some(manifest) = registry.manifest(Name::Digest(digest)).await? else { return Ok(None) };
    let manifest: Value = serde_json::from_slice(&manifest.bytes).unwrap_or_default();
    let Some(config) = manifest["config"]["digest"].as_str().and_then(|digest| digest.parse().ok()) else {
        return Ok(None);
    };
    let Some(config) = registry.blob(&config).await? else { return Ok(None) };
    let config: Value = serde_json::from_slice(&config).unwrap_or_default();
    Ok(config["created"].as_str().and_then(|created| humantime::parse_rfc3339_weak(created).ok()))
}

impl Pruning {
    /// `is_shared` says whether the repository has other users.
    fn state(&self, step: &Step, is_shared: bool) -> State {
        let is_ours = if step.tags.is_empty() { !is_shared } else { step.tags.iter().all(is_key) };
        let age = step.created_at.and_then(|created_at| self.now.duration_since(created_at).ok());
        if !is_ours || age.is_none_or(|age| age <= self.max_age) {
            return State::Fresh;
        }
        if step.tags.iter().any(|tag| self.used.contains(tag)) { State::Used } else { State::Expired }
    }
}

impl Step {
    fn item(&self, digest: &Digest, outcome: Outcome, why: &str) -> Item {
        let step = match self.tags.first() {
            Some(key) => format!("step {}", key.as_str().get(..short(digest).len()).unwrap_or(key.as_str())),
            None => "without a tag".into(),
        };
        let date = self.created_at.map(|created_at| humantime::format_rfc3339_seconds(created_at).to_string());
        let date = date.as_deref().and_then(|date| date.get(..DAY_LENGTH)).map(|day| format!(" of {day}"));
        let because = format!("{step}{}, {why}", date.unwrap_or_default());
        Item { digest: digest.clone(), depth: 0, list: false, outcome, because }
    }
}

/// Whether a tag is the key of a step.
fn is_key(tag: &Tag) -> bool {
    let text = tag.as_str().as_bytes();
    text.len() == KEY_LENGTH && text.iter().all(|byte| matches!(byte, b'0'..=b'9' | b'a'..=b'f'))
}

#[cfg(test)]
mod tests {
    use super::*;

    const DAY: Duration = Duration::from_secs(24 * 60 * 60);
    const KEY: &str = "ed2d1053486cfe028b3bcf654bc0418778ab337f46b968cab8322764d26f2e69";
    const OTHER: &str = "d60270d6102bbbac04d7de13cff46fa6ed29d92c55bf1170066e067d4f6ff240";

    #[rstest::rstest]
    #[case::young(&[KEY], Some(30), false, State::Fresh)]
    #[case::old(&[KEY], Some(31), false, State::Expired)]
    #[case::old_in_a_shared_repository(&[KEY], Some(31), true, State::Expired)]
    #[case::of_unknown_age(&[KEY], None, false, State::Fresh)]
    #[case::created_tomorrow(&[KEY], Some(-1), false, State::Fresh)]
    #[case::used(&[OTHER], Some(31), false, State::Used)]
    #[case::one_of_two_keys_used(&[KEY, OTHER], Some(31), false, State::Used)]
    #[case::of_another_user(&["latest"], Some(31), false, State::Fresh)]
    #[case::of_another_user_too(&[KEY, "mine"], Some(31), false, State::Fresh)]
    #[case::without_a_tag(&[], Some(31), false, State::Expired)]
    #[case::young_without_a_tag(&[], Some(1), false, State::Fresh)]
    #[case::without_a_tag_in_a_shared_repository(&[], Some(31), true, State::Fresh)]
    fn a_step_of_ours_that_is_old_and_unused_expires(
        #[case] tags: &[&str],
        #[case] days: Option<i32>,
        #[case] is_shared: bool,
        #[case] expected: State,
    ) {
        let now = SystemTime::UNIX_EPOCH + 1000 * DAY;
        let used = HashSet::from([OTHER.parse().unwrap()]);
        let pruning = Pruning { used, max_age: 30 * DAY, now, dry_run: false };
        let created_at = days.map(|days| if days < 0 { now + DAY } else { now - days.unsigned_abs() * DAY });
        let tags = tags.iter().map(|tag| tag.parse().unwrap()).collect();
        assert_eq!(pruning.state(&Step { tags, created_at }, is_shared), expected);
    }

    #[rstest::rstest]
    #[case(KEY, true)]
    #[case(&KEY[1..], false)]
    #[case(&KEY.to_uppercase(), false)]
    #[case("sha256-ed2d1053486cfe028b3bcf654bc0418778ab337f46b968cab8322764d26f2e69", false)]
    #[case("latest", false)]
    fn keys_are_distinguished_from_tags(#[case] tag: &str, #[case] expected: bool) {
        assert_eq!(is_key(&tag.parse().unwrap()), expected);
    }
}
