//! Two registries that want TLS and tokens, as Docker Hub and GHCR do, and what is published on them.

use std::{path::PathBuf, time::Duration};

use tempfile::TempDir;

use crate::{
    check::{Check, Need},
    checks,
    client::{Client, Depth, Repository, tests::registry::Registry},
    evidence::Evidence,
    harness::{
        proxy::Proxy,
        tls::Authority,
        token::{Access, Account, TokenService},
    },
    history::{Recorder, Service},
    target::{Live, LiveOptions, Reference},
};

const REPOSITORY: &str = "acme/hello";
const ACCOUNT: (&str, &str) = ("acme", "correct horse");

/// A registry behind TLS that wants tokens.
pub(crate) struct Side {
    name: &'static str,
    pub(crate) registry: Registry,
    pub(super) proxy: Proxy,
    _tokens: TokenService,
}

/// Both registries, and the authority behind their certificates.
pub(crate) struct Published {
    pub(crate) ghcr: Side,
    pub(crate) dockerhub: Side,
    folder: TempDir,
}

impl Side {
    async fn start(name: &'static str, authority: &Authority, public: bool) -> Self {
        let server = authority.server().unwrap();
        let proxy = Proxy::start_with(name, Service::Registry, &Recorder::default(), Some(server)).await.unwrap();
        let pull = vec![Access::repository(REPOSITORY, &["pull"])];
        let (user, password) = (Some(ACCOUNT.0.to_owned()), ACCOUNT.1.to_owned());
        let account = Account { name: user, password, rights: pull.clone() };
        let anonymous = if public { &pull[..] } else { &[] };
        let tokens = TokenService::start(name, vec![account], anonymous).await.unwrap();
        let auth = tokens.auth(&format!("{}/token", proxy.url()));
        let all = Access::repository(REPOSITORY, &["pull", "push", "delete"]);
        let token = tokens.token(&[all], std::time::SystemTime::now()).unwrap();
        let registry = Registry::start_with_tokens(&auth, token);
        proxy.set_upstream(&registry.host);
        proxy.set_token_service(tokens.address());
        Self { name, registry, proxy, _tokens: tokens }
    }

    /// As users name it.
    pub(crate) fn repository(&self) -> String {
        format!("https://{}/{REPOSITORY}", self.proxy.address())
    }
}

impl Published {
    /// Two empty registries, where everybody, or an account alone, may read.
    pub(crate) async fn start(public: bool) -> Self {
        let authority = Authority::new().unwrap();
        let folder = tempfile::tempdir().unwrap();
        std::fs::write(folder.path().join("ca.pem"), authority.pem()).unwrap();
        let ghcr = Side::start("ghcr", &authority, public).await;
        let dockerhub = Side::start("dockerhub", &authority, public).await;
        Self { ghcr, dockerhub, folder }
    }

    pub(crate) fn sides(&self) -> [&Side; 2] {
        [&self.ghcr, &self.dockerhub]
    }

    /// The certificate of the authority.
    pub(crate) fn ca(&self) -> PathBuf {
        self.folder.path().join("ca.pem")
    }

    pub(super) fn options(&self, tags: &[&str]) -> LiveOptions {
        let references = self
            .sides()
            .into_iter()
            .flat_map(|side| tags.iter().map(move |tag| Reference::tagged(&side.repository(), tag).unwrap()));
        LiveOptions {
            references: references.collect(),
            expect_digest: None,
            wait: Duration::ZERO,
            ca: Some(self.ca()),
            run: false,
        }
    }

    /// Looks as `verify live` does, with the account in the environment.
    pub(super) async fn live(&self, options: LiveOptions) -> Live {
        let names = self.sides().map(|side| side.proxy.address().to_string().replace(['.', ':'], "_"));
        let variables = names.map(|it| (format!("VERIFY_USER_{it}"), format!("VERIFY_PASSWORD_{it}")));
        let environment = variables.into_iter().flat_map(|(user, password)| [(user, ACCOUNT.0), (password, ACCOUNT.1)]);
        let environment = environment.map(|(name, value)| (name, value.to_owned())).collect();
        Live::new(options, &environment).await.unwrap()
    }

    /// Reads as the harness does after a local run.
    pub(super) async fn local(&self, tags: &[&str]) -> Evidence {
        let mut evidence = Evidence::default();
        for side in self.sides() {
            let repository = Repository::parse(side.name, &side.repository()).unwrap();
            let repository = repository.with_ca(self.ca()).with_credentials(ACCOUNT.0, ACCOUNT.1);
            let client = Client::new(repository).unwrap();
            for tag in tags {
                evidence.publications.push(client.publication(tag, Depth::Layers).await.unwrap());
            }
        }
        evidence
    }
}

/// All checks that need nothing but published images.
pub(super) fn looking() -> Vec<&'static Check> {
    checks::all().into_iter().filter(|check| check.needs == [Need::Image]).collect()
}
