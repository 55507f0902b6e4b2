//! What a pipeline under test did: runs, their stages, and what was seen of each.

use std::{collections::BTreeMap, fmt, ops::RangeInclusive};

use serde::{Deserialize, Serialize};

/// One run of the pipeline: one event, its jobs.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
pub struct Run {
    /// What the scenario calls it.
    pub name: String,
    /// `push`, `workflow_dispatch`.
    pub event: String,
    /// `refs/heads/main`, `refs/tags/v1.2.0`.
    pub reference: String,
    /// The commit.
    pub commit: String,
    /// The stages that were called, in the order in which they began.
    pub stages: Vec<StageRun>,
}

/// The stages of a run, as the jobs of a workflow.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Stage {
    /// Decides what is to be done, before any build.
    Prepare,
    /// Builds and pushes one platform's image.
    Build,
    /// Makes the list and publishes it.
    Merge,
}

impl Stage {
    /// The argument that the subject is called with.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Prepare => "prepare",
            Self::Build => "build",
            Self::Merge => "merge",
        }
    }
}

/// One call of the subject.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct StageRun {
    /// Which stage.
    pub stage: Stage,
    /// Of which platform, for builds.
    #[serde(default)]
    pub platform: Option<String>,
    /// When it began, in milliseconds since the scenario began.
    pub began_ms: u64,
    /// When it had ended.
    pub ended_ms: u64,
    /// For how long processors worked for it and what it started, in milliseconds.
    #[serde(default)]
    pub worked_ms: u64,
    /// How it ended.
    pub end: Exit,
    /// What it printed, secrets redacted.
    pub stdout: String,
    /// What it printed to stderr, secrets redacted.
    pub stderr: String,
    /// What it wrote to `GITHUB_OUTPUT`.
    pub outputs: BTreeMap<String, String>,
    /// What it wrote to `GITHUB_STEP_SUMMARY`, secrets redacted.
    pub summary: String,
    /// The small files that it handed over, by name, secrets redacted.
    pub handover: BTreeMap<String, String>,
    /// Programs that it called, as far as they are watched.
    pub calls: Vec<Call>,
    /// Where secrets were found: `stdout: DOCKERHUB_TOKEN`.
    pub leaks: Vec<String>,
    /// Processes that were still there when it had ended.
    pub left_behind: Vec<String>,
}

impl StageRun {
    /// Everything that it printed.
    pub fn printed(&self) -> String {
        format!("{}\n{}", self.stdout, self.stderr)
    }

    /// When it began and ended, in milliseconds since the scenario began.
    pub const fn span_ms(&self) -> RangeInclusive<u64> {
        self.began_ms..=self.ended_ms
    }
}

#[cfg(test)]
impl StageRun {
    /// A call without output.
    pub(crate) fn silent(stage: Stage, began_ms: u64, ended_ms: u64, end: Exit) -> Self {
        Self {
            stage,
            platform: None,
            began_ms,
            ended_ms,
            worked_ms: 0,
            end,
            stdout: String::new(),
            stderr: String::new(),
            outputs: BTreeMap::new(),
            summary: String::new(),
            handover: BTreeMap::new(),
            calls: Vec::new(),
            leaks: Vec::new(),
            left_behind: Vec::new(),
        }
    }
}

/// `build linux/arm64`
impl fmt::Display for StageRun {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.stage.name())?;
        self.platform.iter().try_for_each(|platform| write!(f, " {platform}"))
    }
}

/// How a process ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Exit {
    /// With this exit code.
    Code(i32),
    /// By this signal.
    Signal(i32),
    /// It was ended because it took too long.
    TimedOut,
}

impl Exit {
    /// Whether the subject says that it succeeded.
    pub const fn is_success(self) -> bool {
        matches!(self, Self::Code(0))
    }
}

/// `0`, `signal 9`, `a timeout`
impl fmt::Display for Exit {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Code(code) => write!(f, "{code}"),
            Self::Signal(signal) => write!(f, "signal {signal}"),
            Self::TimedOut => f.write_str("a timeout"),
        }
    }
}

/// A call of a watched program.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Call {
    /// The user that called it.
    pub user_id: u32,
    /// Name and arguments, secrets redacted.
    pub words: Vec<String>,
}

impl Run {
    /// Whether every stage succeeded that had to.
    pub fn succeeded(&self) -> bool {
        !self.stages.is_empty() && self.stages.iter().all(|stage| stage.end.is_success())
    }

    /// The calls of one stage.
    pub fn of(&self, stage: Stage) -> impl Iterator<Item = &StageRun> {
        self.stages.iter().filter(move |run| run.stage == stage)
    }

    /// The tag that the first stage decided on.
    pub fn tag(&self) -> Option<&str> {
        let outputs = &self.of(Stage::Prepare).next()?.outputs;
        outputs.get("tag").map(String::as_str).filter(|tag| !tag.is_empty())
    }

    /// The stages that failed.
    pub fn failed_stages(&self) -> impl Iterator<Item = &StageRun> {
        self.stages.iter().filter(|stage| !stage.end.is_success())
    }

    /// When it began and ended, in milliseconds since the scenario began.
    pub fn span_ms(&self) -> RangeInclusive<u64> {
        let began = self.stages.iter().map(|stage| stage.began_ms).min().unwrap_or_default();
        let ended = self.stages.iter().map(|stage| stage.ended_ms).max().unwrap_or_default();
        began..=ended
    }
}
