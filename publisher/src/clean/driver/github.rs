//! GitHub Packages, which cleans GHCR: its registry deletes nothing, and there is no deletion by tag.
//!
//! A *version* is a manifest with all its tags. Deleting one does not protect what other versions name.

use std::{
    collections::{HashMap, HashSet},
    sync::{Mutex, MutexGuard, PoisonError},
    time::SystemTime,
};

use reqwest::{
    Method,
    header::{ACCEPT, CONTENT_LENGTH, HeaderMap, LINK},
};
use serde::Deserialize;
use tokio::sync::OnceCell;

use super::{
    Deletion, Listing, PAGE, PAGES_MAX, TagEntry,
    api::{Answer, Api, protocol},
    is_newest_first,
};
use crate::{
    auth::{Credential, Secret},
    clean::Problem,
    environment::Environment,
    http::Refusal,
    oci::{Digest, Tag, short},
    registry::{Cause, Registry},
};

/// The interface of another server than GitHub's own, for other registries than GHCR.
const VARIABLE: &str = "TALLYMAN_GITHUB_API";
/// The interface of the server that runs the workflow and issued [`TOKEN`]. The packages may be on another server.
const SERVER: &str = "GITHUB_API_URL";
const ADDRESS: &str = "https://api.github.com";
const TOKEN: &str = "GITHUB_TOKEN";
const API_VERSION: (&str, &str) = ("x-github-api-version", "2022-11-28");

/// How often a version is read that still shows the tag which was moved away. The waits between double.
const SETTLE_READS_MAX: u32 = 6;

pub(super) const PERMISSION: &str = "the workflow needs `permissions: packages: write`, and its repository the role \
    Admin on the package (Package settings, Manage Actions access); elsewhere a classic token with `read:packages` and \
    `delete:packages` is needed";

/// The driver for one package.
pub(in crate::clean) struct GitHub {
    api: Api,
    token: Option<Secret>,
    owner: String,
    /// The package's name as it stands in addresses.
    package: String,
    /// The path of the package, which is an organisation's, a user's, or the token's owner's.
    home: OnceCell<String>,
    /// The id and date of each version that was listed; also of those that are gone by now.
    versions: Mutex<HashMap<Digest, (u64, Option<SystemTime>)>>,
}

#[derive(Deserialize)]
struct Version {
    id: u64,
    name: Digest,
    created_at: Option<String>,
    metadata: Metadata,
}

#[derive(Deserialize)]
struct Metadata {
    container: Container,
}

#[derive(Deserialize)]
struct Container {
    tags: Vec<Tag>,
}

impl GitHub {
    pub(crate) fn new(registry: &Registry, credential: &Credential, env: &Environment) -> Result<Self, Problem> {
        let is_ghcr = registry.repository.host.is_ghcr();
        let address = if is_ghcr { ADDRESS } else { env.get(VARIABLE).unwrap_or_default() };
        let runs_workflow = address == env.get(SERVER).unwrap_or(ADDRESS);
        let token = match credential {
            Credential::Basic { password, .. } => Some(password.clone()),
            _ => env.get(TOKEN).filter(|_| runs_workflow).map(Secret::new),
        };
        let secrets = token.iter().map(|token| token.expose().to_owned()).collect();
        let name = &registry.repository.name;
        let (owner, package) = name.split_once('/').unwrap_or((name, name));
        Ok(Self {
            api: Api::new(VARIABLE, address, secrets)?,
            token,
            owner: owner.into(),
            package: package.replace('/', "%2F"),
            home: OnceCell::new(),
            versions: Mutex::default(),
        })
    }

    /// Lists versions, newest first. That order is not promised, so the listing ends early only if its dates show it:
    /// when everything wanted was listed and what follows is older.
    pub(super) async fn list(&self, registry: &Registry, wanted: &HashSet<Digest>) -> Result<Listing, Problem> {
        let home = self.home(registry).await?;
        let mut listing = Listing::default();
        let mut dates = Vec::new();
        for page in 1..=PAGES_MAX {
            let path = format!("{home}/versions?per_page={PAGE}&page={page}&state=active");
            let read_page = async || {
                let Some(answer) = self.call(registry, Method::GET, &path).await? else {
                    return Ok((false, Vec::new()));
                };
                let versions: Vec<Version> = answer.json()?;
                Ok((has_next(&answer.headers).unwrap_or(versions.len() >= PAGE), versions))
            };
            let (has_next, versions) = registry.attempts(&format!("list versions (page {page})"), read_page).await?;
            for Version { id, name: digest, created_at, metadata } in versions {
                let created_at = created_at.and_then(|text| humantime::parse_rfc3339_weak(&text).ok());
                dates.push(created_at);
                self.versions().insert(digest.clone(), (id, created_at));
                listing.created_at.extend(created_at.map(|created_at| (digest.clone(), created_at)));
                let tags = metadata.container.tags.into_iter();
                listing.tags.extend(tags.map(|tag| TagEntry::new(tag, digest.clone())));
            }
            // What was listed earlier and is gone by now keeps its date.
            let known = wanted.iter().filter_map(|it| Some((it.clone(), self.versions().get(it)?.1?)));
            let known: Vec<_> = known.collect();
            let oldest = known.iter().map(|(_, created_at)| *created_at).min();
            let is_past = known.len() == wanted.len() && oldest > dates.last().copied().flatten();
            listing.created_at.extend(known);
            listing.is_partial = has_next && is_past && is_newest_first(&dates);
            if !has_next || listing.is_partial {
                return Ok(listing);
            }
        }
        let cause = protocol(format!("the package has more than {} versions", PAGE * PAGES_MAX));
        Err(registry.failure("list versions", 1, cause).into())
    }

