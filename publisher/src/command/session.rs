//! What all subcommands need and decide in the same way: configuration, plan, registries, reporting.

use std::{
    path::{Path, PathBuf},
    sync::Arc,
};

use clap::Args;
use futures::future::try_join_all;

use super::{connect::Connector, gate::Gate, git};
use crate::{
    auth,
    commit::Identity,
    config::{self, Config, Overrides, RegistryConfig},
    environment::Environment,
    event::{Event, Events, Phase},
    exit::{Exit, Failure, NOTHING_PUBLISHED},
    plan::{self, Event as Trigger, EventFlags, Plan, PlanError},
    podman::Podman,
    registry::{Registry, RegistryError},
    report::{Screen, is_actions},
};

/// What a run leaves behind that ends before anything is built.
const NOTHING_BUILT: &str = "nothing was built, nothing was published";

/// The flags of every subcommand that publishes.
#[derive(Debug, Clone, Args)]
pub struct RunArgs {
    /// What started the run.
    #[command(flatten)]
    pub event: EventFlags,
    /// Moves a tag that every build moves even if it points at a newer commit: for one whose date was wrong
    #[arg(long, env = "TALLYMAN_EVEN_IF_OLDER", hide_env_values = true, value_parser = clap::builder::FalseyValueParser::new())]
    pub even_if_older: bool,
    /// What is published where.
    #[command(flatten)]
    pub config: Overrides,
}

/// The flags of every subcommand that builds what it publishes.
#[derive(Debug, Clone, Args)]
pub struct SourceArgs {
    /// Publishes although the working tree is not what the commit has: on a machine of one's own, uncommitted changes and
    /// another commit than the one that is checked out are refused
    #[arg(long)]
    pub allow_dirty: bool,
}

/// A run: what it was asked for and what it decided before doing anything.
pub struct Session {
    /// The run's environment.
    pub environment: Environment,
    /// The merged configuration.
    pub config: Config,
    /// What will be published.
    pub plan: Plan,
    /// When the commit was made, in seconds since 1970, if git knows.
    pub commit_time: Option<u64>,
    /// The commits that it was made from, if git knows.
    pub parents: Option<String>,
    /// Where events go.
    pub screen: Arc<Screen>,
    /// Until when the run can be cancelled.
    pub gate: Gate,
    /// Whether the tag moves from a newer build, too.
    pub even_if_older: bool,
    /// The ref that is published; empty where none is named.
    reference: String,
    /// Where paths are relative to.
    folder: PathBuf,
}

impl Session {
    /// Reads everything that decides what the run does, and checks it: nothing slow, nothing visible.
    ///
    /// # Errors
    /// [`Exit::InvalidTag`] for a tag that must not be published, [`Exit::Failed`] for all else, missing secrets by name.
    pub async fn open(
        args: &RunArgs,
        environment: Environment,
        screen: Arc<Screen>,
        gate: Gate,
    ) -> Result<Self, Failure> {
        let folder = std::env::current_dir()
            .map_err(|error| Failure::new(Exit::Failed, "failed to find out the current folder").because(error))?;
        let mut flags = args.event.clone();
        if flags.sha.is_none() && environment.get("GITHUB_SHA").is_none() {
            flags.sha = git::head(&folder).await;
        }
        let event = Trigger::from_environment(&environment, &flags)?;
        let config = config::load(&folder, &args.config, &environment)?;
        let environment = environment.withholding(config.passwords());
        let plan = plan::plan(&event, &config.platforms)?;
        let commit_time = git::commit_time(&folder, &plan.commit).await;
        let parents = git::parents(&folder, &plan.commit).await;
        let (reference, even_if_older) = (event.reference, args.even_if_older);
        let session =
            Self { environment, config, plan, commit_time, parents, screen, gate, even_if_older, reference, folder };
        session.require_secrets().await?;
        if session.commit_time.is_none() && session.plan.floating() {
            session.events().event(Event::Warning(format!(
                "git does not know when commit {} was made, so nothing keeps `{}` from moving back to it",
                session.plan.commit, session.plan.tag
            )));
        }
        Ok(session)
    }

