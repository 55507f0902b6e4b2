//! The world of one scenario: two registries with their token services and management interfaces, a fault proxy before each
//! of them, a source repository, and the pipeline under test. Everything is new, and gone when it is dropped.

use std::{
    collections::BTreeMap,
    path::{Path, PathBuf},
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    time::{SystemTime, UNIX_EPOCH},
};

use tempfile::TempDir;

use super::{
    Cancellation, Event, Held, Job, Scenario,
    sides::{DOCKERHUB_USER, Sides, Trust},
    source_edits,
};
use crate::{
    client::Poller,
    evidence::{Evidence, Moment, Run, Stage},
    harness::{
        HarnessError, owner,
        pace::Pace,
        podman::PodmanHost,
        proxy::{Action, FirstProxy, Injected, Proxy, Rule},
        secrets::Secrets,
        source::Source,
        subject::{Running, Subject},
        watch,
    },
    history::{Exchange, Recorder},
    target::LocalOptions,
};

/// The wait before a second attempt, which the contract asks pipelines to use, in milliseconds.
pub const RETRY_BASE_MS: u64 = 200;
/// No listing of GitHub's, Docker Hub's or a registry's has more than 100 entries on a page.
const MORE_THAN_A_PAGE: usize = 101;
/// The number of the first run.
const FIRST_RUN_ID: u64 = 1_000;

