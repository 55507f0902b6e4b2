//! A lane: two registries with all that belongs to them, the builds that were made for them, and a desk. One schedule at a time
//! is played in it; lanes do not know each other.
//!
//! Each run of a race reaches the same registries by servers and proxies of its own (a *front*), so that it is always known
//! whose request one is. A build belongs to the front by which it was handed over.

use std::{
    collections::BTreeMap,
    fs,
    path::{Path, PathBuf},
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicU64, Ordering},
    },
};

use tempfile::TempDir;

use super::{
    Options,
    desk::Desk,
    judge::{Look, VERSION, ended},
    names::Names,
    schedule::Build,
};
use crate::{
    evidence::{Stage, StageRun},
    harness::{
        HarnessError,
        management::{DockerHub, GitHub, manifest_deletion},
        owner,
        podman::PodmanHost,
        proxy::{Profile, Proxy},
        registry::{Registry, RegistryState, RepositoryState, Storage},
        secrets::Secrets,
        source::Source,
        subject::{Running, StageCall},
        token::{Account, Auth, TokenService},
        watch,
    },
    history::{Recorder, Service},
    scenario::{AMD64, ARM64, DOCKERHUB_USER, Event, REPOSITORY, accounts, mark, new_secrets, small_source},
};

/// The registries.
pub(super) const SERVERS: [&str; 2] = ["ghcr", "dockerhub"];
/// The wait before a second attempt, in milliseconds: what is explored is the order of requests, not how long waits are.
const RETRY_BASE_MS: u64 = 20;
/// The number of the first run.
const FIRST_RUN_ID: u64 = 2_000;

/// What the registries hold when a schedule begins.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Start {
    /// A build is published, the images of the others are staged.
    Live,
    /// Nothing is published, all images are staged.
    Empty,
}

/// Everything of one lane.
pub(super) struct Lane {
    options: Arc<Options>,
    /// What is kept: all others go with their folders.
    pub(super) desk: Arc<Desk>,
    halves: [Half; 2],
    pub(super) fronts: [Front; 2],
    stand_ins: StandIns,
    secrets: Secrets,
    watched: PathBuf,
    built: BTreeMap<Build, Built>,
    live: [RegistryState; 2],
    empty: [RegistryState; 2],
    calls: AtomicU64,
    folder: TempDir,
}

/// A registry with its token service.
struct Half {
    storage: Storage,
    /// Tokens are given for as long as it lives.
    tokens: TokenService,
}

/// How one run reaches the servers.
pub(super) struct Front {
    /// One on each half's storage. They serve for as long as they live.
    _registries: Vec<Registry>,
    proxies: [Proxy; 4],
    pub(super) recorder: Recorder,
    pub(super) running: Running,
}

/// The management interfaces, new for each schedule: they count requests, and remember what they saw.
struct StandIns {
    github: Mutex<Option<GitHub>>,
    hub: Mutex<Option<DockerHub>>,
}

/// What was made once and is merged again and again.
struct Built {
    event: Event,
    run_id: u64,
    tag: String,
    checkout: PathBuf,
    handover: PathBuf,
    podman: PodmanHost,
}

/// One call of a stage.
struct Call<'a> {
    stage: Stage,
    platform: Option<&'a str>,
    build: Build,
    event: &'a Event,
    run_id: u64,
    attempt: usize,
    tag: &'a str,
    checkout: &'a Path,
    folder: &'a Path,
    handover: &'a Path,
    podman: Option<&'a PodmanHost>,
}

/// By which front a build reaches the servers: those of a race by different ones.
pub(super) const fn front_of(build: Build) -> usize {
    match build {
        Build::Newer => 1,
        Build::Base | Build::Release | Build::Older | Build::Twin => 0,
    }
}

impl Lane {
    /// Starts the servers and makes all builds.
    pub(super) async fn prepare(options: Arc<Options>) -> Result<Self, HarnessError> {
        // For the harness's own requests. Somebody may have installed it before.
        let _ = rustls::crypto::ring::default_provider().install_default();
        let folder = owner::folder()?;
        let secrets = new_secrets(options.seed);
        let watched = folder.path().join("bin");
        watch::install(&watched).map_err(HarnessError::at("write programs to", &watched))?;
        let desk = Arc::<Desk>::default();
        let stand_ins = StandIns { github: Mutex::default(), hub: Mutex::default() };
        let [ghcr, dockerhub] = accounts(&secrets);
        let halves = [Half::start("ghcr", ghcr).await?, Half::start("dockerhub", dockerhub).await?];
        let fronts = [Front::open(0, &halves, &desk).await?, Front::open(1, &halves, &desk).await?];
        let mut lane = Self {
            options,
            desk,
            halves,
            fronts,
            stand_ins,
            secrets,
            watched,
            built: BTreeMap::new(),
            live: <[RegistryState; 2]>::default(),
            empty: <[RegistryState; 2]>::default(),
            calls: AtomicU64::new(0),
            folder,
        };
        lane.renew_stand_ins().await?;
        lane.build_all().await?;
        Ok(lane)
    }