    /// Where events go.
    pub fn events(&self) -> Events {
        Arc::clone(&self.screen) as Events
    }

    /// podman, as the environment names it.
    pub fn podman(&self) -> Podman {
        Podman::new(&self.environment)
    }

    /// Which run this is.
    pub fn identity(&self) -> Identity {
        let run_attempt = self.environment.get("GITHUB_RUN_ATTEMPT").and_then(|text| text.parse().ok()).unwrap_or(1);
        Identity {
            run_id: self.environment.get("GITHUB_RUN_ID").unwrap_or("local").into(),
            run_attempt,
            commit: self.plan.commit.clone(),
        }
    }

    /// Where compressed layers wait for their upload. Like podman, this prefers `/var/tmp` to `/tmp`, which often lies in
    /// memory.
    pub fn spool(&self) -> &Path {
        self.environment.get("TMPDIR").map_or(Path::new("/var/tmp"), Path::new)
    }

    /// A path of the command line, absolute.
    pub fn path(&self, path: &Path) -> PathBuf {
        self.folder.join(path)
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

    /// Clients for all registries, each of which has answered once: a wrong password or a host that is not there ends
    /// the run early.
    ///
    /// # Errors
    /// [`Exit::Failed`] when no credential can be read, [`Exit::PushFailed`] when a registry refuses us.
    pub async fn connect(&self) -> Result<Vec<Arc<Registry>>, Failure> {
        self.clients(async |registry| registry.resolve(&self.plan.tag).await.map(drop)).await
    }

    /// Clients for all registries, each of which has let us open an upload: a missing right to push or a missing
    /// repository ends the run before anything is built, too.
    ///
    /// # Errors
    /// Those of [`Session::connect`].
    pub async fn connect_to_push(&self) -> Result<Vec<Arc<Registry>>, Failure> {
        self.clients(async |registry| registry.check_push().await).await
    }

    async fn clients(
        &self,
        check: impl AsyncFn(&Registry) -> Result<(), RegistryError>,
    ) -> Result<Vec<Arc<Registry>>, Failure> {
        let connector = Connector::new(&self.environment, &self.config, self.events())?;
        try_join_all(self.config.registries.iter().map(async |config| {
            let registry = connector.registry(config).await.map_err(|failure| failure.left(NOTHING_PUBLISHED))?;
            check(&registry).await.map_err(|error| Failure::from(error).left(NOTHING_PUBLISHED))?;
            Ok(Arc::new(registry))
        }))
        .await
    }

    /// Makes sure that what is built is the commit that the image will name. On GitHub the checkout is the workflow's own;
    /// what is not pushed may be built from anything. `except` is a folder that the run itself writes to.
    ///
    /// # Errors
    /// [`Exit::Failed`] when the working tree is not that commit.
    pub async fn require_commit(&self, source: &SourceArgs, except: Option<&Path>) -> Result<(), Failure> {
        if source.allow_dirty || !self.plan.push || is_actions(&self.environment) {
            return Ok(());
        }
        let Some(head) = git::head(&self.folder).await else { return Ok(()) };
        let refuse = |message: String, hint: &str| {
            Err(Failure::new(Exit::Failed, message).hint(format!("{hint}, or give --allow-dirty")).left(NOTHING_BUILT))
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

    async fn require_secrets(&self) -> Result<(), Failure> {
        if !self.plan.push {
            return Ok(());
        }
        let mut known = Vec::new();
        for config in &self.config.registries {
            // What is wrong with a credential is told by `connect`; here it only counts whether there is one.
            let found = auth::find(&self.environment, &config.repository, None).await;
            if found.is_ok_and(|found| !found.credential.is_anonymous()) {
                known.push(&config.name);
            }
        }
        let missing = plan::missing_secrets(&self.config, &self.environment, |config| known.contains(&&config.name));
        if missing.is_empty() {
            return Ok(());
        }
        Err(Failure::from(PlanError::MissingSecrets(missing)).left(NOTHING_BUILT))
    }
}

pub(super) fn credential_names(config: &RegistryConfig) -> Option<(&str, &str)> {
    config.secrets.as_ref().map(|names| (names.username.as_str(), names.password.as_str()))
}
