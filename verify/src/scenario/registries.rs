//! The servers of a world: two registries with their token services and management interfaces, each behind a fault proxy.

use std::{
    collections::{BTreeMap, BTreeSet},
    io,
    path::{Path, PathBuf},
    sync::Arc,
};

use rustls::ServerConfig;

use super::{AMD64, ARM64, OWNER, REPOSITORY};
use crate::{
    client::{Client, Depth, Poller, Publication, Reader, Repository},
    harness::{
        HarnessError,
        management::{StandIn, docker_hub, github},
        podman::{ContainerRun, PullTest},
        proxy::Proxy,
        registry::{Backend, Registry, StoredManifest},
        secrets::Secrets,
        tls::Authority,
        token::{Access, Account, TokenService},
    },
    history::{Recorder, Service},
    oracle::Snapshot,
};

/// Who publishes to Docker Hub.
pub(crate) const DOCKERHUB_USER: &str = OWNER;
/// All repositories of the owner: the image's, and that of a layer cache.
const REPOSITORIES: &str = "acme/*";
/// The repository for a layer cache, and those that pipelines make of it for each platform.
pub(super) const CACHES: [&str; 3] = ["acme/hello-cache", "acme/hello-cache-amd64", "acme/hello-cache-arm64"];
/// More entries than any listing of GitHub's, Docker Hub's or a registry's has on a page.
const MORE_THAN_A_PAGE: usize = 101;
/// What failed when a storage cannot be read.
const UNREADABLE: &str = "cannot read a registry's storage";
/// The argument with which the image that is built tells its machine.
const TELL_MACHINE: &str = "arch";

/// A registry with its token service, behind a fault proxy.
pub(super) struct ProxiedRegistry {
    name: &'static str,
    registry: Registry,
    pub(super) proxy: Proxy,
    /// Runs as long as it is here.
    _tokens: TokenService,
}

/// Both registries, and the management interfaces that belong to them.
pub(super) struct Registries {
    pub(super) ghcr: ProxiedRegistry,
    pub(super) dockerhub: ProxiedRegistry,
    github: StandIn,
    github_proxy: Proxy,
    hub: StandIn,
    hub_proxy: Proxy,
    secrets: Secrets,
    /// The certificate of the authority, where the registries speak TLS.
    ca: Option<PathBuf>,
}

impl ProxiedRegistry {
    async fn start(
        name: &'static str,
        backend: Backend,
        account: Account,
        tls: Option<Arc<ServerConfig>>,
        recorder: &Recorder,
    ) -> Result<Self, HarnessError> {
        let proxy = Proxy::start_with(name, Service::Registry, recorder, tls).await;
        let proxy = proxy.map_err(HarnessError::io("cannot start a proxy"))?;
        let tokens = TokenService::start(name, vec![account], &[]).await?;
        let auth = tokens.auth(&format!("{}/token", proxy.url()));
        let registry = Registry::start(backend, Some(&auth)).await?;
        proxy.set_upstream(registry.host());
        proxy.set_token_service(tokens.address());
        Ok(Self { name, registry, proxy, _tokens: tokens })
    }

    fn repository(&self, name: &str) -> String {
        format!("{}/{name}", self.proxy.address())
    }

    /// The manifest that a tag points at; none if there is no such tag: that is the pipeline's failure, not ours.
    fn manifest(&self, tag: &str) -> Result<Option<StoredManifest>, HarnessError> {
        let storage = self.registry.storage();
        let mut tags = storage.tags(REPOSITORY).map_err(HarnessError::io(UNREADABLE))?;
        let Some(digest) = tags.remove(tag) else { return Ok(None) };
        storage.manifest(REPOSITORY, &digest).map_err(HarnessError::io(UNREADABLE))
    }

    /// Whether everything is there that a list names.
    fn holds_all_of(&self, list: &StoredManifest) -> Result<bool, HarnessError> {
        for image in parsed(list)?["manifests"].as_array().into_iter().flatten() {
            let digest = image["digest"].as_str().unwrap_or_default();
            let held = self.registry.storage().manifest(REPOSITORY, digest).map_err(HarnessError::io(UNREADABLE))?;
            if held.is_none() {
                return Ok(false);
            }
        }
        Ok(true)
    }

    /// Puts a manifest under a tag. Its digest.
    fn put(&self, manifest: &[u8], tag: &str) -> Result<String, HarnessError> {
        self.registry.storage().put(REPOSITORY, manifest, &[tag]).map_err(HarnessError::io("cannot make a tag"))
    }
}

