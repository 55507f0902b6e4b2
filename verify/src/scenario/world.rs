//! Everything that a pipeline meets in one scenario: registries behind fault proxies, a source repository, secrets. Everything
//! is new, and gone when it is dropped. Scenarios act on it; it collects the evidence.

use std::{
    collections::BTreeMap,
    mem,
    path::{Path, PathBuf},
    time::{Duration, SystemTime, UNIX_EPOCH},
};

use tempfile::TempDir;

use super::{
    ActiveRun, Event, Scenario,
    cancel::Cancellation,
    registries::{DOCKERHUB_USER, Registries},
    source::{LabelledSource, small_source},
};
use crate::{
    client::Poller,
    evidence::{Evidence, Moment, Stage},
    harness::{
        HarnessError,
        outside::Outside,
        owner,
        pace::Pace,
        podman::PodmanHost,
        proxy::{FirstProxy, Injected, Proxy, Rule},
        secrets::Secrets,
        source::Source,
        subject::Running,
        watch,
    },
    history::{Exchange, Recorder},
    target::LocalOptions,
};

/// The wait before a second attempt, which the contract asks pipelines to use, in milliseconds.
pub const RETRY_BASE_MS: u64 = 200;
/// The number of the first run.
const FIRST_RUN_ID: u64 = 1_000;
/// How many letters and digits follow a secret's prefix.
const SECRET_LENGTH: usize = 36;
/// How the harness calls itself towards registries.
const OUR_AGENT: &str = "tallyman-verify/";

/// The world of one scenario.
pub struct World {
    pub(super) scenario: Scenario,
    pub(super) options: LocalOptions,
    pub(super) registries: Registries,
    /// Stands for all other servers.
    outside: Outside,
    pub(super) source: LabelledSource,
    pub(super) secrets: Secrets,
    /// The secret that is not there just now.
    pub(super) withheld: Option<&'static str>,
    pub(super) recorder: Recorder,
    /// The stages that run just now.
    pub(super) running: Running,
    next_run_id: u64,
    pollers: Vec<Poller>,
    pace: Pace,
    folder: TempDir,
    pub(super) evidence: Evidence,
    /// When the harness began to read and pull images itself, in milliseconds since the scenario began.
    inspected_ms: Option<u64>,
}

impl World {
    /// A new world: empty registries, a source with one commit.
    ///
    /// # Errors
    /// Parts that cannot be started.
    pub async fn start(options: &LocalOptions, scenario: Scenario) -> Result<Self, HarnessError> {
        let folder = owner::folder()?;
        let recorder = Recorder::default();
        let start = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        let secrets = new_secrets(options.seed);
        let tls_folder = scenario.speaks_tls().then(|| folder.path());
        let registries = Registries::start(options.backend, &secrets, tls_folder, &recorder).await?;
        let source = if scenario.inspects_images() {
            Source::copy_of(&options.image, folder.path().join("source"))
                .map_err(HarnessError::at("copy", &options.image))?
        } else {
            small_source(folder.path().join("source"))?
        };
        let evidence = Evidence {
            subject: Some(options.subject.name.clone()),
            registries: registries.names(),
            seed: options.seed,
            start_unix_ms: u64::try_from(start.as_millis()).unwrap_or(u64::MAX),
            addresses: registries.addresses(),
            ..Evidence::default()
        };
        let mut world = Self {
            scenario,
            options: options.clone(),
            registries,
            outside: Outside::start().await?,
            source: LabelledSource::new(source)?,
            secrets,
            withheld: None,
            pace: Pace::watch(recorder.clone()),
            recorder,
            running: Running::default(),
            next_run_id: FIRST_RUN_ID,
            pollers: Vec::new(),
            folder,
            evidence,
            inspected_ms: None,
        };
        let programs = world.watched_programs();
        watch::install(&programs).map_err(HarnessError::at("write programs to", &programs))?;
        if scenario.builds() {
            PodmanHost::provide_bases(&options.image).await?;
        }
        world.take_snapshots("start").await?;
        Ok(world)
    }

    /// The commit at the head of main.
    pub fn head(&self) -> &str {
        &self.source.head
    }

    /// Commits a change of the source: another value of the label in the Containerfile, and another message.
    ///
    /// # Errors
    /// Files or git that fail.
    pub fn change(&mut self, to: &str) -> Result<(), HarnessError> {
        self.source.change(to)
    }

