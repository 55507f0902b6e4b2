//! The environment of one schedule at a time: two registries with all that belongs to them, the builds that were made for
//! them, and a gate. Environments share nothing.
//!
//! Each run of a race reaches the same registries through servers and proxies of its own (a *frontend*), so the run of each
//! request is known.

use std::{
    collections::BTreeMap,
    fs,
    path::{Path, PathBuf},
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};

use clap::ValueEnum as _;
use tempfile::TempDir;

use super::{gate::Gate, schedule::Build, snapshot::RegistrySnapshot};
use crate::{
    evidence::{Stage, StageRun},
    harness::{
        HarnessError,
        management::{StandIn, docker_hub, github},
        owner,
        podman::PodmanHost,
        proxy::Proxy,
        registry::{Registry, RepositoryState, Storage, StorageState},
        secrets::Secrets,
        source::Source,
        subject::{Running, StageCall, Subject},
        token::{Account, TokenService},
        watch,
    },
    history::{Recorder, Service},
    scenario::{AMD64, ARM64, DOCKERHUB_USER, Event, REPOSITORY, accounts, mark, new_secrets, small_source},
};

/// The registries.
const SERVERS: [&str; 2] = ["ghcr", "dockerhub"];
/// The version that is released.
pub(super) const VERSION: &str = "1.0.0";
/// The wait before a second attempt, in milliseconds: the order of requests is explored, not how long waits are.
const RETRY_BASE_MS: u64 = 20;
/// The number of the first run.
const FIRST_RUN_ID: u64 = 2_000;

/// What is explored, and how far.
#[derive(Debug, Clone)]
pub struct Options {
    /// The pipeline.
    pub subject: Subject,
    /// Variables for it besides those of the contract.
    pub environment: BTreeMap<String, String>,
    /// The folder that the base images are made from.
    pub image: PathBuf,
    /// The seed that schedules are drawn with.
    pub seed: u64,
    /// How many schedules there are at most.
    pub schedules_max: usize,
    /// When no further schedule is begun.
    pub time_max: Option<Duration>,
    /// Only schedules whose names contain one of these; all if there is none.
    pub only: Vec<String>,
    /// How many schedules are executed at once.
    pub jobs: usize,
}

/// What the registries hold when a schedule begins.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Start {
    /// One build is published, the images of the others are staged.
    Published,
    /// Nothing is published, all images are staged.
    Empty,
}

/// Everything that schedules need. One runs at a time.
pub(super) struct Environment {
    options: Arc<Options>,
    pub(super) gate: Arc<Gate>,
    upstreams: [Upstream; 2],
    pub(super) frontends: [Frontend; 2],
    interfaces: Mutex<Option<Interfaces>>,
    secrets: Secrets,
    watched: PathBuf,
    jobs: BTreeMap<Build, Job>,
    published: [StorageState; 2],
    empty: [StorageState; 2],
    calls: AtomicU64,
    folder: TempDir,
}

/// A registry's storage and its token service.
struct Upstream {
    storage: Storage,
    tokens: TokenService,
}

/// The servers as one run reaches them.
pub(super) struct Frontend {
    /// One on each upstream's storage. They serve as long as they live.
    _registries: Vec<Registry>,
    proxies: [Proxy; 4],
    pub(super) recorder: Recorder,
    pub(super) running: Running,
}

/// The management interfaces, new for each schedule: they count requests, and remember what they saw.
struct Interfaces {
    github: StandIn,
    hub: StandIn,
}

/// A build: made once, merged again and again.
struct Job {
    build: Build,
    event: Event,
    run_id: u64,
    tag: String,
    checkout: PathBuf,
    /// What the builds handed over.
    handover: PathBuf,
    /// The store of its merges. Making one takes longer than a merge.
    podman: PodmanHost,
}

impl Environment {
    /// Starts the servers and makes all builds.
    pub(super) async fn prepare(options: Arc<Options>) -> Result<Self, HarnessError> {
        // For the harness's own requests. It fails if it was done before.
        let _ = rustls::crypto::ring::default_provider().install_default();
        let folder = owner::folder()?;
        let secrets = new_secrets(options.seed);
        let watched = folder.path().join("bin");
        watch::install(&watched).map_err(HarnessError::at("write programs to", &watched))?;
        let gate = Arc::<Gate>::default();
        let [ghcr, dockerhub] = accounts(&secrets);
        let upstreams = [Upstream::start("ghcr", ghcr).await?, Upstream::start("dockerhub", dockerhub).await?];
        let frontends = [Frontend::start(0, &upstreams, &gate).await?, Frontend::start(1, &upstreams, &gate).await?];
        let mut environment = Self {
            options,
            gate,
            upstreams,
            frontends,
            interfaces: Mutex::default(),
            secrets,
            watched,
            jobs: BTreeMap::new(),
            published: <[StorageState; 2]>::default(),
            empty: <[StorageState; 2]>::default(),
            calls: AtomicU64::new(0),
            folder,
        };
        environment.renew_interfaces().await?;
        environment.build_all().await?;
        Ok(environment)
    }

