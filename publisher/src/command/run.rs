//! What all subcommands need and decide in the same way: configuration, plan, registries, reporting.

use std::{
    path::{Path, PathBuf},
    sync::Arc,
};

use clap::{Args, builder::FalseyValueParser};
use futures::future::try_join_all;

use super::{
    connect::{Connector, missing_secrets},
    gate::Gate,
};
use crate::{
    commit::Identity,
    config::{self, Config, Settings},
    environment::Environment,
    event::{Event, Events, Phase},
    exit::Failure,
    git,
    plan::{self, Plan, Trigger, TriggerFlags},
    registry::Registry,
    report::{Screen, is_actions},
    stage::Commit,
};

/// The state after a run that ends before anything is built.
const NOTHING_BUILT: &str = "nothing was built, nothing was published";
const SECRETS_HINT: &str = "set them as repository secrets (Settings, Secrets and variables, Actions) and hand them to the step \
     in `env`; GITHUB_TOKEN is there as github.token. Elsewhere `podman login` does";

/// The flags of every subcommand that publishes.
#[derive(Debug, Clone, Args)]
pub struct RunArgs {
    /// What started the run.
    #[command(flatten)]
    pub trigger: TriggerFlags,
    /// Moves a tag that every build moves even if it points at a newer commit: for one whose date was wrong
    #[arg(long, env = "TALLYMAN_EVEN_IF_OLDER", hide_env_values = true, value_parser = FalseyValueParser::new())]
    pub even_if_older: bool,
    /// What is published where.
    #[command(flatten)]
    pub settings: Settings,
}

/// The flags of every subcommand that builds what it publishes.
#[derive(Debug, Clone, Args)]
pub struct SourceArgs {
    /// Publishes although the working tree is not what the commit has: on a machine of one's own, uncommitted changes and
    /// another commit than the one that is checked out are refused
    #[arg(long)]
    pub allow_dirty: bool,
}

/// A run: its configuration and what it decided before doing anything.
pub struct Run {
    /// The run's environment.
    pub environment: Environment,
    /// The merged configuration.
    pub config: Config,
    /// What will be published.
    pub plan: Plan,
    /// The commit that is published, as far as git knows it.
    pub commit: Commit,
    /// Makes clients for the registries.
    pub connector: Connector,
    /// Receives the events, and remembers what the result needs of them.
    pub screen: Arc<Screen>,
    /// Until when the run can be cancelled.
    pub gate: Gate,
    /// Whether the tag moves from a newer build, too.
    pub even_if_older: bool,
    /// The ref that is published; empty where none is named.
    reference: String,
    /// The folder that paths of the command line start from.
    pub folder: PathBuf,
}

impl Run {
    /// Reads everything that decides what the run does, and checks it: nothing slow, nothing visible.
    ///
    /// # Errors
    /// `Exit::InvalidTag` for a tag that must not be published, `Exit::Failed` for all else, missing secrets by name.
    pub async fn open(
        args: &RunArgs,
        environment: Environment,
        screen: Arc<Screen>,
        gate: Gate,
    ) -> Result<Self, Failure> {
        let folder = std::env::current_dir().unwrap_or_default();
        let mut flags = args.trigger.clone();
        if flags.sha.is_none() && environment.get("GITHUB_SHA").is_none() {
            flags.sha = git::commit_of(&folder, "HEAD").await;
        }
        let trigger = Trigger::from_environment(&environment, &flags)?;
        let config = config::load(&folder, &args.settings, &environment)?;
        let plan = plan::plan(&trigger, &config.platforms)?;
        let environment = environment.withholding(config.passwords());
        if plan.push {
            let missing = missing_secrets(&config, &environment).await;
            if !missing.is_empty() {
                let failure = Failure::other(format!("missing secrets: {}", missing.join(", ")));
                return Err(failure.hint(SECRETS_HINT).left(NOTHING_BUILT));
            }
        }
        let connector = Connector::new(&environment, &config, Arc::clone(&screen) as Events)?;
        let (time, parents) = git::time_and_parents(&folder, &plan.commit).await.unzip();
        let (source, revision) = (config.source.clone(), plan.commit.clone());
        let commit = Commit { source, revision, time, parents: parents.flatten() };
        let (reference, even_if_older) = (trigger.reference, args.even_if_older);
        let run = Self { environment, config, plan, commit, connector, screen, gate, even_if_older, reference, folder };
        if run.commit.time.is_none() && run.plan.floating() {
            run.warn(format!(
                "git does not know when commit {} was made, so nothing keeps `{}` from moving back to it",
                run.plan.commit, run.plan.tag
            ));
        }
        Ok(run)
    }