    async fn build_all(&mut self) -> Result<(), HarnessError> {
        let failed = || HarnessError::io("cannot change the source");
        let mut source = small_source(self.folder.path().join("source"))?;
        let commits = [
            mark(&mut source, "base").map_err(failed())?,
            mark(&mut source, "older").map_err(failed())?,
            mark(&mut source, "newer").map_err(failed())?,
        ];
        for build in Build::ALL {
            let commit = &commits[build.age()];
            let event = match build {
                Build::Release => Event::tag(&format!("v{VERSION}"), commit),
                _ => Event::main(commit),
            };
            self.build(build, event, &source).await?;
            if build == Build::Base {
                self.merge(build, 1).await?.good(build)?;
            }
        }
        self.learn()?;
        self.live = self.saved()?;
        self.empty.clone_from(&self.live);
        for saved in &mut self.empty {
            let Some(held) = saved.get_mut(REPOSITORY) else { continue };
            for digest in std::mem::take(&mut held.tags).into_values() {
                held.manifests.remove(&digest);
            }
        }
        Ok(())
    }

    /// Decides and builds.
    async fn build(&mut self, build: Build, event: Event, source: &Source) -> Result<(), HarnessError> {
        let folder = self.folder.path().join(build.name());
        let (checkout, handover) = (folder.join("checkout"), folder.join("digests"));
        for folder in [&folder, &handover] {
            fs::create_dir_all(folder).map_err(HarnessError::at("make", folder))?;
        }
        source.check_out(&event.commit, &checkout).map_err(HarnessError::io("cannot check a commit out"))?;
        let run_id = FIRST_RUN_ID + build as u64;
        let stage = |stage: Stage, platform: Option<&'static str>, tag: String| {
            let (event, checkout) = (event.clone(), checkout.clone());
            let folder = folder.join(format!("{}-{}", stage.name(), platform.unwrap_or("all").replace('/', "-")));
            let lane = &*self;
            async move {
                let podman = match stage {
                    Stage::Prepare => None,
                    Stage::Build | Stage::Merge => Some(PodmanHost::new(&folder.join("podman"))?),
                };
                let digests = folder.join("digests");
                let call = Call {
                    stage,
                    platform,
                    build,
                    event: &event,
                    run_id,
                    attempt: 1,
                    tag: &tag,
                    checkout: &checkout,
                    folder: &folder,
                    handover: &digests,
                    podman: podman.as_ref(),
                };
                let called = lane.call(call).await;
                if let Some(podman) = podman {
                    podman.remove().await?;
                }
                Ok::<_, HarnessError>((called?.good(build)?, digests))
            }
        };
        let (decided, _) = stage(Stage::Prepare, None, String::new()).await?;
        let tag = decided.outputs.get("tag").cloned().unwrap_or_default();
        let platforms = [AMD64, ARM64].map(|platform| stage(Stage::Build, Some(platform), tag.clone()));
        for (_, digests) in futures::future::try_join_all(platforms).await? {
            copy_files(&digests, &handover)?;
        }
        for (server, saved) in SERVERS.iter().zip(self.saved()?) {
            let held = held(&saved);
            for platform in ["amd64", "arm64"] {
                let file = handover.join(format!("{platform}-{server}"));
                let digest = fs::read_to_string(&file).map_err(HarnessError::at("read", &file))?;
                self.desk.with_names(|names| names.built(server, build, platform, digest.trim(), &held));
            }
        }
        let podman = PodmanHost::new(&folder.join("podman"))?;
        self.built.insert(build, Built { event, run_id, tag, checkout, handover, podman });
        Ok(())
    }

    /// Merges a build that was made before.
    pub(super) async fn merge(&self, build: Build, attempt: usize) -> Result<StageRun, HarnessError> {
        let from = &self.built[&build];
        let number = self.calls.fetch_add(1, Ordering::Relaxed);
        let folder = self.folder.path().join(format!("call-{number}"));
        let handover = folder.join("digests");
        fs::create_dir_all(&handover).map_err(HarnessError::at("make", &handover))?;
        copy_files(&from.handover, &handover)?;
        let called = self.call(Call {
            stage: Stage::Merge,
            platform: None,
            build,
            event: &from.event,
            run_id: from.run_id,
            attempt,
            tag: &from.tag,
            checkout: &from.checkout,
            folder: &folder,
            handover: &handover,
            podman: Some(&from.podman),
        });
        let called = called.await?;
        fs::remove_dir_all(&folder).map_err(HarnessError::at("remove", &folder))?;
        Ok(called)
    }

    async fn call(&self, call: Call<'_>) -> Result<StageRun, HarnessError> {
        let front = &self.fronts[front_of(call.build)];
        let folder = call.folder;
        let temporary = folder.join("tmp");
        fs::create_dir_all(&temporary).map_err(HarnessError::at("make", &temporary))?;
        let event_file = folder.join("event.json");
        fs::write(&event_file, call.event.payload().to_string()).map_err(HarnessError::at("write", &event_file))?;
        let mut environment = self.options.environment.clone();
        environment.extend(call.event.variables(call.run_id));
        environment.extend(front.variables());
        environment.extend(self.secrets.iter().map(|(name, value)| (name.to_owned(), value.to_owned())));
        environment.extend(call.podman.map(PodmanHost::environment).unwrap_or_default());
        let path = |path: &Path| path.to_string_lossy().into_owned();
        let more = [
            ("GITHUB_RUN_ATTEMPT", call.attempt.to_string()),
            ("GITHUB_EVENT_PATH", path(&event_file)),
            ("VERIFY_TAG", call.tag.to_owned()),
            ("VERIFY_PLATFORM", call.platform.unwrap_or_default().to_owned()),
            ("VERIFY_RETRY_BASE_MS", RETRY_BASE_MS.to_string()),
            ("VERIFY_CLEANUP", "after".to_owned()),
            ("DOCKERHUB_USERNAME", DOCKERHUB_USER.to_owned()),
            ("TMPDIR", path(&temporary)),
            ("RUNNER_TEMP", path(&temporary)),
        ];
        environment.extend(more.map(|(name, value)| (name.to_owned(), value)));
        let stage = StageCall {
            stage: call.stage,
            platform: call.platform,
            checkout: call.checkout,
            folder: &folder.join("call"),
            temporary: &temporary,
            handover: call.handover,
            watched: &self.watched,
            environment: &environment,
            secrets: &self.secrets,
            recorder: &front.recorder,
            running: &front.running,
        };
        let subject = &self.options.subject;
        subject.call(&stage).await.map_err(HarnessError::io(format!("cannot run {}", subject.name)))
    }

    /// What both registries hold.
    fn saved(&self) -> Result<[RegistryState; 2], HarnessError> {
        let [ghcr, dockerhub] = self.halves.each_ref().map(|half| half.storage.state().map_err(unreadable()));
        Ok([ghcr?, dockerhub?])
    }

    /// Puts back what the registries held at the start, and forgets what the interfaces have seen.
    pub(super) async fn restore(&self, start: Start) -> Result<(), HarnessError> {
        let saved = match start {
            Start::Live => &self.live,
            Start::Empty => &self.empty,
        };
        for (half, saved) in self.halves.iter().zip(saved) {
            half.storage.restore(saved).map_err(HarnessError::io("cannot restore a registry's storage"))?;
        }
        self.renew_stand_ins().await?;
        for half in &self.halves {
            half.storage.record_changes();
        }
        for front in &self.fronts {
            front.recorder.take();
        }
        Ok(())
    }

    async fn renew_stand_ins(&self) -> Result<(), HarnessError> {
        let [ghcr, dockerhub] = self.halves.each_ref().map(|half| half.storage.clone());
        let secret = |name: &str| self.secrets.get(name).unwrap_or_default();
        let github = GitHub::start(ghcr, secret("GITHUB_TOKEN")).await?;
        let hub = DockerHub::start(dockerhub, DOCKERHUB_USER, secret("DOCKERHUB_TOKEN")).await?;
        for front in &self.fronts {
            front.proxies[2].set_upstream(github.address());
            front.proxies[3].set_upstream(hub.address());
        }
        *self.stand_ins.github.lock().unwrap_or_else(PoisonError::into_inner) = Some(github);
        *self.stand_ins.hub.lock().unwrap_or_else(PoisonError::into_inner) = Some(hub);
        Ok(())
    }

    /// What the tags of both registries show.
    pub(super) fn looks(&self) -> Result<Vec<Look>, HarnessError> {
        let saved = self.saved()?;
        Ok(self.desk.with_names(|names| {
            SERVERS.iter().zip(saved).map(|(server, saved)| Look::of(server, &held(&saved), names)).collect()
        }))
    }

    /// What the tags showed after each change since the start.
    pub(super) fn moments(&self) -> Vec<Look> {
        let changes = SERVERS.iter().zip(&self.halves).map(|(server, half)| (*server, half.storage.take_changes()));
        let changes: Vec<(&str, Vec<RegistryState>)> = changes.collect();
        self.desk.with_names(|names| {
            let look = |server: &str, saved: &RegistryState| Look::of(server, &held(saved), names);
            changes
                .iter()
                .flat_map(|(server, all)| all.iter().map(move |saved| (*server, saved)))
                .map(|(server, saved)| look(server, saved))
                .collect()
        })
    }

    /// Learns the names of the lists that the registries hold.
    pub(super) fn learn(&self) -> Result<(), HarnessError> {
        for (server, saved) in SERVERS.iter().zip(self.saved()?) {
            self.desk.with_names(|names: &mut Names| names.learn(server, &held(&saved)));
        }
        Ok(())
    }

    /// Where the harness itself failed since the last time.
    pub(super) fn trouble(&self) -> Vec<String> {
        let github = self.stand_ins.github.lock().unwrap_or_else(PoisonError::into_inner);
        let hub = self.stand_ins.hub.lock().unwrap_or_else(PoisonError::into_inner);
        let github = github.iter().flat_map(GitHub::trouble);
        let hub = hub.iter().flat_map(DockerHub::trouble);
        let fronts = self.fronts.iter().flat_map(|front| front.recorder.trouble());
        github.chain(hub).chain(fronts).collect()
    }

    /// Removes the stores of the builds.
    pub(super) async fn remove(self) -> Result<(), HarnessError> {
        for built in self.built.into_values() {
            built.podman.remove().await?;
        }
        Ok(())
    }
}

