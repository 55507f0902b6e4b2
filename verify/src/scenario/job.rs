//! One run of the pipeline, stage by stage, as the jobs of a workflow: each with a checkout, a hand-over folder and a
//! podman store of its own.

use std::{collections::BTreeMap, fs, path::PathBuf};

use super::{AMD64, ARM64, Event, world::World};
use crate::{
    evidence::{Run, Stage, StageRun},
    harness::{HarnessError, podman::PodmanHost, subject::StageCall},
};

/// A run that has begun.
#[derive(Debug)]
pub struct Job {
    pub(super) run: Run,
    event: Event,
    folder: PathBuf,
    run_id: u64,
    /// The hand-over folders of the builds, by platform.
    handovers: BTreeMap<String, PathBuf>,
}

impl Job {
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

    /// Decides. Whether it succeeded.
    ///
    /// # Errors
    /// The harness's own troubles.
    pub async fn prepare(&mut self, world: &World) -> Result<bool, HarnessError> {
        let stage = self.call(world, Stage::Prepare, None).await?;
        let success = stage.end.is_success();
        self.run.stages.push(stage);
        Ok(success)
    }

    /// Builds all platforms, at the same time unless the scenario says otherwise. Whether all succeeded.
    ///
    /// # Errors
    /// The harness's own troubles.
    pub async fn build_all(&mut self, world: &World) -> Result<bool, HarnessError> {
        let platforms = self.platforms();
        if world.builds_in_turn() {
            let mut success = true;
            for platform in &platforms {
                success &= self.build(world, platform).await?;
            }
            return Ok(success);
        }
        let builds = platforms.iter().map(|platform| self.call(world, Stage::Build, Some(platform)));
        let stages = futures::future::try_join_all(builds).await?;
        let success = stages.iter().all(|stage| stage.end.is_success());
        for platform in &platforms {
            self.handovers.insert(platform.clone(), self.stage_folder(Stage::Build, Some(platform)).join("digests"));
        }
        self.run.stages.extend(stages);
        Ok(success)
    }

    /// Builds one platform. Whether it succeeded.
    ///
    /// # Errors
    /// The harness's own troubles.
    pub async fn build(&mut self, world: &World, platform: &str) -> Result<bool, HarnessError> {
        let stage = self.call(world, Stage::Build, Some(platform)).await?;
        let success = stage.end.is_success();
        self.handovers.insert(platform.to_owned(), self.stage_folder(Stage::Build, Some(platform)).join("digests"));
        self.run.stages.push(stage);
        Ok(success)
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
            for entry in fs::read_dir(folder).map_err(HarnessError::at("read", folder))? {
                let entry = entry.map_err(HarnessError::at("read", folder))?;
                fs::copy(entry.path(), gathered.join(entry.file_name()))
                    .map_err(HarnessError::at("copy", &entry.path()))?;
            }
        }
        let stage = self.call(world, Stage::Merge, None).await?;
        let success = stage.end.is_success();
        self.run.stages.push(stage);
        Ok(success)
    }

    /// All stages as far as they are called for: builds after a good decision, a merge after good builds of a run that
    /// pushes.
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
        // Deciding needs no store, and a table of versions is long.
        let podman = match stage {
            Stage::Prepare => None,
            Stage::Build | Stage::Merge => Some(PodmanHost::new(&folder.join("podman"))?),
        };
        if let Some(podman) = &podman {
            environment.extend(podman.environment());
        }
        let call = StageCall {
            stage,
            platform,
            checkout: &checkout,
            folder: &folder.join("call"),
            temporary: &temporary,
            handover: &folder.join("digests"),
            watched: world.watched(),
            environment: &environment,
            secrets: world.secrets(),
            recorder: world.recorder(),
            running: world.running(),
        };
        let ended = world.subject().call(&call).await;
        if let Some(podman) = podman {
            podman.remove().await?;
        }
        ended.map_err(HarnessError::io(format!("cannot run {}", world.subject().name)))
    }
}
