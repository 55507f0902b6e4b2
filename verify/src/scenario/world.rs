//! The world of one scenario: two registries with their token services and management interfaces, a fault proxy before each
//! of them, a source repository, and the pipeline under test. Everything is new, and gone when it is dropped.

use std::{
    collections::BTreeMap,
    path::{Path, PathBuf},
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
};

use rustix::process::Signal;
use tempfile::TempDir;
use tokio::task::JoinHandle;

use super::{Event, Job, REPOSITORY, Scenario, sides::Sides, source_edits};
use crate::{
    evidence::{Evidence, Moment, Run, Stage},
    harness::{
        HarnessError,
        podman::PodmanHost,
        proxy::Proxy,
        secrets::Secrets,
        source::Source,
        subject::{Running, Subject},
        sweep, watch,
    },
    history::Recorder,
    look::{self, Poller},
    oracle::Snapshot,
    target::LocalOptions,
};

/// The wait before a second attempt, which the contract asks pipelines to use, in milliseconds.
pub const RETRY_BASE_MS: u64 = 200;
/// The number of the first run.
const FIRST_RUN_ID: u64 = 1_000;

/// Everything that a scenario works with.
#[derive(Debug)]
pub struct World {
    subject: Subject,
    seed: u64,
    recorder: Recorder,
    sides: Sides,
    source: Source,
    /// The commit that is at the head of main.
    head: String,
    /// The values of the label that each commit's Containerfile sets.
    marks: BTreeMap<String, String>,
    secrets: Secrets,
    withheld: Option<String>,
    running: Running,
    run_id: AtomicU64,
    runs: Vec<Run>,
    moments: Vec<Moment>,
    poller: Option<Poller>,
    evidence: Evidence,
    watched: PathBuf,
    folder: TempDir,
}

impl World {
    /// A new world: empty registries, a source with one commit.
    ///
    /// # Errors
    /// Parts that cannot be started.
    pub async fn start(options: &LocalOptions, scenario: Scenario) -> Result<Self, HarnessError> {
        let folder = sweep::folder()?;
        let recorder = Recorder::default();
        let secrets = new_secrets(options.seed);
        let sides = Sides::start(options.backend, &secrets, &recorder, options.seed).await?;
        let original = &options.image;
        let source = Source::copy_of(original, folder.path().join("source")).map_err(HarnessError::at("copy", original))?;
        let watched = folder.path().join("bin");
        watch::install(&watched).map_err(HarnessError::at("write programs to", &watched))?;
        let mut world = Self {
            subject: options.subject.clone(),
            seed: options.seed,
            recorder,
            sides,
            source,
            head: String::new(),
            marks: BTreeMap::new(),
            secrets,
            withheld: None,
            running: Running::default(),
            run_id: AtomicU64::new(FIRST_RUN_ID),
            runs: Vec::new(),
            moments: Vec::new(),
            poller: None,
            evidence: Evidence::default(),
            watched,
            folder,
        };
        world.change("first")?;
        if scenario.builds() {
            PodmanHost::provide_bases(&options.image).await?;
        }
        world.look_behind("start")?;
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
        let changed = self.source.write("files/message.txt", &format!("{to}\n"));
        let commit = changed.and_then(|()| source_edits::mark(&mut self.source, to));
        let commit = commit.map_err(HarnessError::io("cannot change the source"))?;
        self.marks.insert(commit.clone(), to.to_owned());
        self.head.clone_from(&commit);
        Ok(commit)
    }

    /// A commit whose build fails for arm64.
    ///
    /// # Errors
    /// Files or git that fail.
    pub fn break_arm64(&mut self) -> Result<String, HarnessError> {
        let commit = source_edits::break_arm64(&mut self.source).map_err(HarnessError::io("cannot change the source"))?;
        self.head.clone_from(&commit);
        Ok(commit)
    }

    /// A commit whose build has a step that takes seconds.
    ///
    /// # Errors
    /// Files or git that fail.
    pub fn add_slow_step(&mut self) -> Result<String, HarnessError> {
        let commit = source_edits::add_slow_step(&mut self.source).map_err(HarnessError::io("cannot change the source"))?;
        self.head.clone_from(&commit);
        Ok(commit)
    }

    /// A whole run, and a look at what the registries hold then.
    ///
    /// # Errors
    /// The harness's own troubles.
    pub async fn publish(&mut self, name: &str, event: &Event) -> Result<(), HarnessError> {
        let mut job = self.begin(name, event)?;
        job.all(self).await?;
        self.end(job)
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

    /// Ends a run, and looks at what the registries hold then.
    ///
    /// # Errors
    /// Registries that cannot be read.
    pub fn end(&mut self, job: Job) -> Result<(), HarnessError> {
        let name = job.run.name.clone();
        self.runs.push(job.run);
        self.look_behind(&name)
    }

    fn look_behind(&mut self, after: &str) -> Result<(), HarnessError> {
        let at_ms = self.recorder.now_ms();
        let snapshots = self.sides.registries().map(|side| Snapshot::of(side.name, &*side.registry.contents(), REPOSITORY));
        let snapshots = snapshots.collect::<Result<Vec<_>, _>>().map_err(HarnessError::io("cannot read a registry's storage"))?;
        self.moments.push(Moment { after: after.to_owned(), at_ms, snapshots });
        Ok(())
    }
}
