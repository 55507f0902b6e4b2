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
        management::{DockerHub, GitHub, ManifestDeletion},
        podman::PodmanHost,
        proxy::{Profile, Proxy},
        registry::{EmbeddedSettings, Held, Registry, Saved},
        secrets::Secrets,
        source::Source,
        subject::{Running, StageCall},
        sweep,
        token::{Auth, TokenService, TokenSettings},
        watch,
    },
    history::{Recorder, Service},
    scenario::{
        AMD64, ARM64, DOCKERHUB_USER, Event, REPOSITORY, accounts, github_settings, hub_settings, manifest_deletion,
        mark, new_secrets, small_source,
    },
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
    live: [Saved; 2],
    empty: [Saved; 2],
    calls: AtomicU64,
    folder: TempDir,
}

/// A registry with its token service.
struct Half {
    registry: Registry,
    /// Tokens are given for as long as it lives.
    tokens: TokenService,
}

/// How one run reaches the servers.
pub(super) struct Front {
    /// One before each half's contents. They serve for as long as they live.
    _registries: Vec<Registry>,
    proxies: [Proxy; 4],
    pub(super) recorder: Recorder,
    pub(super) running: Running,
}

/// The management interfaces, new for each schedule: they count requests, and remember what they saw.
struct StandIns {
    github: Mutex<Option<GitHub>>,
    hub: Arc<Mutex<Option<Arc<DockerHub>>>>,
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
        let folder = sweep::folder()?;
        let secrets = new_secrets(options.seed);
        let watched = folder.path().join("bin");
        watch::install(&watched).map_err(HarnessError::at("write programs to", &watched))?;
        let desk = Arc::<Desk>::default();
        let stand_ins = StandIns { github: Mutex::default(), hub: Arc::default() };
        let [ghcr, dockerhub] = accounts(&secrets);
        let halves = [Half::start("ghcr", ghcr).await?, Half::start("dockerhub", dockerhub).await?];
        let fronts = [
            Front::open(0, &halves, &desk, &stand_ins.hub).await?,
            Front::open(1, &halves, &desk, &stand_ins.hub).await?,
        ];
        let mut lane = Self {
            options,
            desk,
            halves,
            fronts,
            stand_ins,
            secrets,
            watched,
            built: BTreeMap::new(),
            live: <[Saved; 2]>::default(),
            empty: <[Saved; 2]>::default(),
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
        self.learn();
        self.live = self.saved();
        self.empty.clone_from(&self.live);
        for saved in &mut self.empty {
            let Some(held) = saved.0.get_mut(REPOSITORY) else { continue };
            for digest in std::mem::take(&mut held.tags).into_values() {
                held.manifests.remove(&digest);
            }
            held.tagged = false;
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
        for (server, saved) in SERVERS.iter().zip(self.saved()) {
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
    fn saved(&self) -> [Saved; 2] {
        self.halves.each_ref().map(|half| half.registry.save().unwrap_or_default())
    }

    /// Puts back what the registries held at the start, and forgets what the interfaces have seen.
    pub(super) async fn restore(&self, start: Start) -> Result<(), HarnessError> {
        let saved = match start {
            Start::Live => &self.live,
            Start::Empty => &self.empty,
        };
        for (half, saved) in self.halves.iter().zip(saved) {
            half.registry.restore(saved);
        }
        self.renew_stand_ins().await?;
        for half in &self.halves {
            half.registry.watch();
        }
        for front in &self.fronts {
            front.recorder.take();
        }
        Ok(())
    }

    async fn renew_stand_ins(&self) -> Result<(), HarnessError> {
        let failed = || HarnessError::io("cannot start a management interface");
        let [ghcr, dockerhub] = self.halves.each_ref().map(|half| half.registry.contents());
        let github = GitHub::start(ghcr, github_settings(&self.secrets)).await.map_err(failed())?;
        let hub = Arc::new(DockerHub::start(dockerhub, hub_settings(&self.secrets)).await.map_err(failed())?);
        for front in &self.fronts {
            front.proxies[2].set_upstream(github.address());
            front.proxies[3].set_upstream(hub.address());
        }
        *self.stand_ins.github.lock().unwrap_or_else(PoisonError::into_inner) = Some(github);
        *self.stand_ins.hub.lock().unwrap_or_else(PoisonError::into_inner) = Some(hub);
        Ok(())
    }

    /// What the tags of both registries show.
    pub(super) fn looks(&self) -> Vec<Look> {
        self.looks_at(&self.saved())
    }

    fn looks_at(&self, saved: &[Saved; 2]) -> Vec<Look> {
        self.desk.with_names(|names| {
            SERVERS.iter().zip(saved).map(|(server, saved)| Look::of(server, &held(saved), names)).collect()
        })
    }

    /// What the tags showed after each change since the start.
    pub(super) fn moments(&self) -> Vec<Look> {
        let changes = SERVERS.iter().zip(&self.halves).map(|(server, half)| (*server, half.registry.changes()));
        let changes: Vec<(&str, Vec<Saved>)> = changes.collect();
        self.desk.with_names(|names| {
            let look = |server: &str, saved: &Saved| Look::of(server, &held(saved), names);
            changes
                .iter()
                .flat_map(|(server, all)| all.iter().map(move |saved| (*server, saved)))
                .map(|(server, saved)| look(server, saved))
                .collect()
        })
    }

    /// Learns the names of the lists that the registries hold.
    pub(super) fn learn(&self) {
        for (server, saved) in SERVERS.iter().zip(self.saved()) {
            self.desk.with_names(|names: &mut Names| names.learn(server, &held(&saved)));
        }
    }

    /// Where the harness itself failed since the last time.
    pub(super) fn trouble(&self) -> Vec<String> {
        let github = self.stand_ins.github.lock().unwrap_or_else(PoisonError::into_inner);
        let hub = self.stand_ins.hub.lock().unwrap_or_else(PoisonError::into_inner);
        let github = github.iter().flat_map(GitHub::trouble);
        let hub = hub.iter().flat_map(|hub| hub.trouble());
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
    async fn start(name: &str, account: crate::harness::token::Account) -> Result<Self, HarnessError> {
        let tokens = TokenService::start(TokenSettings::new(name, vec![account])).await?;
        // Nobody asks it: each front has its own server before the same contents.
        let registry = Registry::embedded(EmbeddedSettings::default()).await?;
        Ok(Self { registry, tokens })
    }

    fn auth(&self, proxy: &Proxy) -> Auth {
        self.tokens.auth(&format!("{}/token", proxy.url()))
    }
}

impl Front {
    async fn open(
        number: usize,
        halves: &[Half; 2],
        desk: &Arc<Desk>,
        hub: &Arc<Mutex<Option<Arc<DockerHub>>>>,
    ) -> Result<Self, HarnessError> {
        let recorder = Recorder::default();
        let start = |name: &'static str, service| {
            let (recorder, arbiter) = (recorder.clone(), desk.arbiter(number, name));
            async move {
                let proxy = Proxy::start(name, service, &recorder).await;
                let proxy = proxy.map_err(HarnessError::io("cannot start a proxy"))?;
                proxy.set_arbiter(arbiter);
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
            let settings = EmbeddedSettings { auth: Some(half.auth(proxy)), ..EmbeddedSettings::default() };
            if let Some(registry) = half.registry.beside(settings).await? {
                proxy.set_upstream(registry.host());
                proxy.set_token_service(half.tokens.address());
                registries.push(registry);
            }
        }
        proxies[0].behave_like(Profile::Ghcr);
        proxies[1].behave_like(Profile::DockerHub);
        let hub = Arc::clone(hub);
        proxies[1].stand(manifest_deletion(move |reference| {
            match &*hub.lock().unwrap_or_else(PoisonError::into_inner) {
                Some(hub) => hub.manifest_deletion(REPOSITORY, reference),
                None => Ok(ManifestDeletion::Unsupported),
            }
        }));
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
fn held(saved: &Saved) -> Held {
    saved.0.get(REPOSITORY).cloned().unwrap_or_default()
}

fn copy_files(from: &Path, to: &Path) -> Result<(), HarnessError> {
    for entry in fs::read_dir(from).map_err(HarnessError::at("read", from))? {
        let path = entry.map_err(HarnessError::at("read", from))?.path();
        let Some(name) = path.file_name().filter(|_| path.is_file()) else { continue };
        fs::copy(&path, to.join(name)).map_err(HarnessError::at("copy", &path))?;
    }
    Ok(())
}