/// Everything that a scenario works with.
#[derive(Debug)]
pub struct World {
    scenario: Scenario,
    subject: Subject,
    environment: BTreeMap<String, String>,
    seed: u64,
    recorder: Recorder,
    start_unix_ms: u64,
    sides: Sides,
    source: Source,
    /// The commit that is at the head of main.
    head: String,
    /// The label's value there.
    mark: String,
    /// The values of the label that each commit's Containerfile sets.
    marks: BTreeMap<String, String>,
    secrets: Secrets,
    withheld: Option<String>,
    running: Running,
    run_id: AtomicU64,
    runs: Vec<Run>,
    moments: Vec<Moment>,
    polls: Vec<Poller>,
    pace: Pace,
    evidence: Evidence,
    /// When the harness began to read and pull by itself.
    looked_ms: Option<u64>,
    watched: PathBuf,
    folder: TempDir,
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
        let trust = scenario.speaks_tls().then(|| Trust::new(folder.path())).transpose()?;
        let sides = Sides::start(options.backend, &secrets, trust, &recorder).await?;
        let source = source(options, scenario, folder.path().join("source"))?;
        let watched = folder.path().join("bin");
        watch::install(&watched).map_err(HarnessError::at("write programs to", &watched))?;
        let pace = Pace::watch(recorder.clone());
        let mut world = Self {
            scenario,
            subject: options.subject.clone(),
            environment: options.environment.clone(),
            seed: options.seed,
            recorder,
            start_unix_ms: u64::try_from(start.as_millis()).unwrap_or(u64::MAX),
            sides,
            source,
            head: String::new(),
            mark: String::new(),
            marks: BTreeMap::new(),
            secrets,
            withheld: None,
            running: Running::default(),
            run_id: AtomicU64::new(FIRST_RUN_ID),
            runs: Vec::new(),
            moments: Vec::new(),
            polls: Vec::new(),
            pace,
            evidence: Evidence::default(),
            looked_ms: None,
            watched,
            folder,
        };
        world.change("first")?;
        if scenario.builds() {
            PodmanHost::provide_bases(&options.image).await?;
        }
        world.look_behind("start").await?;
        Ok(world)
    }

    /// The commit at the head of main.
    pub fn head(&self) -> &str {
        &self.head
    }

    /// A commit that changes the source: another value of the label in the Containerfile, and another message.
    ///
    /// # Errors
    /// Files or git that fail.
    pub fn change(&mut self, to: &str) -> Result<String, HarnessError> {
        let changed = self.source.write(MESSAGE, &format!("{to}\n"));
        let commit = changed.and_then(|()| source_edits::mark(&mut self.source, to));
        let commit = commit.map_err(HarnessError::io("cannot change the source"))?;
        to.clone_into(&mut self.mark);
        self.committed(&commit);
        Ok(commit)
    }

    /// Notes a new head of main, and the label that its Containerfile sets.
    fn committed(&mut self, commit: &str) {
        self.marks.insert(commit.to_owned(), self.mark.clone());
        commit.clone_into(&mut self.head);
    }

    /// A commit whose build fails for arm64.
    ///
    /// # Errors
    /// Files or git that fail.
    pub fn break_arm64(&mut self) -> Result<String, HarnessError> {
        let commit =
            source_edits::break_arm64(&mut self.source).map_err(HarnessError::io("cannot change the source"))?;
        self.committed(&commit);
        Ok(commit)
    }

    /// A commit whose build has a step that takes seconds.
    ///
    /// # Errors
    /// Files or git that fail.
    pub fn add_slow_step(&mut self) -> Result<String, HarnessError> {
        let commit =
            source_edits::add_slow_step(&mut self.source).map_err(HarnessError::io("cannot change the source"))?;
        self.committed(&commit);
        Ok(commit)
    }

    /// A whole run, and a look at what the registries hold then.
    ///
    /// # Errors
    /// The harness's own troubles.
    pub async fn publish(&mut self, name: &str, event: &Event) -> Result<(), HarnessError> {
        let mut job = self.begin(name, event)?;
        job.all(self).await?;
        self.end(job).await
    }

    /// One stage alone.
    ///
    /// # Errors
    /// The harness's own troubles.
    pub async fn only(&mut self, stage: Stage, name: &str, event: &Event) -> Result<(), HarnessError> {
        let mut job = self.begin(name, event)?;
        match stage {
            Stage::Prepare => job.prepare(self).await?,
            Stage::Build => job.build_all(self).await?,
            Stage::Merge => job.merge(self).await?,
        };
        self.runs.push(job.run);
        Ok(())
    }

    /// Begins a run whose stages the scenario calls itself. It is decided already.
    ///
    /// # Errors
    /// Folders that cannot be made.
    pub fn begin(&mut self, name: &str, event: &Event) -> Result<Job, HarnessError> {
        let run_id = self.run_id.fetch_add(1, Ordering::Relaxed);
        Ok(Job::new(name, event, self.folder.path().join(format!("run-{run_id}")), run_id))
    }

    /// A re-run of a run's jobs from the merge on, of what it has handed over.
    pub fn again(&self, name: &str, run: &Job) -> Job {
        let number = self.run_id.fetch_add(1, Ordering::Relaxed);
        run.again(name, self.folder.path().join(format!("run-{number}")))
    }

    /// Ends a run, looks at what the registries hold then, and reads what their new tags lead to.
    ///
    /// # Errors
    /// Registries that cannot be read.
    pub async fn end(&mut self, job: Job) -> Result<(), HarnessError> {
        let name = job.run.name.clone();
        self.runs.push(job.run);
        self.look_behind(&name).await
    }

    async fn look_behind(&mut self, after: &str) -> Result<(), HarnessError> {
        let at_ms = self.recorder.now_ms();
        let snapshots = self.sides.snapshots().map_err(HarnessError::io("cannot read a registry's storage"))?;
        let before = self.moments.last().map_or(&[][..], |moment| moment.snapshots.as_slice());
        let publications = self.sides.read_moved(before, &snapshots).await?;
        self.moments.push(Moment { after: after.to_owned(), at_ms, snapshots, publications });
        Ok(())
    }

    /// From now on, watches what a tag leads to, from behind the proxies.
    ///
    /// # Errors
    /// A client that cannot be made.
    pub fn watch(&mut self, tag: &str) -> Result<(), HarnessError> {
        self.polls.push(self.sides.poll(tag, &self.recorder)?);
        Ok(())
    }

    /// Reads from all registries, layers too, what runs have decided to publish and all else that has a tag; lets podman pull
    /// and run some tags.
    ///
    /// # Errors
    /// The harness's own troubles.
    pub async fn look(&mut self, pulled: &[&str]) -> Result<(), HarnessError> {
        self.looked_ms = Some(self.recorder.now_ms());
        let decided = self.runs.iter().filter_map(|run| run.of(Stage::Prepare).next()?.outputs.get("tag"));
        let last = self.moments.last().into_iter().flat_map(|moment| &moment.snapshots);
        let tags = decided.chain(last.flat_map(|snapshot| snapshot.tags.keys())).collect();
        self.evidence.publications = self.sides.look_at(&tags).await?;
        self.evidence.containers = self.sides.witness(pulled, self.folder.path()).await?;
        Ok(())
    }

    /// Puts on all registries what one tag names under another tag, as somebody does who makes a release that way.
    ///
    /// # Errors
    /// Registries that do not take it.
    pub async fn retag(&self, from: &str, to: &str) -> Result<(), HarnessError> {
        self.sides.retag(from, to).await
    }

    /// Puts more lists on all registries than any listing has on one page, each under a tag of its own, of the images that a
    /// tag leads to.
    ///
    /// # Errors
    /// Registries that do not take them.
    pub async fn fill(&self, of: &str, prefix: &str) -> Result<(), HarnessError> {
        self.sides.fill(of, prefix, MORE_THAN_A_PAGE).await
    }

    /// Puts on all registries, under a tag, a list that names the first image of another tag's list. The digest on each.
    ///
    /// # Errors
    /// Registries that do not take it.
    pub async fn tag_part(&self, of: &str, to: &str) -> Result<[Option<String>; 2], HarnessError> {
        self.sides.tag_part(of, to).await
    }

    /// From now on, the pipeline may keep a layer cache.
    pub fn offer_cache(&mut self) {
        self.environment.insert("VERIFY_CACHE".into(), self.sides.cache());
    }

    /// From now on, a secret is not there.
    pub fn without(&mut self, secret: &str) {
        self.withheld = Some(secret.to_owned());
    }

    /// All secrets are there again.
    pub fn with_all_secrets(&mut self) {
        self.withheld = None;
    }

    /// The proxy before GHCR.
    pub fn ghcr(&self) -> &Proxy {
        &self.sides.ghcr.proxy
    }

    /// The proxy before Docker Hub.
    pub fn dockerhub(&self) -> &Proxy {
        &self.sides.dockerhub.proxy
    }

    /// All proxies: before both registries and both management interfaces.
    pub fn proxies(&self) -> [&Proxy; 4] {
        self.sides.proxies()
    }

    /// Adds a rule to whichever registry is asked second for what it is about, so that no order of registries is the lucky one.
    pub fn on_the_second(&self, rule: impl Fn() -> Rule) -> Vec<Injected> {
        let first = FirstProxy::default();
        [self.ghcr(), self.dockerhub()].map(|proxy| proxy.add(rule().not_first(&first))).into()
    }

    /// Takes all faults away.
    pub fn heal(&self) {
        self.proxies().into_iter().for_each(Proxy::heal);
    }

    /// Cancels the run that is going on when one of some rules holds a request.
    pub fn cancel_at(&self, held: Vec<Injected>, for_how_long: Held) -> Cancellation {
        Cancellation::at(held, for_how_long, self.running.clone(), self.recorder.clone())
    }

    /// Notes when the run was cancelled.
    pub fn cancelled(&mut self, cancellation: Cancellation) {
        self.evidence.signalled_ms = cancellation.signalled_ms();
    }

    /// What ends the run that is going on at once, as when its machine dies.
    pub fn killer(&self) -> Action {
        let running = self.running.clone();
        Arc::new(move || running.kill())
    }

    /// Everything that was seen.
    pub async fn finish(mut self) -> Evidence {
        let mut trouble = self.sides.trouble();
        let mut samples = Vec::new();
        for poller in std::mem::take(&mut self.polls) {
            match poller.stop().await {
                Ok(seen) => samples.extend(seen),
                Err(error) => trouble.push(HarnessError::other("cannot watch a registry")(error).with_causes()),
            }
        }
        let faults = self.sides.proxies().into_iter().flat_map(Proxy::fired).collect();
        let (registries, addresses) = (self.sides.names(), self.sides.addresses());
        self.sides.end().await;
        trouble.extend(self.recorder.trouble());
        let mut history = self.recorder.history();
        // What the harness itself asks for a token for comes through the proxies too.
        history.retain(|it| self.looked_ms.is_none_or(|looked| it.began_ms < looked) && !is_ours(it));
        Evidence {
            subject: Some(self.subject.name),
            registries,
            seed: self.seed,
            start_unix_ms: self.start_unix_ms,
            runs: self.runs,
            history,
            moments: self.moments,
            samples,
            source_marks: self.marks,
            addresses,
            faults,
            pace: self.pace.stop(),
            trouble,
            ..self.evidence
        }
    }

    pub(super) fn variables(&self) -> BTreeMap<String, String> {
        let mut variables = self.environment.clone();
        variables.extend(self.sides.variables());
        variables.insert("VERIFY_RETRY_BASE_MS".into(), RETRY_BASE_MS.to_string());
        variables.insert("VERIFY_CLEANUP".into(), "after".into());
        variables.insert("DOCKERHUB_USERNAME".into(), DOCKERHUB_USER.into());
        let secrets = self.secrets.iter();
        variables.extend(secrets.map(|(name, value)| (name.to_owned(), value.to_owned())));
        variables.retain(|name, _| self.withheld.as_ref() != Some(name));
        variables
    }

    /// A checkout of a commit: each build and each merge has one of its own; deciding changes nothing, so those share one.
    pub(super) fn check_out(&self, commit: &str, stage: Stage, folder: &Path) -> Result<PathBuf, HarnessError> {
        let folder = match stage {
            Stage::Prepare => self.folder.path().join("decide").join(commit),
            Stage::Build | Stage::Merge => folder.join("checkout"),
        };
        if !folder.exists() {
            self.source.check_out(commit, &folder).map_err(HarnessError::io("cannot check a commit out"))?;
        }
        Ok(folder)
    }

    pub(super) const fn builds_in_turn(&self) -> bool {
        self.scenario.builds_in_turn()
    }

    pub(super) fn watched(&self) -> &Path {
        &self.watched
    }

    pub(super) const fn secrets(&self) -> &Secrets {
        &self.secrets
    }

    pub(super) const fn recorder(&self) -> &Recorder {
        &self.recorder
    }

    pub(super) const fn running(&self) -> &Running {
        &self.running
    }

    pub(super) const fn subject(&self) -> &Subject {
        &self.subject
    }
}

