//! The decision itself: a pure function from an event to a plan.

use std::collections::BTreeSet;

use semver::Version;
use serde::{Serialize, Serializer};

use super::{
    Event, PlanError,
    event::{PULL_REQUEST, PUSH, WORKFLOW_DISPATCH},
    version,
};
use crate::oci::{Platform, Tag};

/// How many digits of a commit id people need to tell commits apart.
const SHORT_SHA_DIGITS: usize = 7;
/// How many hexadecimal digits a commit id has: SHA-1, SHA-256.
const SHA_DIGITS: [usize; 2] = [40, 64];

/// What sort of build a plan is for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Kind {
    /// A build of the main branch.
    Latest,
    /// A release of this version.
    Release(Version),
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
    /// What sort of build it is.
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

impl Kind {
    /// The name in outputs: `latest`, `release`, `manual`, `pull-request`.
    pub fn name(&self) -> &'static str {
        match self {
            Self::Latest => "latest",
            Self::Release(_) => "release",
            Self::Manual => "manual",
            Self::PullRequest => "pull-request",
        }
    }
}

impl Serialize for Kind {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(self.name())
    }
}

/// Decides what an event publishes, out of the configured platforms.
///
/// # Errors
/// When the event publishes nothing, the tag is not acceptable, or an input means nothing. The tag is judged first.
pub fn plan(event: &Event, configured: &[Platform]) -> Result<Plan, PlanError> {
    let (kind, tag) = match event.name.as_str() {
        PUSH => of_push(event)?,
        WORKFLOW_DISPATCH => (Kind::Manual, manual_tag(event)?),
        PULL_REQUEST => (Kind::PullRequest, pull_request_tag(event)?),
        _ => return Err(PlanError::OtherEvent(event.name.clone())),
    };
    let commit = commit(&event.sha)?;
    let push = !skip_push(event)? && kind != Kind::PullRequest;
    let platforms = match (&event.inputs.platforms, &kind) {
        (None, _) => configured.to_vec(),
        (Some(chosen), Kind::Manual) => subset(chosen, configured)?,
        (Some(_), _) => return Err(not_manual("platforms", event)),
    };
    Ok(Plan { tag, kind, platforms, push, commit })
}

fn of_push(event: &Event) -> Result<(Kind, Tag), PlanError> {
    let planned = if let Some(name) = event.reference.strip_prefix("refs/tags/") {
        let refuse = || PlanError::NotARelease(name.into());
        let version = version::of_git_tag(name).ok_or_else(refuse)?;
        let tag = version.to_string().parse().map_err(|_| refuse())?;
        (Kind::Release(version), tag)
    } else if let Some(branch) = event.reference.strip_prefix("refs/heads/") {
        if branch != event.main_branch {
            return Err(PlanError::OtherBranch { branch: branch.into(), main: event.main_branch.clone() });
        }
        (Kind::Latest, Tag::latest())
    } else {
        return Err(PlanError::BadReference(event.reference.clone()));
    };
    if event.inputs.tag_name.is_some() { Err(not_manual("tag_name", event)) } else { Ok(planned) }
}

/// The name of a pull request's build, for people: it is put on no registry.
fn pull_request_tag(event: &Event) -> Result<Tag, PlanError> {
    if event.inputs.tag_name.is_some() {
        return Err(not_manual("tag_name", event));
    }
    let number = event.reference.strip_prefix("refs/pull/").and_then(|rest| rest.split('/').next());
    let name = format!("pull-{}", number.unwrap_or(short_commit(&commit(&event.sha)?)));
    name.parse().map_err(|_| PlanError::BadReference(event.reference.clone()))
}

fn manual_tag(event: &Event) -> Result<Tag, PlanError> {
    let Some(name) = &event.inputs.tag_name else {
        let commit = commit(&event.sha)?;
        return format!("manual-{}", short_commit(&commit)).parse().map_err(PlanError::BadTagName);
    };
    let tag: Tag = name.parse().map_err(PlanError::BadTagName)?;
    let reserved = tag == Tag::latest() || version::strict(name).is_some() || version::of_git_tag(name).is_some();
    if reserved { Err(PlanError::ReservedTagName(name.clone())) } else { Ok(tag) }
}

/// A commit id as people read it, and as it stands in the tag of a manual build without a name.
pub(super) fn short_commit(commit: &str) -> &str {
    commit.get(..SHORT_SHA_DIGITS).unwrap_or(commit)
}

fn commit(sha: &str) -> Result<String, PlanError> {
    let good = SHA_DIGITS.contains(&sha.len()) && sha.bytes().all(|b| b.is_ascii_hexdigit());
    if good { Ok(sha.to_ascii_lowercase()) } else { Err(PlanError::BadCommit(sha.into())) }
}

fn skip_push(event: &Event) -> Result<bool, PlanError> {
    match event.inputs.skip_push.as_deref() {
        None | Some("" | "false") => Ok(false),
        Some("true") => Ok(true),
        Some(other) => Err(PlanError::BadSkipPush(other.into())),
    }
}

/// The configured platforms that were chosen, in the order of the configuration.
fn subset(chosen: &str, configured: &[Platform]) -> Result<Vec<Platform>, PlanError> {
    let mut wanted = BTreeSet::new();
    for entry in chosen.split(',') {
        let platform: Platform = entry.trim().parse().map_err(PlanError::BadPlatform)?;
        if !configured.contains(&platform) {
            let configured = configured.iter().map(ToString::to_string).collect::<Vec<_>>().join(", ");
            return Err(PlanError::UnknownPlatform { platform: platform.to_string(), configured });
        }
        let shown = platform.to_string();
        if !wanted.insert(platform) {
            return Err(PlanError::RepeatedPlatform(shown));
        }
    }
    Ok(configured.iter().filter(|platform| wanted.contains(platform)).cloned().collect())
}

fn not_manual(input: &'static str, event: &Event) -> PlanError {
    PlanError::NotManual { input, event: event.name.clone() }
}
