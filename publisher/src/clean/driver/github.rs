//! GitHub Packages, which cleans GHCR: its registry deletes nothing, and there is no deletion by tag.
//!
//! A *version* is a manifest with all its tags. Deleting one protects nothing that other versions name: all care is ours.

mod listing;
mod refusal;
mod version;

use std::{
    collections::HashMap,
    sync::{Mutex, MutexGuard, PoisonError},
    time::SystemTime,
};

use reqwest::{
    Method, RequestBuilder,
    header::{ACCEPT, AUTHORIZATION, CONTENT_LENGTH},
};
use tokio::sync::OnceCell;

use self::{
    refusal::{exception, with_wait},
    version::Version,
};
use super::{
    Deletion, Leaving, Stays,
    api::{Answer, Api, bearer},
};
use crate::{
    auth::{Credential, Secret},
    clean::CleanError,
    environment::Environment,
    oci::{Digest, Tag, short},
    registry::{Cause, Registry, RegistryError},
};

/// The interface of another server than GitHub's own, for other registries than GHCR.
const VARIABLE: &str = "TALLYMAN_GITHUB_API";
/// The interface of the server that runs the workflow, whose [`TOKEN`] is. Its registry need not be the one at hand.
const SERVER: &str = "GITHUB_API_URL";
const ADDRESS: &str = "https://api.github.com";
const TOKEN: &str = "GITHUB_TOKEN";
const API_VERSION: (&str, &str) = ("x-github-api-version", "2022-11-28");
/// How often a version is looked at that still shows the tag which was moved away. The waits between double.
const SETTLE_LOOKS_MAX: u32 = 6;

const PERMISSION: &str = "the workflow needs `permissions: packages: write`, and its repository the role Admin on the \
    package (Package settings, Manage Actions access); elsewhere a classic token with `read:packages` and \
    `delete:packages` is needed";

/// The driver for one package.
pub(in crate::clean) struct GitHub {
    api: Api,
    token: Option<Secret>,
    owner: String,
    /// The package's name as it stands in addresses.
    package: String,
    /// Below which address the package is found: an organisation's, a user's, or that of whoever asks.
    home: OnceCell<String>,
    /// The versions that were seen, those that are gone by now too.
    seen: Mutex<HashMap<Digest, Seen>>,
}

/// What is remembered of a version.
#[derive(Debug, Clone, Copy)]
struct Seen {
    id: u64,
    born: Option<SystemTime>,
}

impl GitHub {
    pub(super) fn new(registry: &Registry, credential: &Credential, env: &Environment) -> Result<Self, CleanError> {
        let on_github = registry.repository().host.is_ghcr();
        let address = if on_github { ADDRESS } else { env.get(VARIABLE).unwrap_or_default() };
        let is_servers = address == env.get(SERVER).unwrap_or(ADDRESS);
        let token = match credential {
            Credential::Basic { password, .. } => Some(password.clone()),
            _ => env.get(TOKEN).filter(|_| is_servers).map(Secret::new),
        };
        let secrets = token.iter().map(|token| token.expose().to_owned()).collect();
        let name = &registry.repository().name;
        let (owner, package) = name.split_once('/').unwrap_or((name, name));
        Ok(Self {
            api: Api::new(VARIABLE, address, secrets)?,
            token,
            owner: owner.into(),
            package: package.replace('/', "%2F"),
            home: OnceCell::new(),
            seen: Mutex::default(),
        })
    }

    /// Deletes a version, unless it has a tag by now.
    pub(super) async fn delete(
        &self,
        registry: &Registry,
        digest: &Digest,
        leaving: Leaving<'_>,
        mut held: impl AsyncFnMut() -> Result<Option<Stays>, CleanError>,
    ) -> Result<Deletion, CleanError> {
        let Some(Seen { id, .. }) = self.seen().get(digest).copied() else {
            let there = registry.has_manifest(digest).await?;
            return Ok(if there { Deletion::Stays(Stays::Unlisted) } else { Deletion::Absent });
        };
        let path = format!("{}/versions/{id}", self.home(registry).await?);
        let operation = format!("delete version {}", short(digest));
        let deleted = registry.attempts(&operation, async || {
            match held().await {
                Err(error) => return Ok(Err(error)),
                Ok(Some(why)) => return Ok(Ok(Deletion::Stays(why))),
                Ok(None) => {}
            }
            match self.settled_tags(registry, digest, &path, leaving).await {
                Err(error) => return Ok(Err(error)),
                Ok(None) => return Ok(Ok(Deletion::Absent)),
                Ok(Some(tags)) if !tags.is_empty() => return Ok(Ok(Deletion::Stays(Stays::Tagged(tags)))),
                Ok(Some(_)) => {}
            }
            match self.call(registry, Method::DELETE, &path).await {
                Ok(answer) if answer.is_absent() => Ok(Ok(Deletion::Absent)),
                Ok(_) => Ok(Ok(Deletion::Gone)),
                Err(cause) => cause.refusal().and_then(exception).map(|why| Ok(Deletion::Stays(why))).ok_or(cause),
            }
        });
        deleted.await.map_err(|error| failed(registry, error))?
    }

