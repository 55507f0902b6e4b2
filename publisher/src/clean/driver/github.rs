//! GitHub Packages, which cleans GHCR: its registry deletes nothing, and there is no deletion by tag.
//!
//! A *version* is a manifest with all its tags. Deleting one protects nothing that other versions name: all care is ours.
//! The listing is newest first, which is nowhere promised. So it is read until everything sought was seen and what comes
//! is older, only as long as the dates themselves show that order; else to its end.

use std::{
    collections::{HashMap, HashSet},
    sync::{Mutex, MutexGuard, PoisonError},
    time::SystemTime,
};

use reqwest::{
    Method, RequestBuilder,
    header::{ACCEPT, AUTHORIZATION, CONTENT_LENGTH, HeaderMap, HeaderValue, LINK, RETRY_AFTER},
};
use serde::Deserialize;
use tokio::sync::OnceCell;

use super::{
    Deletion, Leaving, Look, Sighting, Stays,
    api::{Answer, Api, bearer},
};
use crate::{
    auth::{Credential, Secret},
    clean::{CleanError, error::protocol},
    environment::Environment,
    http::{Refusal, RequestError},
    oci::{Digest, Tag, short},
    registry::{Cause, Registry, RegistryError},
};

const VARIABLE: &str = "GITHUB_API_URL";
const ADDRESS: &str = "https://api.github.com";
const TOKEN: &str = "GITHUB_TOKEN";
const API_VERSION: (&str, &str) = ("x-github-api-version", "2022-11-28");
/// The most that a page can hold.
const PAGE: usize = 100;
/// The most pages that are read.
const PAGES_MAX: usize = 100;
/// How long GitHub wants to be left alone after a secondary rate limit when it does not say (REST API, "Rate limits"), in
/// seconds.
const SECONDARY_WAIT_S: u64 = 60;
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

#[derive(Debug, Deserialize)]
struct Version {
    id: u64,
    name: String,
    created_at: Option<String>,
    metadata: Metadata,
}

#[derive(Debug, Deserialize)]
struct Metadata {
    container: Container,
}

#[derive(Debug, Deserialize)]
struct Container {
    tags: Vec<String>,
}

impl Version {
    fn digest(&self) -> Result<Digest, Cause> {
        self.name.parse().map_err(|_| protocol("a version's name is no digest"))
    }

    fn tags(&self) -> Result<Vec<Tag>, Cause> {
        let tags = self.metadata.container.tags.iter().map(|tag| tag.parse());
        tags.collect::<Result<_, _>>().map_err(|_| protocol("a version has a tag that is none"))
    }

    fn born(&self) -> Option<SystemTime> {
        humantime::parse_rfc3339_weak(self.created_at.as_deref()?).ok()
    }
}

impl GitHub {
    pub(super) fn new(registry: &Registry, credential: &Credential, env: &Environment) -> Result<Self, CleanError> {
        let token = match credential {
            Credential::Basic { password, .. } => Some(password.clone()),
            Credential::Anonymous | Credential::IdentityToken(_) => env.get(TOKEN).map(Secret::new),
        };
        let secrets = token.iter().map(|token| token.expose().to_owned()).collect();
        let name = &registry.repository().name;
        let (owner, package) = name.split_once('/').unwrap_or((name, name));
        Ok(Self {
            api: Api::new(VARIABLE, env.get(VARIABLE).unwrap_or(ADDRESS), secrets)?,
            token,
            owner: owner.into(),
            package: package.replace('/', "%2F"),
            home: OnceCell::new(),
            seen: Mutex::default(),
        })
    }

    /// Reads the listing as far as it can matter.
    pub(super) async fn look(&self, registry: &Registry, sought: &HashSet<Digest>) -> Result<Look, CleanError> {
        let home = self.home(registry).await?;
        let mut look = Look::default();
        let mut order = Order::default();
        for page in 1..=PAGES_MAX {
            let path = format!("{home}/versions?per_page={PAGE}&page={page}&state=active");
            let operation = format!("list versions (page {page})");
            let listed = registry.attempts(&operation, async || {
                let answer = self.call(registry, Method::GET, &path).await?;
                let more = has_next(&answer.headers);
                let versions: Vec<Version> = if answer.is_absent() { Vec::new() } else { answer.json()? };
                let read = versions.iter().map(|version| Ok((version.digest()?, version.tags()?)));
                let read = read.collect::<Result<Vec<_>, Cause>>()?;
                Ok((versions, read, more))
            });
            let (versions, read, more) = listed.await.map_err(|error| failed(registry, error))?;
            for (version, (digest, tags)) in versions.iter().zip(read) {
                order.next(version.born());
                look.born.extend(version.born().map(|born| (digest.clone(), born)));
                self.seen().insert(digest.clone(), Seen { id: version.id, born: version.born() });
                let sighting = |tag| Sighting { tag, digest: digest.clone(), images: None };
                look.sightings.extend(tags.into_iter().map(sighting));
            }
            // What was seen in an earlier look and is gone by now is as old as it was.
            let known: Vec<_> = sought.iter().map(|digest| Some((digest, self.seen().get(digest)?.born?))).collect();
            let oldest = known.iter().flatten().map(|(_, born)| *born).min();
            look.born.extend(known.iter().flatten().map(|(digest, born)| ((*digest).clone(), *born)));
            if !more.unwrap_or(versions.len() >= PAGE) {
                return Ok(look);
            }
            if known.iter().all(Option::is_some) && order.is_past(oldest) {
                look.shortened = true;
                return Ok(look);
            }
        }
        let endless = registry.attempts("list versions", async || {
            Err::<Look, _>(protocol(format!("the package has more than {} versions", PAGE * PAGES_MAX)))
        });
        Ok(endless.await?)
    }

