//! One run of the pipeline, stage by stage, as the jobs of a workflow: each with a checkout, a hand-over folder and a
//! podman store of its own.

use std::{collections::BTreeMap, fs, path::PathBuf};

use super::{AMD64, ARM64, Event, world::World};
use crate::{
    evidence::{Run, Stage, StageRun},
    harness::{HarnessError, podman::PodmanHost, source, subject::StageCall},
};

/// A run that has begun.
#[derive(Debug)]
pub struct ActiveRun {
    pub(super) run: Run,
    event: Event,
    folder: PathBuf,
    run_id: u64,
    /// The hand-over folders of the builds, by platform.
    handovers: BTreeMap<String, PathBuf>,
}

impl ActiveRun {
    pub(super) fn new(name: &str, event: &Event, folder: PathBuf, run_id: u64) -> Self {
        let run = Run {
            name: name.to_owned(),
            event: event.name().to_owned(),
            reference: event.reference.clone(),
            commit: event.commit.clone(),
            stages: Vec::new(),
        };
        Self { run, event: event.clone(), folder, run_id, handovers: BTreeMap::new() }
    }

    /// The same run with another name and folder, as it was before its merge.
    pub(super) fn again(&self, name: &str, folder: PathBuf) -> Self {
        let stages = self.run.of(Stage::Prepare).cloned().collect();
        let run = Run { name: name.to_owned(), stages, ..self.run.clone() };
        Self { run, event: self.event.clone(), folder, run_id: self.run_id, handovers: self.handovers.clone() }
    }

    /// Calls `prepare`. Whether it succeeded.
    ///
    /// # Errors
    /// The harness's own troubles.
    pub async fn prepare(&mut self, world: &World) -> Result<bool, HarnessError> {
        let stage = self.call(world, Stage::Prepare, None).await?;
        Ok(self.record(stage))
    }

    /// Builds all platforms, at the same time unless the scenario says otherwise. Whether all succeeded.
    ///
    /// # Errors
    /// The harness's own troubles.
    pub async fn build_all(&mut self, world: &World) -> Result<bool, HarnessError> {
        let platforms = self.platforms();
        let mut success = true;
        if world.scenario.builds_in_turn() {
            for platform in &platforms {
                success &= self.build(world, platform).await?;
            }
            return Ok(success);
        }
        let builds = platforms.iter().map(|platform| self.call(world, Stage::Build, Some(platform)));
        for stage in futures::future::try_join_all(builds).await? {
            success &= self.record(stage);
        }
        Ok(success)
    }

    /// Builds one platform. Whether it succeeded.
    ///
    /// # Errors
    /// The harness's own troubles.
    pub async fn build(&mut self, world: &World, platform: &str) -> Result<bool, HarnessError> {
        let stage = self.call(world, Stage::Build, Some(platform)).await?;
        Ok(self.record(stage))
    }

    /// Adds what a stage did to the run. Whether it succeeded.
    fn record(&mut self, stage: StageRun) -> bool {
        if let Some(platform) = &stage.platform {
            let folder = self.stage_folder(Stage::Build, Some(platform)).join("digests");
            self.handovers.insert(platform.clone(), folder);
        }
        let success = stage.end.is_success();
        self.run.stages.push(stage);
        success
    }

    /// Loses a platform's hand-over.
    pub fn lose(&mut self, platform: &str) {
        self.handovers.remove(platform);
    }

    /// Takes the hand-over of a platform from another run.
    pub fn take_over(&mut self, other: &Self, platform: &str) {
        if let Some(folder) = other.handovers.get(platform) {
            self.handovers.insert(platform.to_owned(), folder.clone());
        }
    }