impl Registries {
    /// Starts everything. The registries speak TLS if there is a folder for the authority's certificate.
    pub(super) async fn start(
        backend: Backend,
        secrets: &Secrets,
        tls_folder: Option<&Path>,
        recorder: &Recorder,
    ) -> Result<Self, HarnessError> {
        let tls = tls_folder.map(|folder| {
            let authority = Authority::new()?;
            Ok((authority.server()?, authority.write(folder)?))
        });
        let (tls, ca) = tls.transpose()?.unzip();
        let [ghcr, dockerhub] = accounts(secrets);
        let (ghcr, dockerhub) = tokio::try_join!(
            ProxiedRegistry::start("ghcr", backend, ghcr, tls.clone(), recorder),
            ProxiedRegistry::start("dockerhub", backend, dockerhub, tls, recorder),
        )?;
        let failed = || HarnessError::io("cannot start a management interface");
        let secret = |name: &str| secrets.get(name).unwrap_or_default();
        let github = github::start(ghcr.registry.storage().clone(), secret("GITHUB_TOKEN")).await?;
        let storage = dockerhub.registry.storage();
        let hub = docker_hub::start(storage.clone(), DOCKERHUB_USER, secret("DOCKERHUB_TOKEN")).await?;
        let github_proxy = Proxy::start("github-api", Service::GitHub, recorder).await.map_err(failed())?;
        github_proxy.set_upstream(github.address());
        let hub_proxy = Proxy::start("hub-api", Service::DockerHub, recorder).await.map_err(failed())?;
        hub_proxy.set_upstream(hub.address());
        ghcr.proxy.add_standing(github::registry_rule());
        dockerhub.proxy.add_standing(docker_hub::registry_rule(storage.clone()));
        Ok(Self { ghcr, dockerhub, github, github_proxy, hub, hub_proxy, secrets: secrets.clone(), ca })
    }

    fn both(&self) -> [&ProxiedRegistry; 2] {
        [&self.ghcr, &self.dockerhub]
    }

    /// The names of the registries.
    pub(super) fn names(&self) -> Vec<String> {
        self.both().map(|it| it.name.to_owned()).to_vec()
    }

    /// The proxies before all servers.
    pub(super) const fn proxies(&self) -> [&Proxy; 4] {
        [&self.ghcr.proxy, &self.dockerhub.proxy, &self.github_proxy, &self.hub_proxy]
    }

    /// Where the pipeline reaches each registry.
    pub(super) fn addresses(&self) -> BTreeMap<String, String> {
        self.both().map(|it| (it.name.to_owned(), it.proxy.address().to_string())).into()
    }

    /// The variables that tell a pipeline where everything is.
    pub(super) fn variables(&self) -> BTreeMap<String, String> {
        let mut variables = BTreeMap::from([
            ("VERIFY_GHCR".to_owned(), self.ghcr.repository(REPOSITORY)),
            ("VERIFY_DOCKERHUB".to_owned(), self.dockerhub.repository(REPOSITORY)),
            ("VERIFY_DOCKERHUB_API".to_owned(), self.hub_proxy.url()),
            ("GITHUB_API_URL".to_owned(), self.github_proxy.url()),
        ]);
        variables.extend(self.ca.as_ref().map(|ca| ("VERIFY_CA".to_owned(), ca.to_string_lossy().into_owned())));
        variables
    }

    /// The repository in which a pipeline may keep a layer cache.
    pub(super) fn cache(&self) -> String {
        self.ghcr.repository(CACHES[0])
    }

    /// What both registries hold of the image's repository.
    pub(super) fn snapshots(&self) -> io::Result<Vec<Snapshot>> {
        self.both().into_iter().map(|it| Snapshot::of(it.name, it.registry.storage(), REPOSITORY)).collect()
    }

    /// Where the harness itself reads: directly at the registry, unless TLS ends at the proxy.
    fn repository(&self, registry: &ProxiedRegistry) -> Result<Repository, HarnessError> {
        let secret = if registry.name == "ghcr" { "GITHUB_TOKEN" } else { "DOCKERHUB_TOKEN" };
        let repository = match self.ca {
            Some(_) => registry.repository(REPOSITORY),
            None => format!("{}/{REPOSITORY}", registry.registry.host()),
        };
        let repository = Repository::parse(registry.name, &repository)
            .ok_or_else(|| HarnessError::other("cannot read a registry")(format!("{repository} names none")))?;
        let repository = repository.with_credentials(DOCKERHUB_USER, self.secrets.get(secret).unwrap_or_default());
        Ok(Repository { ca: self.ca.clone(), ..repository })
    }

    fn clients(&self) -> Result<Vec<Client>, HarnessError> {
        let client = |it| Client::new(self.repository(it)?).map_err(HarnessError::other("cannot read a registry"));
        self.both().into_iter().map(client).collect()
    }

    /// Begins to poll a tag.
    pub(super) fn poll(&self, tag: &str, recorder: &Recorder) -> Result<Poller, HarnessError> {
        Ok(Poller::start(self.clients()?, tag, recorder))
    }