impl Half {
    async fn start(name: &str, account: Account) -> Result<Self, HarnessError> {
        Ok(Self { storage: Storage::new()?, tokens: TokenService::start(name, vec![account], &[]).await? })
    }

    fn auth(&self, proxy: &Proxy) -> Auth {
        self.tokens.auth(&format!("{}/token", proxy.url()))
    }
}

impl Front {
    async fn open(number: usize, halves: &[Half; 2], desk: &Arc<Desk>) -> Result<Self, HarnessError> {
        let recorder = Recorder::default();
        let start = |name: &'static str, service| {
            let (recorder, interceptor) = (recorder.clone(), desk.interceptor(number, name));
            async move {
                let proxy = Proxy::start(name, service, &recorder).await;
                let proxy = proxy.map_err(HarnessError::io("cannot start a proxy"))?;
                proxy.set_interceptor(interceptor);
                Ok::<_, HarnessError>(proxy)
            }
        };
        let proxies = [
            start("ghcr", Service::Registry).await?,
            start("dockerhub", Service::Registry).await?,
            start("github-api", Service::GitHub).await?,
            start("hub-api", Service::DockerHub).await?,
        ];
        let mut registries = Vec::new();
        for (half, proxy) in halves.iter().zip(&proxies) {
            let registry = Registry::start_on(&half.storage, Some(&half.auth(proxy))).await?;
            proxy.set_upstream(registry.host());
            proxy.set_token_service(half.tokens.address());
            proxy.record_changes_of(&half.storage);
            registries.push(registry);
        }
        proxies[0].behave_like(Profile::Ghcr);
        proxies[1].behave_like(Profile::DockerHub);
        proxies[1].add_standing(manifest_deletion(halves[1].storage.clone(), REPOSITORY));
        Ok(Self { _registries: registries, proxies, recorder, running: Running::default() })
    }

    /// The variables that tell a pipeline where everything is.
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

