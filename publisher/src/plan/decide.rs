//! The decision itself: a pure function from a trigger to a plan.

use semver::Version;
use serde::Serialize;

use super::trigger::{COMMIT_HINT, PULL_REQUEST, PUSH, REFERENCE_HINT, Trigger, WORKFLOW_DISPATCH};
use crate::{
    exit::{Exit, Failure},
    oci::{Platform, Tag},
};

const TRIGGER_HINT: &str = "push to the main branch, push a tag v<major>.<minor>.<patch>, or start the workflow by hand \
    (workflow_dispatch, `--tag-name`)";
const RELEASE_HINT: &str =
    "delete the tag and push one of that form; a pre-release can be published by starting the workflow by hand";
const RESERVED_HINT: &str =
    "`latest` is published by a push to the main branch, a version by pushing its tag v<major>.<minor>.<patch>";
const NOT_MANUAL_HINT: &str = "leave it out, or start the workflow by hand (`--event-name workflow_dispatch`)";

/// What kind of build a plan is for; the names in outputs are `latest`, `release`, `manual` and `pull-request`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Kind {
    /// A build of the main branch.
    Latest,
    /// A release.
    Release,
    /// A build that was started by hand.
    Manual,
    /// A proposed change, which is built and not published. Nothing of it may need a secret: a fork's has none.
    PullRequest,
}

/// What a run will publish.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Plan {
    /// The tag on every registry.
    pub tag: Tag,
    /// What kind of build it is.
    pub kind: Kind,
    /// The platforms, in the order of the configuration.
    pub platforms: Vec<Platform>,
    /// Whether anything is published; if not, the images are only built.
    pub push: bool,
    /// The commit id in lower case.
    pub commit: String,
}

impl Plan {
    /// Whether the tag moves from build to build, so that a newer build must not be overwritten and an older image is
    /// removed: only `latest` does (FR-009, FR-016).
    pub fn floating(&self) -> bool {
        self.kind == Kind::Latest
    }
}

/// Decides what a trigger publishes, out of the configured platforms.
///
/// # Errors
/// When the trigger publishes nothing, the tag is not acceptable ([`Exit::InvalidTag`]), or an input is not understood. The
/// tag is judged first.
pub fn plan(trigger: &Trigger, configured: &[Platform]) -> Result<Plan, Failure> {
    let (kind, tag) = match trigger.event.as_str() {
        PUSH => pushed(trigger)?,
        WORKFLOW_DISPATCH => (Kind::Manual, manual_tag(trigger)?),
        PULL_REQUEST => (Kind::PullRequest, pull_request_tag(trigger)?),
        other => return Err(Failure::other(format!("the event `{other}` does not publish")).hint(TRIGGER_HINT)),
    };
    for (input, value) in [("tag_name", &trigger.tag_name), ("platforms", &trigger.platforms)] {
        if value.is_some() && kind != Kind::Manual {
            let message = format!("the input `{input}` is for manual builds, the event is `{}`", trigger.event);
            return Err(Failure::other(message).hint(NOT_MANUAL_HINT));
        }
    }
    let commit = commit(&trigger.sha)?;
    let skip_push = match trigger.skip_push.as_deref() {
        None | Some("" | "false") => false,
        Some("true") => true,
        Some(other) => {
            return Err(Failure::other(format!("the input `skip_push` is `{other}`, expected true or false")));
        }
    };
    let push = !skip_push && kind != Kind::PullRequest;
    let platforms = match &trigger.platforms {
        Some(chosen) => subset(chosen, configured)?,
        None => configured.to_vec(),
    };
    Ok(Plan { tag, kind, platforms, push, commit })
}