    /// The command by which a version that was deleted is restored, within thirty days.
    pub(super) fn restore_command(&self, digest: &Digest) -> Option<String> {
        let (home, id) = (self.home.get()?, self.seen().get(digest)?.id);
        Some(format!("gh api --method POST /{home}/versions/{id}/restore"))
    }

    /// The tags that keep a version, after the one that was moved had time to leave; nothing if the version is gone.
    async fn settled_tags(
        &self,
        registry: &Registry,
        digest: &Digest,
        path: &str,
        leaving: Leaving<'_>,
    ) -> Result<Option<Vec<Tag>>, CleanError> {
        let operation = format!("read version {}", short(digest));
        for look in 0..SETTLE_LOOKS_MAX {
            let read = registry.attempts(&operation, async || {
                let answer = self.call(registry, Method::GET, path).await?;
                if answer.is_absent() { Ok(None) } else { answer.json::<Version>()?.tags().map(Some) }
            });
            let Some(mut tags) = read.await.map_err(|error| failed(registry, error))? else { return Ok(None) };
            tags.retain(|tag| !leaving.with_it.contains(tag));
            // GitHub shows a tag where it was for some moments after it was moved.
            if leaving.moved.is_some_and(|tag| tags == [tag.clone()]) && look + 1 < SETTLE_LOOKS_MAX {
                tokio::time::sleep(registry.backoff().wait(look + 1, None, 0.0)).await;
                continue;
            }
            return Ok(Some(tags));
        }
        Ok(None)
    }

    async fn home(&self, registry: &Registry) -> Result<&str, CleanError> {
        let find = async || {
            for home in [format!("orgs/{}", self.owner), format!("users/{}", self.owner), "user".into()] {
                let home = format!("{home}/packages/container/{}", self.package);
                let there = registry.attempts("find the package", async || {
                    Ok(!self.call(registry, Method::GET, &home).await?.is_absent())
                });
                if there.await.map_err(|error| failed(registry, error))? {
                    return Ok(home);
                }
            }
            // GitHub shows nobody what they may not see.
            Err(CleanError::Denied { registry: registry.name().into(), permission: PERMISSION, source: None })
        };
        self.home.get_or_try_init(find).await.map(String::as_str)
    }

    async fn call(&self, registry: &Registry, method: Method, path: &str) -> Result<Answer, Cause> {
        let mut request: RequestBuilder = registry.http().request(method, self.api.url(path)?);
        request = request.header(ACCEPT, "application/vnd.github+json").header(API_VERSION.0, API_VERSION.1);
        if let Some(token) = &self.token {
            request = request.header(AUTHORIZATION, bearer(token.expose())?);
        }
        self.api.send(registry, request.header(CONTENT_LENGTH, 0)).await.map_err(with_wait)
    }

    fn seen(&self) -> MutexGuard<'_, HashMap<Digest, Seen>> {
        self.seen.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn failed(registry: &Registry, error: RegistryError) -> CleanError {
    CleanError::of(error, registry.name(), PERMISSION)
}

#[cfg(test)]
mod tests {
    use rstest::rstest;

    use super::*;
    use crate::registry::{Hosts, testing::client};

    const GHE: &str = "https://ghe.example/api/v3";

    /// The registry decides whose interface is asked, and what opens one server's packages never goes to another. The
    /// cases: where packages are, who runs the workflow, the explicit address; where requests go, whether with its token.
    #[rstest]
    #[case("ghcr.io", ADDRESS, "", Some(ADDRESS), true)]
    #[case("ghcr.io", GHE, GHE, Some(ADDRESS), false)]
    #[case("containers.ghe.example", GHE, GHE, Some(GHE), true)]
    #[case("containers.ghe.example", ADDRESS, GHE, Some(GHE), false)]
    #[case("containers.ghe.example", ADDRESS, "", None, false)]
    #[case("containers.ghe.example", GHE, "", None, false)]
    fn a_token_goes_to_its_own_server_alone(
        #[case] host: &str,
        #[case] server: &str,
        #[case] explicit: &str,
        #[case] address: Option<&str>,
        #[case] has_token: bool,
    ) {
        let env = [(SERVER, server), (VARIABLE, explicit), (TOKEN, "of the server that runs the workflow")];
        let nobody = Credential::Anonymous;
        let (registry, _) = client(&format!("{host}/acme/hello"), nobody.clone(), &Hosts::default());
        let driver = GitHub::new(&registry, &nobody, &env.into_iter().collect());
        let seen = driver.as_ref().ok().map(|driver| driver.api.url("user").unwrap().to_string());
        assert_eq!(seen, address.map(|address| format!("{address}/user")));
        assert_eq!(driver.is_ok_and(|driver| driver.token.is_some()), has_token);
    }
}