    /// Merges what was handed over. Whether it succeeded.
    ///
    /// # Errors
    /// The harness's own troubles.
    pub async fn merge(&mut self, world: &World) -> Result<bool, HarnessError> {
        let gathered = self.stage_folder(Stage::Merge, None).join("digests");
        fs::create_dir_all(&gathered).map_err(HarnessError::at("make", &gathered))?;
        for folder in self.handovers.values() {
            source::copy(folder, &gathered).map_err(HarnessError::at("copy", folder))?;
        }
        let stage = self.call(world, Stage::Merge, None).await?;
        Ok(self.record(stage))
    }

    /// All stages that are due: builds if `prepare` succeeded, a merge if all builds did and something is to be pushed.
    ///
    /// # Errors
    /// The harness's own troubles.
    pub async fn all(&mut self, world: &World) -> Result<(), HarnessError> {
        if self.prepare(world).await? && self.build_all(world).await? && !self.skips_push() {
            self.merge(world).await?;
        }
        Ok(())
    }

    fn skips_push(&self) -> bool {
        self.event.inputs.as_ref().is_some_and(|inputs| inputs.skip_push)
    }

    /// The platforms that the run has decided on, as a list or in JSON; both if it does not say.
    fn platforms(&self) -> Vec<String> {
        let decided = self.run.of(Stage::Prepare).next().and_then(|stage| stage.outputs.get("platforms"));
        let decided = decided.map_or("", String::as_str);
        let platforms: Vec<String> = serde_json::from_str(decided).unwrap_or_else(|_| {
            decided.split(',').map(str::trim).filter(|it| !it.is_empty()).map(str::to_owned).collect()
        });
        if platforms.is_empty() { vec![AMD64.to_owned(), ARM64.to_owned()] } else { platforms }
    }

    fn stage_folder(&self, stage: Stage, platform: Option<&str>) -> PathBuf {
        let platform = platform.map(|platform| format!("-{}", platform.replace('/', "-"))).unwrap_or_default();
        self.folder.join(format!("{}{platform}", stage.name()))
    }

    async fn call(&self, world: &World, stage: Stage, platform: Option<&str>) -> Result<StageRun, HarnessError> {
        let folder = self.stage_folder(stage, platform);
        fs::create_dir_all(&folder).map_err(HarnessError::at("make", &folder))?;
        let checkout = world.check_out(&self.event.commit, stage, &folder)?;
        let event_file = folder.join("event.json");
        fs::write(&event_file, self.event.payload().to_string()).map_err(HarnessError::at("write", &event_file))?;
        let mut environment = self.event.variables(self.run_id);
        environment.extend(world.variables());
        environment.insert("GITHUB_EVENT_PATH".into(), event_file.to_string_lossy().into_owned());
        environment.insert("VERIFY_TAG".into(), self.run.tag().unwrap_or_default().to_owned());
        environment.insert("VERIFY_PLATFORM".into(), platform.unwrap_or_default().to_owned());
        let temporary = folder.join("tmp");
        fs::create_dir_all(&temporary).map_err(HarnessError::at("make", &temporary))?;
        for name in ["TMPDIR", "RUNNER_TEMP"] {
            environment.insert(name.into(), temporary.to_string_lossy().into_owned());
        }
        // `prepare` needs no store, and is called for a long table of versions.
        let podman = match stage {
            Stage::Prepare => None,
            Stage::Build | Stage::Merge => Some(PodmanHost::new(&folder.join("podman"))?),
        };
        if let Some(podman) = &podman {
            environment.extend(podman.environment());
        }
        let (subject, programs) = (&world.options.subject, world.watched_programs());
        let call = StageCall {
            stage,
            platform,
            checkout: &checkout,
            folder: &folder.join("call"),
            temporary: &temporary,
            handover: &folder.join("digests"),
            watched: &programs,
            environment: &environment,
            secrets: &world.secrets,
            recorder: &world.recorder,
            running: &world.running,
        };
        let ended = subject.call(&call).await;
        if let Some(podman) = podman {
            podman.remove().await?;
        }
        ended.map_err(HarnessError::io(format!("cannot run {}", subject.name)))
    }
}