fn pushed(trigger: &Trigger) -> Result<(Kind, Tag), Failure> {
    let (reference, main) = (&trigger.reference, &trigger.main_branch);
    if let Some(name) = reference.strip_prefix("refs/tags/") {
        let version = name.strip_prefix('v').filter(|version| is_version(version));
        let Some(tag) = version.and_then(|version| version.parse().ok()) else {
            let message =
                format!("tag `{name}` is not a release version, expected v<major>.<minor>.<patch> such as v1.2.0");
            return Err(Failure::new(Exit::InvalidTag, message).hint(RELEASE_HINT));
        };
        return Ok((Kind::Release, tag));
    }
    match reference.strip_prefix("refs/heads/") {
        Some(branch) if branch == main => Ok((Kind::Latest, Tag::latest())),
        Some(branch) => {
            Err(Failure::other(format!("branch `{branch}` is not published, only `{main}` is")).hint(TRIGGER_HINT))
        }
        None => Err(bad_reference(reference)),
    }
}

/// The name of a pull request's build in messages; no registry gets it.
fn pull_request_tag(trigger: &Trigger) -> Result<Tag, Failure> {
    let number = trigger.reference.strip_prefix("refs/pull/").and_then(|rest| rest.split('/').next());
    let name = format!("pull-{}", number.unwrap_or(short_commit(&commit(&trigger.sha)?)));
    name.parse().map_err(|_| bad_reference(&trigger.reference))
}

fn manual_tag(trigger: &Trigger) -> Result<Tag, Failure> {
    let name = match &trigger.tag_name {
        Some(name) => name.clone(),
        None => format!("manual-{}", short_commit(&commit(&trigger.sha)?)),
    };
    let invalid = |message: String| Failure::new(Exit::InvalidTag, message);
    let tag: Tag = name.parse().map_err(|error| invalid(format!("the input `tag_name` is not acceptable: {error}")))?;
    if tag == Tag::latest() || is_version(name.strip_prefix('v').unwrap_or(&name)) {
        let message = format!("the input `tag_name` is `{name}`, which a manual build may not use");
        return Err(invalid(message).hint(RESERVED_HINT));
    }
    Ok(tag)
}

/// Whether a text is a version of exactly three numbers, `1.2.3`: no leading zeros, no pre-release, no build metadata,
/// each number within 64 bits.
fn is_version(text: &str) -> bool {
    Version::parse(text).is_ok_and(|version| version.pre.is_empty() && version.build.is_empty())
}

/// A commit id as people read it, and as it stands in the tag of a manual build without a name.
pub(super) fn short_commit(commit: &str) -> &str {
    commit.get(..7).unwrap_or(commit)
}

fn commit(sha: &str) -> Result<String, Failure> {
    if matches!(sha.len(), 40 | 64) && sha.bytes().all(|b| b.is_ascii_hexdigit()) {
        return Ok(sha.to_ascii_lowercase());
    }
    Err(Failure::other(format!("`{sha}` is not a commit, expected 40 or 64 hexadecimal digits")).hint(COMMIT_HINT))
}

/// The configured platforms that were chosen, in the order of the configuration.
fn subset(chosen: &str, configured: &[Platform]) -> Result<Vec<Platform>, Failure> {
    let invalid = |error: String| Failure::other(format!("the input `platforms` is not acceptable: {error}"));
    let mut wanted = Vec::new();
    for entry in chosen.split(',') {
        let platform: Platform = entry.trim().parse().map_err(invalid)?;
        if !configured.contains(&platform) {
            let configured = configured.iter().map(ToString::to_string).collect::<Vec<_>>().join(", ");
            let message =
                format!("the input `platforms` names {platform}, which is not configured; configured are {configured}");
            return Err(Failure::other(message).hint("add it to `platforms` in publish.toml, or leave it out"));
        }
        if wanted.contains(&platform) {
            return Err(Failure::other(format!("the input `platforms` names {platform} twice")));
        }
        wanted.push(platform);
    }
    Ok(configured.iter().filter(|platform| wanted.contains(platform)).cloned().collect())
}

fn bad_reference(reference: &str) -> Failure {
    Failure::other(format!("`{reference}` is neither a branch nor a tag")).hint(REFERENCE_HINT)
}