/// A stage that has to succeed, since nothing was done to it.
pub(super) trait Good: Sized {
    /// Itself if it succeeded.
    fn good(self, build: Build) -> Result<Self, HarnessError>;
}

impl Good for StageRun {
    fn good(self, build: Build) -> Result<Self, HarnessError> {
        if self.end.is_success() {
            return Ok(self);
        }
        let what = format!(
            "the pipeline's stage {} of {}, to which nothing was done, failed",
            self.stage.name(),
            build.name()
        );
        let said = format!("it ended with {}: {}", ended(self.end), self.printed().trim());
        Err(HarnessError::other(what)(said))
    }
}

/// What a registry holds of the image's repository.
fn held(saved: &RegistryState) -> RepositoryState {
    saved.get(REPOSITORY).cloned().unwrap_or_default()
}

fn unreadable() -> impl FnOnce(std::io::Error) -> HarnessError {
    HarnessError::io("cannot read a registry's storage")
}

fn copy_files(from: &Path, to: &Path) -> Result<(), HarnessError> {
    for entry in fs::read_dir(from).map_err(HarnessError::at("read", from))? {
        let path = entry.map_err(HarnessError::at("read", from))?.path();
        let Some(name) = path.file_name().filter(|_| path.is_file()) else { continue };
        fs::copy(&path, to.join(name)).map_err(HarnessError::at("copy", &path))?;
    }
    Ok(())
}
