//! The result of a run as plain data: what `--output json` prints and what text and summary are made from.
//!
//! Fields are only ever added; scripts read them. Digests are whole, sizes are bytes, durations milliseconds.

use std::{fmt, time::Duration};

use serde::Serialize;
use serde_json::json;

use crate::{
    clean::Report,
    exit::Failure,
    oci::{Digest, Platform},
    plan::Kind,
    stage::StagedImage,
};

/// The version of `timings.json`; it grows when a field changes its meaning or goes away.
const TIMINGS_SCHEMA: u32 = 1;

/// How far a run that succeeded went.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Status {
    /// The tag points at the image on every registry.
    Published,
    /// The image is on every registry by its digest; no tag was moved.
    Staged,
    /// The image was built and, as was asked for, not pushed.
    Skipped,
}

/// What a run published.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Publication {
    /// How far the run went.
    pub status: Status,
    /// The tag, `latest`.
    pub tag: String,
    /// What kind of build it is.
    pub kind: Kind,
    /// The digest of the list; none before there is a list.
    pub digest: Option<Digest>,
    /// How the images were built, in the order of the platforms.
    pub builds: Vec<BuildOutcome>,
    /// The platforms, in the order of the configuration.
    pub platforms: Vec<StagedImage>,
    /// The registries, in the order of the configuration.
    pub registries: Vec<RegistryOutcome>,
    /// What was removed: of what the tag pointed at before, for each registry that is cleaned; of the layer caches, for
    /// each that was pruned.
    pub cleanup: Vec<Report>,
    /// How long each phase took, in the order in which they ended.
    pub timings: Vec<Timing>,
    /// What did not stop the run but should be known.
    pub warnings: Vec<String>,
}

/// How one platform's image was built.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct BuildOutcome {
    /// The platform, `linux/arm64`.
    pub platform: Platform,
    /// How many steps the build has, without `FROM`.
    pub steps: usize,
    /// How many of them were not run but taken from a cache, on this machine or in a registry.
    pub steps_reused: usize,
}

impl fmt::Display for BuildOutcome {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} of {} steps reused", self.steps_reused, self.steps)
    }
}

/// What happened on one registry.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct RegistryOutcome {
    /// Its short name, `ghcr`.
    pub name: String,
    /// What to pull: `ghcr.io/acme/hello:latest`, by digest where no tag was moved.
    pub reference: String,
    /// What the tag points at now.
    pub digest: Digest,
    /// What the tag pointed at before; none where it did not exist.
    pub previous: Option<Digest>,
    /// How many requests were made.
    pub requests: u64,
    /// How much was sent, in request bodies.
    pub bytes_sent: u64,
    /// How many operations had to be tried again.
    pub retries: u64,
    /// How long it took until the registry itself showed the moved tag; none where it was not read back.
    pub read_back_milliseconds: Option<u64>,
}

/// How long one phase took.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Timing {
    /// `build`, `stage`, `list`, `commit`, `read_back` or `clean`.
    pub phase: String,
    /// The platform, where the phase belongs to one.
    pub platform: Option<String>,
    /// How long it took.
    pub milliseconds: u64,
}

/// What `--output json` prints instead of a [`Publication`] when the run failed: `status` is always `failed`, so that one
/// field tells the outcomes apart. `left` is what the registries hold now because of this run, `replaced` what the tag
/// pointed at before this run moved it, where others have moved it on since.
pub fn failure_json(failure: &Failure) -> String {
    let mut error = json!({
        "message": failure.message,
        "causes": failure.chain().split_off(1),
        "hint": failure.hint,
        "left": failure.left,
    });
    let replaced = |(registry, previous): &(String, Digest)| json!({ "registry": registry, "previous": previous });
    if !failure.replaced.is_empty() {
        error["replaced"] = failure.replaced.iter().map(replaced).collect();
    }
    to_json(&json!({ "status": "failed", "exit_code": failure.exit as u8, "error": error }))
}

/// `timings.json`, for comparing runs: `{"schema": 1, "timings": [{"phase", "platform", "milliseconds"}, …]}`, in the order
/// in which phases ended.
pub fn timings_json(timings: &[Timing]) -> String {
    to_json(&json!({ "schema": TIMINGS_SCHEMA, "timings": timings }))
}