    /// Deletes a version, unless it has a tag by now.
    pub(super) async fn delete(
        &self,
        registry: &Registry,
        digest: &Digest,
        leaving: Leaving<'_>,
    ) -> Result<Deletion, CleanError> {
        let Some(Seen { id, .. }) = self.seen().get(digest).copied() else {
            let there = registry.has_manifest(digest).await?;
            return Ok(if there { Deletion::Stays(Stays::Unlisted) } else { Deletion::Absent });
        };
        let path = format!("{}/versions/{id}", self.home(registry).await?);
        let Some(tags) = self.settled_tags(registry, digest, &path, leaving).await? else {
            return Ok(Deletion::Absent);
        };
        if !tags.is_empty() {
            return Ok(Deletion::Stays(Stays::Tagged(tags)));
        }
        let operation = format!("delete version {}", short(digest));
        let deleted = registry.attempts(&operation, async || match self.call(registry, Method::DELETE, &path).await {
            Ok(answer) if answer.is_absent() => Ok(Deletion::Absent),
            Ok(_) => Ok(Deletion::Gone),
            Err(cause) => cause.refusal().and_then(exception).map(Deletion::Stays).ok_or(cause),
        });
        deleted.await.map_err(|error| failed(registry, error))
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

/// Whether the listing is in the order that allows stopping early: newest first.
#[derive(Debug, Default)]
struct Order {
    broken: bool,
    last: Option<SystemTime>,
}

impl Order {
    fn next(&mut self, born: Option<SystemTime>) {
        let Some(born) = born else {
            self.broken = true;
            return;
        };
        self.broken |= self.last.is_some_and(|last| born > last);
        self.last = Some(born);
    }

    /// Whether everything that follows is older than that.
    fn is_past(&self, moment: Option<SystemTime>) -> bool {
        !self.broken && moment.zip(self.last).is_some_and(|(moment, last)| last < moment)
    }
}

fn failed(registry: &Registry, error: RegistryError) -> CleanError {
    CleanError::of(error, registry.name(), PERMISSION)
}

/// Refusals of a deletion that are facts of life and no failures.
fn exception(refusal: &Refusal) -> Option<Stays> {
    let message = refusal.message.to_ascii_lowercase();
    if message.contains("last tagged version") || message.contains("last version") {
        return Some(Stays::LastTagged);
    }
    let popular = message.contains("5,000 downloads") || message.contains("5000 downloads");
    (refusal.status != 404 && popular).then_some(Stays::Popular)
}

/// Whether there is another page; nothing where the answer does not say.
fn has_next(headers: &HeaderMap) -> Option<bool> {
    let link = headers.get(LINK)?.to_str().ok()?;
    Some(link.split(',').any(|link| link.contains("rel=\"next\"")))
}

/// Adds the wait that GitHub's rate limits want and do not say in `Retry-After`: until `x-ratelimit-reset` when the
/// quota is used up, else a minute for a secondary limit.
fn with_wait(cause: Cause) -> Cause {
    let Cause::Request(RequestError::Refused(mut refusal)) = cause else { return cause };
    let header = |name: &str| refusal.headers.get(name).and_then(|value| value.to_str().ok());
    let limited = matches!(refusal.status, 403 | 429) && !refusal.headers.contains_key(RETRY_AFTER);
    let wait = match (header("x-ratelimit-remaining"), header("x-ratelimit-reset")) {
        (Some("0"), Some(reset)) => HeaderValue::from_str(reset).ok(),
        _ if refusal.message.to_ascii_lowercase().contains("secondary rate limit") => Some(SECONDARY_WAIT_S.into()),
        _ => None,
    };
    if let (true, Some(wait)) = (limited, wait) {
        refusal.headers.insert(RETRY_AFTER, wait);
    }
    Cause::Request(RequestError::Refused(refusal))
}