    /// Where events go.
    pub fn events(&self) -> Events {
        Arc::clone(&self.screen) as Events
    }

    /// Reports something for the log.
    pub fn note(&self, text: String) {
        self.events().event(Event::Note(text));
    }

    /// Reports something that does not stop the run.
    pub fn warn(&self, warning: String) {
        self.events().event(Event::Warning(warning));
    }

    /// The identity of this run for its hand-over files.
    pub fn identity(&self) -> Identity {
        let run_attempt = self.environment.get("GITHUB_RUN_ATTEMPT").and_then(|text| text.parse().ok()).unwrap_or(1);
        Identity {
            run_id: self.environment.get("GITHUB_RUN_ID").unwrap_or("local").into(),
            run_attempt,
            commit: self.plan.commit.clone(),
        }
    }

    /// Runs one phase and reports how long it took, if it succeeds.
    pub async fn phase<T, E>(&self, phase: Phase, work: impl Future<Output = Result<T, E>>) -> Result<T, E> {
        let events = self.events();
        events.event(Event::PhaseStarted(phase.clone()));
        let start = tokio::time::Instant::now();
        let value = work.await?;
        events.event(Event::PhaseFinished(phase, start.elapsed()));
        Ok(value)
    }

    /// Clients for all registries, each of which has answered once, so that a wrong password or an unreachable host ends the
    /// run early. With `to_push` each has let us open an upload: a missing right to push or a missing repository ends
    /// the run before anything is built, too.
    ///
    /// # Errors
    /// `Exit::Failed` when no credential can be read, `Exit::PushFailed` when a registry refuses us.
    pub async fn connect(&self, to_push: bool) -> Result<Vec<Arc<Registry>>, Failure> {
        let connect = async |config| {
            let registry = self.connector.registry(config).await?;
            if to_push {
                registry.check_push().await?;
            } else {
                registry.resolve(&self.plan.tag).await?;
            }
            Ok(registry)
        };
        try_join_all(self.config.registries.iter().map(connect)).await
    }

    /// Makes sure that what is built is the commit that the image will name. On GitHub the checkout is the workflow's own;
    /// what is not pushed may be built from anything. `except` is a folder that the run itself writes to.
    ///
    /// # Errors
    /// `Exit::Failed` when the working tree is not that commit.
    pub async fn require_commit(&self, source: &SourceArgs, except: Option<&Path>) -> Result<(), Failure> {
        if source.allow_dirty || !self.plan.push || is_actions(&self.environment) {
            return Ok(());
        }
        let Some(head) = git::commit_of(&self.folder, "HEAD").await else { return Ok(()) };
        let refuse = |message: String, hint: &str| {
            Err(Failure::other(message).hint(format!("{hint}, or give --allow-dirty")).left(NOTHING_BUILT))
        };
        let of_reference = git::commit_of(&self.folder, &self.reference).await;
        let named = [("the commit to publish", Some(self.plan.commit.clone())), (&self.reference, of_reference)];
        for (what, commit) in named {
            if let Some(commit) = commit.filter(|commit| *commit != head) {
                let message = format!("{what} is {commit}, but {head} is checked out");
                return refuse(message, "check out what is to be published");
            }
        }
        let changed = git::changed(&self.folder, except).await;
        let Some((first, others)) = changed.split_first() else { return Ok(()) };
        let more = if others.is_empty() { String::new() } else { format!(" and {} more", others.len()) };
        let message = format!("the working tree is not what commit {head} has: {first}{more}");
        refuse(message, "commit or stash the changes, or add new files to .gitignore")
    }
}