/// A record as it is printed: indented, with a line end.
pub fn to_json(record: &impl Serialize) -> String {
    // Strings as keys cannot fail.
    serde_json::to_string_pretty(record).map(|json| json + "\n").unwrap_or_default()
}

/// A duration in whole milliseconds, as all records give it.
pub fn milliseconds(time: Duration) -> u64 {
    u64::try_from(time.as_millis()).unwrap_or(u64::MAX)
}

#[cfg(test)]
pub(super) mod tests {
    use super::*;
    use crate::{
        clean::{Item, Outcome},
        config::DriverKind,
        exit::Exit,
        report::tests::{amd64, arm64, digest},
    };

    /// A publish as it should go: one platform mostly known, one registry new.
    pub(in crate::report) fn publication() -> Publication {
        let registry = |name: &str, reference: &str, previous| RegistryOutcome {
            name: name.into(),
            reference: reference.into(),
            digest: digest("list"),
            previous,
            requests: 23,
            bytes_sent: 31_400_000,
            retries: 0,
            read_back_milliseconds: Some(340),
        };
        let platform = |platform, layers_known, bytes_uploaded| StagedImage {
            digest: digest(&format!("{platform}")),
            platform,
            size: 31_400_000,
            layers: 5,
            layers_known,
            bytes_uploaded,
        };
        let build = |platform, steps_reused| BuildOutcome { platform, steps: 7, steps_reused };
        let timing = |phase: &str, platform: Option<&str>, milliseconds| Timing {
            phase: phase.into(),
            platform: platform.map(Into::into),
            milliseconds,
        };
        Publication {
            status: Status::Published,
            tag: "latest".into(),
            kind: Kind::Latest,
            digest: Some(digest("list")),
            builds: vec![build(amd64(), 6), build(arm64(), 0)],
            platforms: vec![platform(amd64(), 4, 2_400_000), platform(arm64(), 0, 62_800_000)],
            registries: vec![
                registry("ghcr", "ghcr.io/acme/hello:latest", Some(digest("before"))),
                RegistryOutcome { retries: 2, ..registry("dockerhub", "docker.io/acme/hello:latest", None) },
            ],
            cleanup: vec![cleanup()],
            timings: vec![
                timing("build", Some("linux/amd64"), 61_500),
                timing("stage", Some("linux/amd64"), 3_200),
                timing("commit", None, 340),
            ],
            warnings: vec!["the old image stays: its list could not be read".into()],
        }
    }

    /// A superseded list of which one image stays.
    fn cleanup() -> Report {
        let item = |name: &str, depth, outcome| Item {
            digest: digest(name),
            depth,
            list: depth == 0,
            outcome,
            because: "as the test wants".into(),
            kept_by: None,
        };
        Report {
            registry: "ghcr".into(),
            repository: "ghcr.io/acme/hello".into(),
            driver: DriverKind::GitHub,
            items: vec![
                item("before", 0, Outcome::Removed),
                item("before amd64", 1, Outcome::Removed),
                item("before arm64", 1, Outcome::Kept),
            ],
            restore: vec!["gh api --method POST /orgs/acme/packages/container/hello/versions/7/restore".into()],
            warnings: Vec::new(),
            problem: None,
        }
    }

    /// A push that failed, with everything a failure can say.
    pub(in crate::report) fn failure() -> Failure {
        let cause = Failure::new(Exit::PushFailed, "the registry answered 503 Service Unavailable")
            .because(std::io::Error::other("unavailable"));
        Failure::new(Exit::PushFailed, "failed to push layer 2cf24dba5fb0 to ghcr after 3 attempts")
            .because(cause)
            .hint("run it again; what was sent is not sent twice")
            .left("nothing was published")
    }