    /// Reads, layers too, what has another digest now than before, by tag.
    pub(super) async fn read_moved(
        &self,
        before: &[Snapshot],
        now: &[Snapshot],
    ) -> Result<Vec<Publication>, HarnessError> {
        let mut publications = Vec::new();
        for (client, new) in self.clients()?.into_iter().zip(now) {
            let old = before.iter().find(|old| old.server == new.server);
            let moved = |(tag, digest): &(&String, &String)| old.and_then(|old| old.tags.get(*tag)) != Some(*digest);
            publications.extend(read_tags(client, new.tags.iter().filter(moved).map(|(tag, _)| tag)).await?);
        }
        Ok(publications)
    }

    /// Reads tags from both registries, layers too.
    pub(super) async fn read(&self, tags: &BTreeSet<&String>) -> Result<Vec<Publication>, HarnessError> {
        let mut publications = Vec::new();
        for client in self.clients()? {
            publications.extend(read_tags(client, tags.iter().copied()).await?);
        }
        Ok(publications)
    }

    /// Pulls and runs tags from both registries for both platforms.
    pub(super) async fn pull_and_run(&self, tags: &[&str], folder: &Path) -> Result<Vec<ContainerRun>, HarnessError> {
        let repositories = self.both().into_iter().map(|it| self.repository(it)).collect::<Result<Vec<_>, _>>()?;
        let mut pull_test = PullTest::new(&folder.join("pull-test"), &repositories)?;
        let mut runs = Vec::new();
        for repository in &repositories {
            for tag in tags {
                for platform in [AMD64, ARM64] {
                    runs.push(pull_test.run(repository, tag, platform, TELL_MACHINE).await?);
                }
            }
        }
        pull_test.remove().await?;
        Ok(runs)
    }

    /// Puts on all registries what one tag names under another tag, as a retagging release does.
    pub(super) fn retag(&self, from: &str, to: &str) -> Result<(), HarnessError> {
        for registry in self.both() {
            if let Some(manifest) = registry.manifest(from)? {
                registry.put(&manifest.bytes, to)?;
            }
        }
        Ok(())
    }

    /// Puts more lists on all registries than any listing has on one page, each under a tag of its own, of the images that a
    /// tag leads to. Tags are numbered from `first` on.
    pub(super) fn fill(&self, of: &str, first: usize) -> Result<(), HarnessError> {
        for registry in self.both() {
            let Some(list) = registry.manifest(of)? else { continue };
            // A registry takes no list of what a pipeline has removed.
            if !registry.holds_all_of(&list)? {
                continue;
            }
            for number in first..first + MORE_THAN_A_PAGE {
                // Another number of blanks makes another digest of the same JSON.
                let bytes = [&list.bytes[..], " ".repeat(number).as_bytes()].concat();
                registry.put(&bytes, &format!("0-other-{number}"))?;
            }
        }
        Ok(())
    }

    /// Puts on all registries, under a tag, a list of the first image that another tag's list names. Its digest on each.
    pub(super) fn tag_part(&self, of: &str, to: &str) -> Result<[Option<String>; 2], HarnessError> {
        let mut digests = [None, None];
        for (registry, digest) in self.both().into_iter().zip(&mut digests) {
            let Some(list) = registry.manifest(of)? else { continue };
            let mut list = parsed(&list)?;
            if let Some(images) = list["manifests"].as_array_mut() {
                images.truncate(1);
            }
            *digest = Some(registry.put(list.to_string().as_bytes(), to)?);
        }
        Ok(digests)
    }

    /// Where servers of the harness itself failed.
    pub(super) fn trouble(&self) -> Vec<String> {
        self.github.trouble().into_iter().chain(self.hub.trouble()).collect()
    }

    /// Ends all proxies, so that every exchange is recorded.
    pub(super) async fn end(self) {
        for proxy in [self.ghcr.proxy, self.dockerhub.proxy, self.github_proxy, self.hub_proxy] {
            proxy.end().await;
        }
    }
}

fn parsed(list: &StoredManifest) -> Result<serde_json::Value, HarnessError> {
    serde_json::from_slice(&list.bytes).map_err(HarnessError::other("cannot read a list"))
}

/// Reads tags of one registry. What several of them name is read once.
async fn read_tags(client: Client, tags: impl Iterator<Item = &String>) -> Result<Vec<Publication>, HarnessError> {
    let mut reader = Reader::new(client, Depth::Layers);
    let mut publications = Vec::new();
    for tag in tags {
        let publication = reader.publication(tag).await;
        publications.push(publication.map_err(HarnessError::other("cannot read a registry"))?);
    }
    Ok(publications)
}

/// Who may log in at GHCR and at Docker Hub.
pub(crate) fn accounts(secrets: &Secrets) -> [Account; 2] {
    let secret = |name: &str| secrets.get(name).unwrap_or_default().to_owned();
    let rights = vec![Access::repository(REPOSITORIES, &["pull", "push", "delete"])];
    let ghcr = Account { name: None, password: secret("GITHUB_TOKEN"), rights: rights.clone() };
    [ghcr, Account { name: Some(DOCKERHUB_USER.to_owned()), password: secret("DOCKERHUB_TOKEN"), rights }]
}