    async fn build_all(&mut self) -> Result<(), HarnessError> {
        let mut source = small_source(self.folder.path().join("source"))?;
        let mut commits = Vec::new();
        for name in ["base", "older", "newer"] {
            commits.push(mark(&mut source, name).map_err(HarnessError::io("cannot change the source"))?);
        }
        for build in Build::value_variants() {
            let commit = &commits[build.age()];
            let event = match build {
                Build::Release => Event::tag(&format!("v{VERSION}"), commit),
                _ => Event::main(commit),
            };
            let job = self.build(*build, event, &source).await?;
            self.jobs.insert(*build, job);
            if *build == Build::Base {
                require_success(&self.merge(*build, 1).await?, *build)?;
            }
        }
        self.learn_lists()?;
        self.published = self.saved()?;
        self.empty.clone_from(&self.published);
        for held in self.empty.iter_mut().filter_map(|saved| saved.get_mut(REPOSITORY)) {
            for digest in std::mem::take(&mut held.tags).into_values() {
                held.manifests.remove(&digest);
            }
        }
        Ok(())
    }

    /// Runs the stages before the merge.
    async fn build(&self, build: Build, event: Event, source: &Source) -> Result<Job, HarnessError> {
        let folder = self.folder.path().join(build.name());
        let (checkout, handover) = (folder.join("checkout"), folder.join("digests"));
        fs::create_dir_all(&handover).map_err(HarnessError::at("make", &handover))?;
        source.check_out(&event.commit, &checkout).map_err(HarnessError::io("cannot check a commit out"))?;
        let run_id = FIRST_RUN_ID + build as u64;
        let podman = PodmanHost::new(&folder.join("podman"))?;
        let mut job = Job { build, event, run_id, tag: String::new(), checkout, handover, podman };
        let prepared = self.call(&job, Stage::Prepare, None, 1, &folder.join("prepare"), None).await?;
        require_success(&prepared, build)?;
        job.tag = prepared.outputs.get("tag").cloned().unwrap_or_default();
        let builds = [AMD64, ARM64].map(|platform| {
            let (job, folder) = (&job, folder.join(format!("build-{}", platform.replace('/', "-"))));
            async move {
                let podman = PodmanHost::new(&folder.join("podman"))?;
                let run = self.call(job, Stage::Build, Some(platform), 1, &folder, Some(&podman)).await;
                podman.remove().await?;
                require_success(&run?, build)?;
                copy_files(&folder.join("digests"), &job.handover)
            }
        });
        futures::future::try_join_all(builds).await?;
        for (server, held) in self.held()? {
            for platform in ["amd64", "arm64"] {
                let file = job.handover.join(format!("{platform}-{server}"));
                let digest = fs::read_to_string(&file).map_err(HarnessError::at("read", &file))?;
                self.gate.with_roles(|roles| roles.add_image(server, build, platform, digest.trim(), &held));
            }
        }
        Ok(job)
    }

    /// Merges a build.
    pub(super) async fn merge(&self, build: Build, attempt: usize) -> Result<StageRun, HarnessError> {
        let job = &self.jobs[&build];
        let folder = self.folder.path().join(format!("call-{}", self.calls.fetch_add(1, Ordering::Relaxed)));
        let handover = folder.join("digests");
        fs::create_dir_all(&handover).map_err(HarnessError::at("make", &handover))?;
        copy_files(&job.handover, &handover)?;
        let run = self.call(job, Stage::Merge, None, attempt, &folder, Some(&job.podman)).await?;
        fs::remove_dir_all(&folder).map_err(HarnessError::at("remove", &folder))?;
        Ok(run)
    }

