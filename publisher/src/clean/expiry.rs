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

use super::{Graph, Item, Problem, Report, decide, driver::Listing, scan::Scanner};
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

/// Finds the expired steps, oldest first, and puts them into `report`. Returns those that no other user's tag reaches.
///
/// # Errors
/// When the listing, an image or another user's list cannot be read.
pub(super) async fn expired(
    scanner: &mut Scanner<'_>,
    pruning: &Pruning,
    report: &mut Report,
) -> Result<(Graph, Vec<Digest>), Problem> {
    let steps = inventory(scanner).await?;
    let is_shared = steps.iter().any(|(_, step)| step.is_foreign());
    let mut expired: Vec<_> = steps.iter().filter(|(_, step)| pruning.is_expired(step, is_shared)).collect();
    let later = expired.split_off(expired.len().min(REMOVALS_MAX)).len();
    if later > 0 {
        report.warnings.push(format!("{later} more are as old and left for the next clean-up"));
    }
    if expired.is_empty() {
        return Ok((Graph::default(), Vec::new()));
    }
    // Steps are images, which name no manifests. Only other users' tags may point at lists.
    let (foreign, own): (Vec<_>, Vec<_>) = steps.iter().partition(|(_, step)| step.is_foreign());
    scanner.read(foreign.into_iter().map(|(digest, _)| digest.clone()).collect(), false).await?;
    let mut graph = Graph { nodes: scanner.nodes.clone(), ..Graph::default() };
    for (digest, _) in own {
        graph.nodes.entry(digest.clone()).or_default();
    }
    let digests: Vec<_> = expired.iter().map(|(digest, _)| digest.clone()).collect();
    for (digest, step) in steps.iter().filter(|(digest, _)| !digests.contains(digest)) {
        graph.tags.extend(step.tags.iter().map(|tag| (tag.clone(), vec![digest.clone()])));
    }
    let mut decision = decide(&graph, &digests)?;
    decision.removals.retain(|digest| digests.contains(digest));
    for (digest, step) in expired {
        // The tags of a step go with it, so they do not keep it.
        graph.tags.extend(step.tags.iter().map(|tag| (tag.clone(), vec![digest.clone()])));
        let Some(item) = decision.item(digest) else { continue };
        let why = if item.kept_by.is_some() { item.because.as_str() } else { "no build used it since" };
        report.items.push(Item { depth: 0, because: format!("{}, {why}", step.describe(digest)), ..item.clone() });
    }
    Ok((graph, decision.removals))
}

/// Every image with its tags and age, oldest first; also those without a tag, where the registry lists them.
async fn inventory(scanner: &Scanner<'_>) -> Result<Vec<(Digest, Step)>, Problem> {
    let Listing { tags, created_at, .. } = scanner.driver.list(scanner.registry, &HashSet::new()).await?;
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
        let dates = some.iter().map(async |(digest, _)| build_date(scanner.registry, digest).await);
        let dates = try_join_all(dates).await?;
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
    /// Whether a step of ours is old, and this build did not use it. `is_shared` says whether the repository has other
    /// users.
    fn is_expired(&self, step: &Step, is_shared: bool) -> bool {
        let is_ours = if step.tags.is_empty() { !is_shared } else { !step.is_foreign() };
        let age = step.created_at.and_then(|created_at| self.now.duration_since(created_at).ok());
        is_ours && age.is_some_and(|age| age > self.max_age) && !step.tags.iter().any(|tag| self.used.contains(tag))
    }
}

impl Step {
    /// Whether it has a tag of another user.
    fn is_foreign(&self) -> bool {
        !self.tags.iter().all(is_key)
    }

    /// The step's short key and day: `step 0123456789ab of 2026-01-31`.
    fn describe(&self, digest: &Digest) -> String {
        let key_length = short(digest).len();
        let step =
            self.tags.first().map_or("without a tag".into(), |key| format!("step {:.key_length$}", key.as_str()));
        let day = self.created_at.map(|at| format!(" of {:.10}", humantime::format_rfc3339_seconds(at).to_string()));
        step + &day.unwrap_or_default()
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
    #[case::young(&[KEY], Some(30), false, false)]
    #[case::old(&[KEY], Some(31), false, true)]
    #[case::old_in_a_shared_repository(&[KEY], Some(31), true, true)]
    #[case::of_unknown_age(&[KEY], None, false, false)]
    #[case::created_tomorrow(&[KEY], Some(-1), false, false)]
    #[case::used(&[OTHER], Some(31), false, false)]
    #[case::one_of_two_keys_used(&[KEY, OTHER], Some(31), false, false)]
    #[case::of_another_user(&["latest"], Some(31), false, false)]
    #[case::of_another_user_too(&[KEY, "mine"], Some(31), false, false)]
    #[case::without_a_tag(&[], Some(31), false, true)]
    #[case::young_without_a_tag(&[], Some(1), false, false)]
    #[case::without_a_tag_in_a_shared_repository(&[], Some(31), true, false)]
    fn a_step_of_ours_that_is_old_and_unused_expires(
        #[case] tags: &[&str],
        #[case] days: Option<i32>,
        #[case] is_shared: bool,
        #[case] expected: bool,
    ) {
        let now = SystemTime::UNIX_EPOCH + 1000 * DAY;
        let used = HashSet::from([OTHER.parse().unwrap()]);
        let pruning = Pruning { used, max_age: 30 * DAY, now, dry_run: false };
        let created_at = days.map(|days| if days < 0 { now + DAY } else { now - days.unsigned_abs() * DAY });
        let tags = tags.iter().map(|tag| tag.parse().unwrap()).collect();
        assert_eq!(pruning.is_expired(&Step { tags, created_at }, is_shared), expected);
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
