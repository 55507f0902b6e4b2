//! GHCR and Docker Hub as `verify` stands in for them, and a registry that is nothing but a registry: the real one behind
//! each, its management interface beside it, everything recorded.

use verify::{
    harness::{
        management::{StandIn, docker_hub, github},
        proxy::{Proxy, Rule},
        registry::{Backend, Registry},
    },
    history::{Kind, Recorder, Service},
};

use super::Program;

/// The repository on all of them.
const REPOSITORY: &str = "acme/hello";
const GITHUB_TOKEN: &str = "ghs_canary";
const DOCKERHUB_USER: &str = "acme";
const DOCKERHUB_TOKEN: &str = "dckr_pat_canary";

/// One registry, reached through a proxy that makes it behave as what it stands for.
pub(crate) struct Side {
    pub(crate) name: &'static str,
    registry: Registry,
    proxy: Proxy,
}

/// All three.
pub(crate) struct StandIns {
    pub(crate) sides: [Side; 3],
    recorder: Recorder,
    github: StandIn,
    github_proxy: Proxy,
    hub: StandIn,
    hub_proxy: Proxy,
}

impl Side {
    async fn start(name: &'static str, recorder: &Recorder) -> Self {
        let registry = Registry::start(Backend::Process, None).await.unwrap();
        let proxy = Proxy::start(name, Service::Registry, recorder).await.unwrap();
        proxy.set_upstream(registry.host());
        Self { name, registry, proxy }
    }

    /// Where users find the image.
    pub(crate) fn repository(&self) -> String {
        format!("{}/{REPOSITORY}", self.registry.host())
    }

    /// Lets no tag of this name be set from now on.
    pub(crate) fn refuse_tag(&self, tag: &str) {
        let _ = self.proxy.add(Rule::on(Kind::ManifestPut).reference(tag).answer(503));
    }

    /// Every manifest that it holds, tagged or not, sorted.
    pub(crate) fn manifests(&self) -> Vec<String> {
        self.registry.storage().manifests(REPOSITORY).unwrap()
    }

    /// Its tags, sorted, with what they point at.
    pub(crate) fn tags(&self) -> Vec<(String, String)> {
        self.registry.storage().tags(REPOSITORY).unwrap().into_iter().collect()
    }

    /// The manifests that a list names.
    pub(crate) fn children(&self, list: &str) -> Vec<String> {
        let manifest = self.registry.storage().manifest(REPOSITORY, list).unwrap().unwrap();
        let document: serde_json::Value = serde_json::from_slice(&manifest.bytes).unwrap();
        document["manifests"].as_array().unwrap().iter().map(|it| it["digest"].as_str().unwrap().to_owned()).collect()
    }
}

impl StandIns {
    /// All of them, empty.
    pub(crate) async fn start() -> Self {
        let recorder = Recorder::default();
        let (ghcr, dockerhub, plain) = tokio::join!(
            Side::start("ghcr", &recorder),
            Side::start("dockerhub", &recorder),
            Side::start("plain", &recorder)
        );
        let github = github::start(ghcr.registry.storage().clone(), GITHUB_TOKEN).await.unwrap();
        let hub =
            docker_hub::start(dockerhub.registry.storage().clone(), DOCKERHUB_USER, DOCKERHUB_TOKEN).await.unwrap();
        let github_proxy = Proxy::start("github-api", Service::GitHub, &recorder).await.unwrap();
        github_proxy.set_upstream(github.address());
        let hub_proxy = Proxy::start("hub-api", Service::DockerHub, &recorder).await.unwrap();
        hub_proxy.set_upstream(hub.address());
        ghcr.proxy.add_standing(github::registry_rule());
        dockerhub.proxy.add_standing(docker_hub::registry_rule(dockerhub.registry.storage().clone()));
        Self { sides: [ghcr, dockerhub, plain], recorder, github, github_proxy, hub, hub_proxy }
    }

    /// The same run, publishing to these.
    pub(crate) fn before(&self, program: Program) -> Program {
        let registries = self.sides.iter().map(|side| format!("{}={}/{REPOSITORY}", side.name, side.proxy.address()));
        program
            .env("TALLYMAN_REGISTRIES", registries.collect::<Vec<_>>().join(","))
            .env("TALLYMAN_DRIVERS", "ghcr=github,dockerhub=dockerhub,plain=distribution")
            .env("TALLYMAN_GITHUB_API", self.github_proxy.url())
            .env("GITHUB_API_URL", self.github_proxy.url())
            .env("TALLYMAN_DOCKERHUB_API", self.hub_proxy.url())
            .env("GITHUB_TOKEN", GITHUB_TOKEN)
            .env("DOCKERHUB_USERNAME", DOCKERHUB_USER)
            .env("DOCKERHUB_TOKEN", DOCKERHUB_TOKEN)
    }

    /// How many requests each server has seen so far: the registries, then `github-api` and `hub-api`.
    pub(crate) fn requests(&self) -> [usize; 5] {
        let history = self.recorder.history();
        ["ghcr", "dockerhub", "plain", "github-api", "hub-api"]
            .map(|server| history.iter().filter(|exchange| exchange.server == server).count())
    }

    /// Fails the test if one of the servers itself failed: nothing that was seen would prove anything.
    pub(crate) fn expect_no_trouble(&self) {
        let trouble = [self.github.trouble(), self.hub.trouble(), self.recorder.trouble()].concat();
        assert!(trouble.is_empty(), "{trouble:?}");
    }
}