    /// Deletes a version, unless it has another tag by now than `tags`.
    pub(super) async fn delete(
        &self,
        registry: &Registry,
        digest: &Digest,
        tags: &[Tag],
        moved: Option<&Tag>,
        mut check: impl AsyncFnMut() -> Result<Option<Deletion>, Problem>,
    ) -> Result<Deletion, Problem> {
        let Some((id, _)) = self.versions().get(digest).copied() else {
            let is_there = registry.has_manifest(digest).await?;
            return Ok(if is_there { Deletion::NotListed } else { Deletion::Absent });
        };
        let path = format!("{}/versions/{id}", self.home(registry).await?);
        let check = async || match check().await? {
            Some(deletion) => Ok(Some(deletion)),
            None => self.check_tags(registry, &path, digest, tags, moved).await,
        };
        let delete = async || match self.call(registry, Method::DELETE, &path).await {
            Ok(Some(_)) => Ok(Deletion::Deleted),
            Ok(None) => Ok(Deletion::Absent),
            Err(cause) => cause.refusal().and_then(why_kept).map(Deletion::Kept).ok_or(cause),
        };
        registry.attempts_unless(&format!("delete version {}", short(digest)), check, delete).await?
    }

    /// The command that restores a deleted version, within thirty days.
    pub(super) fn restore_command(&self, digest: &Digest) -> Option<String> {
        let (home, (id, _)) = (self.home.get()?, self.versions().get(digest).copied()?);
        Some(format!("gh api --method POST /{home}/versions/{id}/restore"))
    }

    /// What keeps a version: it is gone, or has a tag. GitHub shows a tag where it was for a moment after it was moved.
    async fn check_tags(
        &self,
        registry: &Registry,
        path: &str,
        digest: &Digest,
        tags: &[Tag],
        moved: Option<&Tag>,
    ) -> Result<Option<Deletion>, Problem> {
        let operation = format!("read version {}", short(digest));
        let mut reads = 0;
        loop {
            reads += 1;
            let read = registry.attempts(&operation, async || {
                self.call(registry, Method::GET, path).await?.map(|answer| answer.json::<Version>()).transpose()
            });
            let Some(version) = read.await? else { return Ok(Some(Deletion::Absent)) };
            let mut others = version.metadata.container.tags;
            others.retain(|tag| !tags.contains(tag));
            if others.is_empty() {
                return Ok(None);
            }
            if moved.is_none_or(|moved| others != [moved.clone()]) || reads >= SETTLE_READS_MAX {
                return Ok(Some(Deletion::Tagged(others)));
            }
            tokio::time::sleep(registry.backoff(reads)).await;
        }
    }

    /// Sends a request without a body.
    async fn call(&self, registry: &Registry, method: Method, path: &str) -> Result<Option<Answer>, Cause> {
        let mut request = registry.request(method, self.api.url(path)?).header(CONTENT_LENGTH, 0);
        request = request.header(ACCEPT, "application/vnd.github+json").header(API_VERSION.0, API_VERSION.1);
        if let Some(token) = &self.token {
            request = request.bearer_auth(token.expose());
        }
        self.api.send(registry, request).await
    }

    async fn home(&self, registry: &Registry) -> Result<&str, Problem> {
        let find = async || {
            for parent in [format!("orgs/{}", self.owner), format!("users/{}", self.owner), "user".into()] {
                let home = format!("{parent}/packages/container/{}", self.package);
                let call = async || self.call(registry, Method::GET, &home).await;
                if registry.attempts("find the package", call).await?.is_some() {
                    return Ok(home);
                }
            }
            // GitHub answers 404 for what the token may not see.
            Err(Problem { causes: Vec::new(), denied: true })
        };
        self.home.get_or_try_init(find).await.map(String::as_str)
    }

    fn versions(&self) -> MutexGuard<'_, HashMap<Digest, (u64, Option<SystemTime>)>> {
        self.versions.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Whether there is another page; `None` if the answer does not say.
fn has_next(headers: &HeaderMap) -> Option<bool> {
    let link = headers.get(LINK)?.to_str().ok()?;
    Some(link.split(',').any(|link| link.contains("rel=\"next\"")))
}

/// Why GitHub keeps a version, if the refusal is no failure.
fn why_kept(refusal: &Refusal) -> Option<&'static str> {
    let message = refusal.message.to_ascii_lowercase();
    if message.contains("last tagged version") || message.contains("last version") {
        return Some("GitHub does not delete the last tagged version of a package");
    }
    let is_popular = message.contains("5,000 downloads") || message.contains("5000 downloads");
    is_popular.then_some("GitHub does not delete public versions with more than 5,000 downloads; its support can")
}

#[cfg(test)]
mod tests {
    use rstest::rstest;

    use super::*;
    use crate::registry::{Hosts, testing};

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
        let anonymous = Credential::Anonymous;
        let (registry, _) = testing::client(&format!("{host}/acme/hello"), anonymous.clone(), &Hosts::default());
        let github = GitHub::new(&registry, &anonymous, &env.into_iter().collect());
        let used = github.as_ref().ok().map(|github| github.api.url("user").unwrap().to_string());
        assert_eq!(used, address.map(|address| format!("{address}/user")));
        assert_eq!(github.is_ok_and(|github| github.token.is_some()), has_token);
    }
}
