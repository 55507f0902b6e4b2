//! A workflow as plain data, with the jobs of the workflows that it calls and the steps of its composite actions.
//!
//! Texts keep their expressions, `${{ … }}`; those of called workflows are told in their callers' terms.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::Filter;

/// One workflow that GitHub starts.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct Workflow {
    /// Where it was read: `.github/workflows/build-images.yml`.
    pub path: String,
    /// The names of all events that start it.
    pub events: Vec<String>,
    /// Which pushes start it; none if no push does.
    pub push: Option<Push>,
    /// The form for a start by hand; none if it cannot be started so.
    pub dispatch: Option<Dispatch>,
    /// Which other runs it waits for or cancels.
    pub concurrency: Option<Concurrency>,
    /// All jobs, in the order of the files.
    pub jobs: Vec<Job>,
    /// Called workflows that are not on this machine: `acme/pipelines/.github/workflows/publish.yml@…`.
    pub unseen: Vec<String>,
    /// What is used and where that is kept, for everything that is not of the workflow's own repository:
    /// `publish/build: actions/checkout@…`.
    pub used: Vec<(String, String)>,
}

/// Which pushes start a workflow.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Push {
    /// Of branches.
    pub branches: Option<Filter>,
    /// Of tags.
    pub tags: Option<Filter>,
    /// Of changed files.
    pub paths: Option<Filter>,
}

/// The form for a start by hand.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Dispatch {
    /// Its fields.
    pub inputs: Vec<Input>,
}

/// A field of a form.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Input {
    /// Its name.
    pub name: String,
    /// `string`, `boolean`, `choice`, `number`, `environment`.
    pub kind: String,
    /// Whether it must be filled in.
    pub required: bool,
    /// What is in it from the start.
    pub default: Option<String>,
}

/// Which other runs a run waits for or cancels.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Concurrency {
    /// The job or file that says so.
    pub place: String,
    /// Runs of one group exclude each other.
    pub group: String,
    /// Whether a newer one cancels what is in progress: `true`, `false`, or an expression.
    pub cancel_in_progress: String,
}

/// What a job's token may do.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Permissions {
    /// Nobody wrote it down: it depends on the repository's settings.
    #[default]
    Unstated,
    /// The same for everything.
    All(Access),
    /// For each scope that is named; nothing for all others.
    Each(BTreeMap<String, Access>),
}

/// How far a permission goes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Access {
    /// Not at all.
    None,
    /// To read.
    Read,
    /// To read and write.
    Write,
}

impl Permissions {
    /// What is allowed in a scope such as `packages`; none if nobody wrote it down.
    pub fn of(&self, scope: &str) -> Option<Access> {
        match self {
            Self::Unstated => None,
            Self::All(access) => Some(*access),
            Self::Each(scopes) => Some(scopes.get(scope).copied().unwrap_or(Access::None)),
        }
    }
}

/// A job on a runner.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct Job {
    /// Its name in the file, behind those of the jobs that called its workflow: `publish/build`.
    pub id: String,
    /// What must be so that it runs: that of its callers first.
    pub gates: Vec<Gate>,
    /// Labels of the runner.
    pub runs_on: Vec<String>,
    /// Which jobs of other runs it waits for or cancels: what its callers say of all that they call comes first.
    pub concurrency: Vec<Concurrency>,
    /// What its token may do.
    pub permissions: Permissions,
    /// How it is multiplied.
    pub strategy: Option<Strategy>,
    /// After how many minutes it is ended, as written.
    pub timeout_minutes: Option<String>,
    /// Whether its failure is overlooked: `true`, `false`, or an expression.
    pub continue_on_error: String,
    /// The environment whose rules it obeys.
    pub environment: Option<String>,
    /// Its steps, in order.
    pub steps: Vec<Step>,
}

/// A condition for a job, with the jobs that it speaks of.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Gate {
    /// What stands before the names of jobs in its workflow: nothing, or `publish/`.
    pub prefix: String,
    /// The jobs that must have ended, as they are called in their workflow.
    pub needs: Vec<String>,
    /// The condition; none means that all that is needed succeeded.
    pub condition: Option<String>,
}

/// How a job is multiplied.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Strategy {
    /// Into what.
    pub matrix: Matrix,
    /// Whether the first that fails ends the others: `true`, `false`, or an expression.
    pub fail_fast: String,
}

/// The jobs that one becomes.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Matrix {
    /// Written down: the values of each.
    Written(Vec<BTreeMap<String, String>>),
    /// Known only when it runs: the expression.
    Computed(String),
}

/// A step of a job.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Step {
    /// Where it is: `publish/build, step 3 (Build)`.
    pub place: String,
    /// What must be so that it runs, that of its callers first.
    pub conditions: Vec<String>,
    /// What it does.
    pub does: Does,
    /// All variables that it gets from the workflow.
    pub env: BTreeMap<String, String>,
    /// Whether its failure is overlooked: `true`, `false`, or an expression.
    pub continue_on_error: String,
}

/// What a step does.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Does {
    /// Runs a script.
    Run {
        /// The script.
        script: String,
        /// By what; none means GitHub's own choice, `bash -e`.
        shell: Option<String>,
    },
    /// Uses an action that is not looked into.
    Use {
        /// Which: `actions/checkout@…`.
        action: String,
        /// What it is given.
        with: BTreeMap<String, String>,
    },
}

impl Step {
    /// Its script, or the one that it gives to an action that runs scripts.
    pub fn script(&self) -> Option<&str> {
        match &self.does {
            Does::Run { script, .. } => Some(script),
            Does::Use { action, with } => {
                let takes = SCRIPTS.iter().find(|(name, _)| is_action(action, name));
                takes.and_then(|(_, input)| with.get(*input)).map(String::as_str)
            }
        }
    }

    /// The inputs of an action, if it uses that one: `actions/checkout`.
    pub fn with(&self, name: &str) -> Option<&BTreeMap<String, String>> {
        match &self.does {
            Does::Use { action, with } if is_action(action, name) => Some(with),
            _ => None,
        }
    }

    /// Everything that is handed to it, by name: variables and inputs.
    pub fn handed(&self) -> impl Iterator<Item = (&String, &String)> {
        let with = match &self.does {
            Does::Use { with, .. } => Some(with),
            Does::Run { .. } => None,
        };
        self.env.iter().chain(with.into_iter().flatten())
    }
}

/// Actions that run a script, and the input that it is.
const SCRIPTS: &[(&str, &str)] = &[
    ("actions/github-script", "script"),
    ("azure/cli", "inlineScript"),
    ("nick-fields/retry", "command"),
    ("uraimo/run-on-arch-action", "run"),
];

fn is_action(action: &str, name: &str) -> bool {
    action.split('@').next().is_some_and(|it| it.eq_ignore_ascii_case(name))
}

impl Job {
    /// Whether it needs another, by itself or by who called it. A called job's name stands for all jobs in it.
    pub fn needs(&self, other: &Self) -> bool {
        self.gates.iter().any(|gate| {
            gate.needs.iter().any(|need| {
                let need = format!("{}{need}", gate.prefix);
                other.id == need || other.id.strip_prefix(&need).is_some_and(|rest| rest.starts_with('/'))
            })
        })
    }
}