    /// Calls the subject in a folder of its own, whose part `digests` is the hand-over.
    async fn call(
        &self,
        job: &Job,
        stage: Stage,
        platform: Option<&str>,
        attempt: usize,
        folder: &Path,
        podman: Option<&PodmanHost>,
    ) -> Result<StageRun, HarnessError> {
        let frontend = &self.frontends[job.build.run()];
        let temporary = folder.join("tmp");
        fs::create_dir_all(&temporary).map_err(HarnessError::at("make", &temporary))?;
        let event_file = folder.join("event.json");
        fs::write(&event_file, job.event.payload().to_string()).map_err(HarnessError::at("write", &event_file))?;
        let mut variables = self.options.environment.clone();
        variables.extend(job.event.variables(job.run_id));
        variables.extend(frontend.variables());
        variables.extend(self.secrets.iter().map(|(name, value)| (name.to_owned(), value.to_owned())));
        variables.extend(podman.map(PodmanHost::environment).unwrap_or_default());
        let path = |path: &Path| path.to_string_lossy().into_owned();
        let more = [
            ("GITHUB_RUN_ATTEMPT", attempt.to_string()),
            ("GITHUB_EVENT_PATH", path(&event_file)),
            ("VERIFY_TAG", job.tag.clone()),
            ("VERIFY_PLATFORM", platform.unwrap_or_default().to_owned()),
            ("VERIFY_RETRY_BASE_MS", RETRY_BASE_MS.to_string()),
            ("VERIFY_CLEANUP", "after".to_owned()),
            ("DOCKERHUB_USERNAME", DOCKERHUB_USER.to_owned()),
            ("TMPDIR", path(&temporary)),
            ("RUNNER_TEMP", path(&temporary)),
        ];
        variables.extend(more.map(|(name, value)| (name.to_owned(), value)));
        let call = StageCall {
            stage,
            platform,
            checkout: &job.checkout,
            folder: &folder.join("call"),
            temporary: &temporary,
            handover: &folder.join("digests"),
            watched: &self.watched,
            environment: &variables,
            secrets: &self.secrets,
            recorder: &frontend.recorder,
            running: &frontend.running,
        };
        let subject = &self.options.subject;
        subject.call(&call).await.map_err(HarnessError::io(format!("cannot run {}", subject.name)))
    }

    /// Puts the registries and interfaces back to the start.
    pub(super) async fn restore(&self, start: Start) -> Result<(), HarnessError> {
        let saved = match start {
            Start::Published => &self.published,
            Start::Empty => &self.empty,
        };
        for (upstream, saved) in self.upstreams.iter().zip(saved) {
            upstream.storage.restore(saved).map_err(HarnessError::io("cannot restore a registry's storage"))?;
        }
        self.renew_interfaces().await?;
        for upstream in &self.upstreams {
            upstream.storage.record_changes();
        }
        for frontend in &self.frontends {
            frontend.recorder.take();
        }
        Ok(())
    }

    async fn renew_interfaces(&self) -> Result<(), HarnessError> {
        let [ghcr, dockerhub] = self.upstreams.each_ref().map(|upstream| upstream.storage.clone());
        let secret = |name: &str| self.secrets.get(name).unwrap_or_default();
        let github = github::start(ghcr, secret("GITHUB_TOKEN")).await?;
        let hub = docker_hub::start(dockerhub, DOCKERHUB_USER, secret("DOCKERHUB_TOKEN")).await?;
        for frontend in &self.frontends {
            frontend.proxies[2].set_upstream(github.address());
            frontend.proxies[3].set_upstream(hub.address());
        }
        *lock(&self.interfaces) = Some(Interfaces { github, hub });
        Ok(())
    }

    fn saved(&self) -> Result<[StorageState; 2], HarnessError> {
        let read = || HarnessError::io("cannot read a registry's storage");
        let [ghcr, dockerhub] = self.upstreams.each_ref().map(|upstream| upstream.storage.state().map_err(read()));
        Ok([ghcr?, dockerhub?])
    }