    #[test]
    fn a_publication_reads_as_json() {
        let mut publication = publication();
        publication.builds.truncate(1);
        publication.platforms.truncate(1);
        publication.registries.truncate(1);
        publication.timings.truncate(1);
        publication.cleanup[0].items.truncate(1);
        insta::assert_snapshot!(to_json(&publication), @r#"
        {
          "status": "published",
          "tag": "latest",
          "kind": "latest",
          "digest": "sha256:a330395cc0a53ad1207736546afff4735940937564bbf75ce1edad40780d9139",
          "builds": [
            {
              "platform": "linux/amd64",
              "steps": 7,
              "steps_reused": 6
            }
          ],
          "platforms": [
            {
              "platform": "linux/amd64",
              "digest": "sha256:baf0239e48ff4c47ebac3ba02b5cf1506b69cd5a0c0d0c825a53ba65976fb942",
              "size": 31400000,
              "layers": 5,
              "layers_known": 4,
              "bytes_uploaded": 2400000
            }
          ],
          "registries": [
            {
              "name": "ghcr",
              "reference": "ghcr.io/acme/hello:latest",
              "digest": "sha256:a330395cc0a53ad1207736546afff4735940937564bbf75ce1edad40780d9139",
              "previous": "sha256:6db7d803e74f1ffa7d8f5adc0bf95b3e15bf4c8373fffadf546227cc6c6742cb",
              "requests": 23,
              "bytes_sent": 31400000,
              "retries": 0,
              "read_back_milliseconds": 340
            }
          ],
          "cleanup": [
            {
              "registry": "ghcr",
              "repository": "ghcr.io/acme/hello",
              "driver": "github",
              "items": [
                {
                  "digest": "sha256:6db7d803e74f1ffa7d8f5adc0bf95b3e15bf4c8373fffadf546227cc6c6742cb",
                  "depth": 0,
                  "list": true,
                  "outcome": "removed",
                  "because": "as the test wants"
                }
              ],
              "restore": [
                "gh api --method POST /orgs/acme/packages/container/hello/versions/7/restore"
              ],
              "warnings": [],
              "problem": null
            }
          ],
          "timings": [
            {
              "phase": "build",
              "platform": "linux/amd64",
              "milliseconds": 61500
            }
          ],
          "warnings": [
            "the old image stays: its list could not be read"
          ]
        }
        "#);
    }

    #[test]
    fn what_was_not_pushed_has_no_digest_and_no_wait() {
        let mut publication = publication();
        publication.digest = None;
        publication.registries[0].read_back_milliseconds = None;
        let json = serde_json::to_value(&publication).unwrap();
        assert!(json["digest"].is_null() && json["registries"][0]["read_back_milliseconds"].is_null());
    }

    #[rstest::rstest]
    #[case(Status::Published, "published")]
    #[case(Status::Staged, "staged")]
    #[case(Status::Skipped, "skipped")]
    fn statuses_are_one_word(#[case] status: Status, #[case] word: &str) {
        assert_eq!(serde_json::to_value(status).unwrap(), word);
    }

    #[test]
    fn a_failure_reads_as_json() {
        insta::assert_snapshot!(failure_json(&failure()), @r#"
        {
          "status": "failed",
          "exit_code": 4,
          "error": {
            "message": "failed to push layer 2cf24dba5fb0 to ghcr after 3 attempts",
            "causes": [
              "the registry answered 503 Service Unavailable",
              "unavailable"
            ],
            "hint": "run it again; what was sent is not sent twice",
            "left": "nothing was published"
          }
        }
        "#);
    }

    #[test]
    fn a_run_that_was_overtaken_after_its_move_names_what_it_replaced() {
        let json = |failure: &Failure| serde_json::from_str::<serde_json::Value>(&failure_json(failure)).unwrap();
        let mut failure = failure();
        assert!(json(&failure)["error"].get("replaced").is_none());
        let previous: Digest = format!("sha256:{}", "3".repeat(64)).parse().unwrap();
        failure.replaced.push(("ghcr".into(), previous.clone()));
        assert_eq!(json(&failure)["error"]["replaced"], json!([{ "registry": "ghcr", "previous": previous }]));
    }

    #[test]
    fn timings_name_their_schema() {
        insta::assert_snapshot!(timings_json(&publication().timings[1..]), @r#"
        {
          "schema": 1,
          "timings": [
            {
              "phase": "stage",
              "platform": "linux/amd64",
              "milliseconds": 3200
            },
            {
              "phase": "commit",
              "platform": null,
              "milliseconds": 340
            }
          ]
        }
        "#);
    }
}
