//! All that was seen in a scenario.
//!
//! Evidence is taken first and judged afterwards, so that judging is a pure function, that one scenario serves many checks,
//! and that a recording can be kept and judged again. It holds no secret: what a pipeline printed is searched for secrets
//! when it is recorded, the places are noted, and the secrets are redacted.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::{LoadSample, Run};
use crate::{
    client::{Publication, Sample, Wait},
    harness::{podman::ContainerRun, proxy::Fired},
    history::Exchange,
    oracle::Snapshot,
    workflow::Workflow,
};

/// Everything that was seen in one scenario, or of published images, or of workflows.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
pub struct Evidence {
    /// The pipeline under test; none if only published images were looked at.
    #[serde(default)]
    pub subject: Option<String>,
    /// The registries that the pipeline publishes to, by name.
    pub registries: Vec<String>,
    /// From what the scenario's chances were drawn.
    pub seed: u64,
    /// When the scenario began, in milliseconds since 1970: the zero of all other times.
    #[serde(default)]
    pub start_unix_ms: u64,
    /// The runs of the pipeline, in order.
    #[serde(default)]
    pub runs: Vec<Run>,
    /// All requests, in order.
    #[serde(default)]
    pub history: Vec<Exchange>,
    /// What the registries held at certain moments, in order.
    #[serde(default)]
    pub moments: Vec<Moment>,
    /// What watched tags led to all the while: `latest`, and in places a release.
    #[serde(default)]
    pub samples: Vec<Sample>,
    /// Published images, as read by a client of our own.
    #[serde(default)]
    pub publications: Vec<Publication>,
    /// What registries did not show at once, and for how long it was waited for.
    #[serde(default)]
    pub waits: Vec<Wait>,
    /// Published images, as pulled and run by podman.
    #[serde(default)]
    pub containers: Vec<ContainerRun>,
    /// GitHub workflows, as they were read.
    #[serde(default)]
    pub workflows: Vec<Workflow>,
    /// When the subject was signalled, if it was, in milliseconds since the scenario began.
    #[serde(default)]
    pub signalled_ms: Option<u64>,
    /// The value that each commit's Containerfile gives to the label by which its images are known.
    #[serde(default)]
    pub source_marks: BTreeMap<String, String>,
    /// Where the pipeline reached each server: `127.0.0.1:41234`.
    #[serde(default)]
    pub addresses: BTreeMap<String, String>,
    /// Other hosts that the pipeline asked for; it reached none of them.
    #[serde(default)]
    pub outside: Vec<String>,
    /// How often each injected fault met a request.
    #[serde(default)]
    pub faults: Vec<Fired>,
    /// How quick the machine was all the while.
    #[serde(default)]
    pub pace: Vec<LoadSample>,
    /// Where the harness itself failed. Evidence with trouble proves nothing.
    #[serde(default)]
    pub trouble: Vec<String>,
}

/// What the registries held at a moment.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Moment {
    /// After what: `start`, or the name of a run.
    pub after: String,
    /// When, in milliseconds since the scenario began.
    pub at_ms: u64,
    /// One a registry.
    pub snapshots: Vec<Snapshot>,
    /// What each tag leads to that has another digest than at the moment before, read down to its layers.
    #[serde(default)]
    pub publications: Vec<Publication>,
}

impl Evidence {
    /// The first request of no known kind: one that may have changed something, if there is any.
    pub fn unknown_request(&self) -> Option<&Exchange> {
        let unknown = || self.history.iter().filter(|it| it.operation.is_none());
        unknown().find(|it| !it.only_reads()).or_else(|| unknown().next())
    }

    /// What a tag that was watched led to all the while.
    pub fn samples_of(&self, tag: &str) -> Vec<&Sample> {
        self.samples.iter().filter(|sample| sample.tag == tag).collect()
    }

    /// What a tag of a registry led to after a run, as it was read when the tag had last moved.
    pub fn published(&self, server: &str, tag: &str, run: &str) -> Option<&Publication> {
        let last = self.moments.iter().position(|moment| moment.after == run)?;
        self.moments[last].snapshots.iter().find(|it| it.server == server)?.tags.get(tag)?;
        let read = self.moments[..=last].iter().rev().flat_map(|moment| &moment.publications);
        read.into_iter().find(|it| it.server == server && it.reference == tag)
    }

    /// Where the pipeline reached a server; its name if that is not known.
    pub fn address(&self, server: &str) -> String {
        self.addresses.get(server).cloned().unwrap_or_else(|| server.to_owned())
    }
}