    /// What each registry holds of the image's repository.
    fn held(&self) -> Result<[(&'static str, RepositoryState); 2], HarnessError> {
        let [ghcr, dockerhub] = self.saved()?;
        Ok([(SERVERS[0], held(&ghcr)), (SERVERS[1], held(&dockerhub))])
    }

    /// Snapshots of both registries.
    pub(super) fn snapshots(&self) -> Result<Vec<RegistrySnapshot>, HarnessError> {
        let held = self.held()?;
        Ok(self
            .gate
            .with_roles(|roles| held.iter().map(|(server, held)| RegistrySnapshot::of(server, held, roles)).collect()))
    }

    /// A snapshot of a registry after each change since the start.
    pub(super) fn snapshots_meanwhile(&self) -> Vec<RegistrySnapshot> {
        let changes = SERVERS.iter().zip(&self.upstreams).flat_map(|(server, upstream)| {
            upstream.storage.take_changes().into_iter().map(move |saved| (*server, held(&saved)))
        });
        let changes: Vec<(&str, RepositoryState)> = changes.collect();
        self.gate.with_roles(|roles| {
            changes.iter().map(|(server, held)| RegistrySnapshot::of(server, held, roles)).collect()
        })
    }

    /// Gives the lists that the registries hold their roles.
    pub(super) fn learn_lists(&self) -> Result<(), HarnessError> {
        for (server, held) in self.held()? {
            self.gate.with_roles(|roles| roles.add_lists(server, &held));
        }
        Ok(())
    }

    /// Where the harness itself failed.
    pub(super) fn trouble(&self) -> Vec<String> {
        let interfaces = lock(&self.interfaces);
        let interfaces = interfaces.iter().flat_map(|it| it.github.trouble().into_iter().chain(it.hub.trouble()));
        let frontends = self.frontends.iter().flat_map(|frontend| frontend.recorder.trouble());
        interfaces.chain(frontends).collect()
    }

    /// Removes the stores of the merges.
    pub(super) async fn remove(self) -> Result<(), HarnessError> {
        for job in self.jobs.into_values() {
            job.podman.remove().await?;
        }
        Ok(())
    }
}

impl Upstream {
    async fn start(name: &str, account: Account) -> Result<Self, HarnessError> {
        Ok(Self { storage: Storage::new()?, tokens: TokenService::start(name, vec![account], &[]).await? })
    }
}

impl Frontend {
    async fn start(run: usize, upstreams: &[Upstream; 2], gate: &Arc<Gate>) -> Result<Self, HarnessError> {
        let recorder = Recorder::default();
        let start = async |name: &'static str, service| {
            let proxy = Proxy::start(name, service, &recorder).await;
            let proxy = proxy.map_err(HarnessError::io("cannot start a proxy"))?;
            proxy.set_interceptor(gate.interceptor(run, name));
            Ok::<_, HarnessError>(proxy)
        };
        let proxies = [
            start("ghcr", Service::Registry).await?,
            start("dockerhub", Service::Registry).await?,
            start("github-api", Service::GitHub).await?,
            start("hub-api", Service::DockerHub).await?,
        ];
        let mut registries = Vec::new();
        for (upstream, proxy) in upstreams.iter().zip(&proxies) {
            let auth = upstream.tokens.auth(&format!("{}/token", proxy.url()));
            let registry = Registry::start_on(&upstream.storage, Some(&auth)).await?;
            proxy.set_upstream(registry.host());
            proxy.set_token_service(upstream.tokens.address());
            proxy.record_changes_of(&upstream.storage);
            registries.push(registry);
        }
        proxies[0].add_standing(github::registry_rule());
        proxies[1].add_standing(docker_hub::registry_rule(upstreams[1].storage.clone()));
        Ok(Self { _registries: registries, proxies, recorder, running: Running::default() })
    }

    /// The variables with the addresses of all servers.
    fn variables(&self) -> BTreeMap<String, String> {
        let [ghcr, dockerhub, github, hub] = &self.proxies;
        BTreeMap::from([
            ("VERIFY_GHCR".to_owned(), format!("{}/{REPOSITORY}", ghcr.address())),
            ("VERIFY_DOCKERHUB".to_owned(), format!("{}/{REPOSITORY}", dockerhub.address())),
            ("VERIFY_DOCKERHUB_API".to_owned(), hub.url()),
            ("GITHUB_API_URL".to_owned(), github.url()),
        ])
    }
}

/// An error unless a stage without faults succeeded.
pub(super) fn require_success(run: &StageRun, build: Build) -> Result<(), HarnessError> {
    if run.end.is_success() {
        return Ok(());
    }
    let what = format!("the pipeline's stage {} of {}, without any fault, failed", run.stage.name(), build.name());
    Err(HarnessError::other(what)(format!("it ended with {}: {}", run.end, run.printed().trim())))
}

fn held(saved: &StorageState) -> RepositoryState {
    saved.get(REPOSITORY).cloned().unwrap_or_default()
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

fn copy_files(from: &Path, to: &Path) -> Result<(), HarnessError> {
    for entry in fs::read_dir(from).map_err(HarnessError::at("read", from))? {
        let path = entry.map_err(HarnessError::at("read", from))?.path();
        let Some(name) = path.file_name().filter(|_| path.is_file()) else { continue };
        fs::copy(&path, to.join(name)).map_err(HarnessError::at("copy", &path))?;
    }
    Ok(())
}