    /// A whole run for a push of main's head.
    ///
    /// # Errors
    /// The harness's own troubles.
    pub async fn publish_main(&mut self, name: &str) -> Result<(), HarnessError> {
        self.publish(name, &Event::main(&self.source.head.clone())).await
    }

    /// A whole run, and a look at what the registries hold then.
    ///
    /// # Errors
    /// The harness's own troubles.
    pub async fn publish(&mut self, name: &str, event: &Event) -> Result<(), HarnessError> {
        let mut run = self.begin(name, event);
        run.all(self).await?;
        self.end(run).await
    }

    /// The first stage alone.
    ///
    /// # Errors
    /// The harness's own troubles.
    pub async fn prepare_only(&mut self, name: &str, event: &Event) -> Result<(), HarnessError> {
        let mut run = self.begin(name, event);
        run.prepare(self).await?;
        self.evidence.runs.push(run.run);
        Ok(())
    }

    /// Begins a run for main's head, whose stages the scenario calls one by one.
    pub fn begin_main(&mut self, name: &str) -> ActiveRun {
        self.begin(name, &Event::main(&self.source.head.clone()))
    }

    fn begin(&mut self, name: &str, event: &Event) -> ActiveRun {
        self.next_run_id += 1;
        ActiveRun::new(name, event, self.folder.path().join(format!("run-{}", self.next_run_id)), self.next_run_id)
    }

    /// Runs the jobs of a run again from the merge on, with what it has handed over.
    pub fn again(&mut self, name: &str, run: &ActiveRun) -> ActiveRun {
        self.next_run_id += 1;
        run.again(name, self.folder.path().join(format!("run-{}", self.next_run_id)))
    }

    /// Ends a run, looks at what the registries hold then, and reads what their new tags lead to.
    ///
    /// # Errors
    /// Registries that cannot be read.
    pub async fn end(&mut self, run: ActiveRun) -> Result<(), HarnessError> {
        let name = run.run.name.clone();
        self.evidence.runs.push(run.run);
        self.take_snapshots(&name).await
    }

    async fn take_snapshots(&mut self, after: &str) -> Result<(), HarnessError> {
        let at_ms = self.recorder.now_ms();
        let snapshots = self.registries.snapshots().map_err(HarnessError::io("cannot read a registry's storage"))?;
        let before = self.evidence.moments.last().map_or(&[][..], |moment| moment.snapshots.as_slice());
        let publications = self.registries.read_moved(before, &snapshots).await?;
        self.evidence.moments.push(Moment { after: after.to_owned(), at_ms, snapshots, publications });
        Ok(())
    }

    /// From now on, polls a tag directly at the registries.
    ///
    /// # Errors
    /// A client that cannot be made.
    pub fn poll(&mut self, tag: &str) -> Result<(), HarnessError> {
        self.pollers.push(self.registries.poll(tag, &self.recorder)?);
        Ok(())
    }

    /// Reads from all registries, layers too, what runs have decided to publish and all else that has a tag; lets podman pull
    /// and run some tags.
    ///
    /// # Errors
    /// The harness's own troubles.
    pub async fn inspect_images(&mut self, pulled: &[&str]) -> Result<(), HarnessError> {
        self.inspected_ms = Some(self.recorder.now_ms());
        let decided = self.evidence.runs.iter().filter_map(|run| run.of(Stage::Prepare).next()?.outputs.get("tag"));
        let last = self.evidence.moments.last().into_iter().flat_map(|moment| &moment.snapshots);
        let tags = decided.chain(last.flat_map(|snapshot| snapshot.tags.keys())).collect();
        self.evidence.publications = self.registries.read(&tags).await?;
        self.evidence.containers = self.registries.pull_and_run(pulled, self.folder.path()).await?;
        Ok(())
    }

    /// From now on, the pipeline may keep a layer cache.
    pub fn offer_cache(&mut self) {
        self.options.environment.insert("VERIFY_CACHE".into(), self.registries.cache());
    }

    /// The proxy before GHCR.
    pub fn ghcr(&self) -> &Proxy {
        &self.registries.ghcr.proxy
    }