/// The source of an image that takes no longer to build than it must: most scenarios are about what comes after.
const SMALL: [(&str, &str); 2] = [
    (
        "Containerfile",
        "ARG BASE\nARG TARGETARCH\nFROM ${BASE:-localhost/tallyman/base:${TARGETARCH}}\nCOPY message.txt /message.txt\n\
         HEALTHCHECK CMD [\"/bin/true\"]\n",
    ),
    (MESSAGE, "first\n"),
];
/// The file in it that changes.
const MESSAGE: &str = "message.txt";

/// The image that the user gave where it is looked into and run, else the small one.
fn source(options: &LocalOptions, scenario: Scenario, folder: PathBuf) -> Result<Source, HarnessError> {
    if scenario.looks() {
        Source::copy_of(&options.image, folder).map_err(HarnessError::at("copy", &options.image))
    } else {
        small_source(folder)
    }
}

/// The source of a small image.
pub(crate) fn small_source(folder: PathBuf) -> Result<Source, HarnessError> {
    Source::of(&SMALL, folder).map_err(HarnessError::io("cannot make a source"))
}

/// How the harness calls itself towards registries.
const OUR_AGENT: &str = "tallyman-verify/";

/// Whether a request is the harness's own.
fn is_ours(exchange: &Exchange) -> bool {
    exchange.headers.get("user-agent").is_some_and(|agent| agent.starts_with(OUR_AGENT))
}

/// Secrets that nobody has seen before, as long as real ones.
pub(crate) fn new_secrets(seed: u64) -> Secrets {
    let mut random = fastrand::Rng::with_seed(seed);
    let mut drawn =
        |prefix: &str| -> String { prefix.chars().chain((0..SECRET_LENGTH).map(|_| random.alphanumeric())).collect() };
    let mut secrets = Secrets::default();
    secrets.add("DOCKERHUB_TOKEN", &drawn("dckr_pat_"));
    secrets.add("GITHUB_TOKEN", &drawn("ghs_"));
    secrets
}

/// How many letters and digits stand behind a secret's prefix.
const SECRET_LENGTH: usize = 36;