    /// The proxy before Docker Hub.
    pub fn dockerhub(&self) -> &Proxy {
        &self.registries.dockerhub.proxy
    }

    /// Adds a rule to whichever registry is asked second for what it is about, so that no order of registries is the lucky one.
    pub fn on_the_second(&self, rule: impl Fn() -> Rule) -> Vec<Injected> {
        let first = FirstProxy::default();
        [self.ghcr(), self.dockerhub()].map(|proxy| proxy.add(rule().not_first(&first))).into()
    }

    /// Takes all faults away.
    pub fn heal(&self) {
        self.registries.proxies().into_iter().for_each(Proxy::heal);
    }

    /// Cancels the run that is going on when one of the rules holds a request, and lets the request through after a time.
    pub(super) fn cancel_at(&self, rules: Vec<Injected>, release_after: Option<Duration>) -> Cancellation {
        Cancellation::at(rules, release_after, self.running.clone(), self.recorder.clone())
    }

    /// Everything that was seen.
    pub async fn finish(mut self) -> Evidence {
        self.heal();
        let mut evidence = mem::take(&mut self.evidence);
        evidence.trouble = self.registries.trouble();
        for poller in mem::take(&mut self.pollers) {
            match poller.stop().await {
                Ok(samples) => evidence.samples.extend(samples),
                Err(error) => {
                    evidence.trouble.push(HarnessError::other("cannot watch a registry")(error).with_causes());
                }
            }
        }
        evidence.outside = self.outside.hosts();
        evidence.faults = self.registries.proxies().into_iter().flat_map(Proxy::fired).collect();
        self.registries.end().await;
        evidence.trouble.extend(self.recorder.trouble());
        evidence.history = self.recorder.history();
        // The harness's own requests for tokens come through the proxies too.
        let by_pipeline = |it: &Exchange| self.inspected_ms.is_none_or(|since| it.began_ms < since) && !is_ours(it);
        evidence.history.retain(by_pipeline);
        evidence.source_marks = self.source.labels;
        evidence.pace = self.pace.stop();
        evidence
    }

    /// The variables of the contract that do not depend on the run.
    pub(super) fn variables(&self) -> BTreeMap<String, String> {
        let mut variables = self.options.environment.clone();
        variables.extend(self.registries.variables());
        variables.extend(self.outside.variables());
        variables.insert("VERIFY_RETRY_BASE_MS".into(), RETRY_BASE_MS.to_string());
        variables.insert("VERIFY_CLEANUP".into(), "after".into());
        variables.insert("DOCKERHUB_USERNAME".into(), DOCKERHUB_USER.into());
        variables.extend(self.secrets.iter().map(|(name, value)| (name.to_owned(), value.to_owned())));
        variables.retain(|name, _| self.withheld != Some(name.as_str()));
        variables
    }

    /// A checkout of a commit: each build and each merge has one of its own; `prepare` changes nothing, so those share one.
    pub(super) fn check_out(&self, commit: &str, stage: Stage, folder: &Path) -> Result<PathBuf, HarnessError> {
        let folder = match stage {
            Stage::Prepare => self.folder.path().join("prepare").join(commit),
            Stage::Build | Stage::Merge => folder.join("checkout"),
        };
        if !folder.exists() {
            self.source.source.check_out(commit, &folder).map_err(HarnessError::io("cannot check a commit out"))?;
        }
        Ok(folder)
    }

    /// The folder of the programs whose calls are recorded.
    pub(super) fn watched_programs(&self) -> PathBuf {
        self.folder.path().join("bin")
    }
}

/// Whether a request is the harness's own.
fn is_ours(exchange: &Exchange) -> bool {
    exchange.headers.get("user-agent").is_some_and(|agent| agent.starts_with(OUR_AGENT))
}

/// New secrets, as long as real ones.
pub(crate) fn new_secrets(seed: u64) -> Secrets {
    let mut random = fastrand::Rng::with_seed(seed);
    let mut secrets = Secrets::default();
    for (name, prefix) in [("DOCKERHUB_TOKEN", "dckr_pat_"), ("GITHUB_TOKEN", "ghs_")] {
        let drawn: String = (0..SECRET_LENGTH).map(|_| random.alphanumeric()).collect();
        secrets.add(name, &format!("{prefix}{drawn}"));
    }
    secrets
}
