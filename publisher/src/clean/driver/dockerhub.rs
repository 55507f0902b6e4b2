//! Docker Hub: tags through its API, manifests through its registry.
//!
//! The API lists a hundred tags a request with the digests of their images, so tags that hold nothing of ours are never
//! read (reading counts as a pull). The registry itself refuses to delete what a tag or a list still names; that is
//! documented, and taken as a second net, never as the only one. Whether it deletes at all, and when, is less certain:
//! every answer has a meaning here.

use std::{
    collections::BTreeMap,
    sync::atomic::{AtomicBool, Ordering},
    time::{Duration, SystemTime},
};

use reqwest::{Method, StatusCode, header::AUTHORIZATION};
use serde::Deserialize;
use serde_json::json;
use tokio::{sync::Mutex, time::Instant};

use super::{
    Deletion, Look, Sighting, Stays,
    api::{Answer, Api, bearer},
};
use crate::{
    auth::{Credential, Secret},
    clean::{CleanError, error::protocol},
    environment::Environment,
    oci::{Digest, Tag},
    registry::{Cause, Deleted, Name, Registry, RegistryError},
};

const VARIABLE: &str = "TALLYMAN_DOCKERHUB_API";
const ADDRESS: &str = "https://hub.docker.com";
const USERNAME: &str = "DOCKERHUB_USERNAME";
const TOKEN: &str = "DOCKERHUB_TOKEN";
/// The most that a page can hold.
const PAGE: usize = 100;
/// The most pages that are read.
const PAGES_MAX: usize = 100;
/// How long a login is used: it is good for ten minutes.
const LOGIN_LIFETIME: Duration = Duration::from_secs(8 * 60);

const PERMISSION: &str = "DOCKERHUB_TOKEN must be a personal access token of DOCKERHUB_USERNAME with Read, Write & \
    Delete; Docker Hub also answers so as long as it takes the image for one that is still referenced";

/// The driver for one repository.
pub(in crate::clean) struct DockerHub {
    api: Api,
    login: Option<(String, Secret)>,
    namespace: String,
    repository: String,
    session: Mutex<Option<Session>>,
    known: Mutex<Option<Known>>,
    /// Whether something was deleted, which proves that we may.
    proven: AtomicBool,
}

struct Session {
    token: Secret,
    until: Instant,
}

/// The tags as of the last look.
struct Known {
    tags: BTreeMap<Tag, Sighting>,
    /// When the tag that changed last did.
    changed: Option<SystemTime>,
}

#[derive(Deserialize)]
struct Login {
    access_token: String,
}

#[derive(Deserialize)]
struct Page {
    next: Option<String>,
    results: Vec<Entry>,
}

#[derive(Deserialize)]
struct Entry {
    name: String,
    /// Nowhere promised.
    digest: Option<String>,
    last_updated: Option<String>,
    #[serde(default)]
    images: Option<Vec<Image>>,
}

#[derive(Deserialize)]
struct Image {
    digest: Option<String>,
}

impl Entry {
    fn changed(&self) -> Option<SystemTime> {
        humantime::parse_rfc3339_weak(self.last_updated.as_deref()?).ok()
    }

    /// The images that the tag holds; nothing unless all of them are told.
    fn images(&self) -> Option<Vec<Digest>> {
        let images = self.images.as_deref().filter(|images| !images.is_empty())?;
        images.iter().map(|image| image.digest.as_deref()?.parse().ok()).collect()
    }
}

impl DockerHub {
    pub(super) fn new(registry: &Registry, credential: &Credential, env: &Environment) -> Result<Self, CleanError> {
        let login = match credential {
            Credential::Basic { username, password } => Some((username.clone(), password.clone())),
            Credential::Anonymous | Credential::IdentityToken(_) => {
                env.get(USERNAME).map(str::to_owned).zip(env.get(TOKEN).map(Secret::new))
            }
        };
        let secrets = login.iter().map(|(_, secret)| secret.expose().to_owned()).collect();
        let name = &registry.repository().name;
        let (namespace, repository) = name.split_once('/').unwrap_or(("library", name));
        Ok(Self {
            api: Api::new(VARIABLE, env.get(VARIABLE).unwrap_or(ADDRESS), secrets)?,
            login,
            namespace: namespace.into(),
            repository: repository.into(),
            session: Mutex::default(),
            known: Mutex::default(),
            proven: AtomicBool::new(false),
        })
    }

    /// All tags the first time; after that those that changed since, as long as the listing shows itself newest first.
    pub(super) async fn look(&self, registry: &Registry) -> Result<Look, CleanError> {
        let mut guard = self.known.lock().await;
        let since = guard.as_ref().and_then(|known| known.changed);
        let mut tags = since.and(guard.take()).map(|known| known.tags).unwrap_or_default();
        let (mut newest, mut last, mut ordered) = (since, None, true);
        for page in 1.. {
            if page > PAGES_MAX {
                let endless = registry.attempts("list tags", async || {
                    Err::<Look, _>(protocol(format!("the repository has more than {} tags", PAGE * PAGES_MAX)))
                });
                return Ok(endless.await?);
            }
            let listed = self.page(registry, page).await?;
            for entry in &listed.results {
                let changed = entry.changed();
                ordered &= changed.is_some() && last.is_none_or(|last| changed <= last);
                last = Some(changed);
                newest = newest.max(changed);
                let Some(sighting) = self.sighting(registry, entry).await? else { continue };
                tags.insert(sighting.tag.clone(), sighting);
            }
            let all_new_seen = ordered && since.is_some() && last.is_some_and(|last| last < since);
            if listed.next.is_none() || listed.results.is_empty() || all_new_seen {
                break;
            }
        }
        let sightings = tags.values().cloned().collect();
        *guard = Some(Known { tags, changed: newest });
        Ok(Look { sightings, ..Look::default() })
    }

    /// Deletes a manifest on the registry.
    pub(super) async fn delete(&self, registry: &Registry, digest: &Digest) -> Result<Deletion, CleanError> {
        let error = match registry.delete_manifest(Name::Digest(digest)).await {
            Ok(Deleted::Yes) => {
                self.proven.store(true, Ordering::Relaxed);
                return Ok(Deletion::Gone);
            }
            Ok(Deleted::Absent) => return Ok(Deletion::Absent),
            Ok(Deleted::Unsupported) => return Ok(Deletion::Stays(Stays::Unsupported)),
            Err(error) => error,
        };
        match error.cause.refusal().map(|refusal| refusal.status) {
            // Whoever may delete a list may delete its images: Docker Hub still counts this one as referenced.
            Some(403) if self.proven.load(Ordering::Relaxed) => Ok(Deletion::Stays(Stays::InUse)),
            Some(500..) | None if error.cause.is_passing() => {
                // "May return 500. The system automatically retries in the background" (registry API, delete manifest).
                let there = registry.has_manifest(digest).await?;
                Ok(if there { Deletion::Stays(Stays::Later) } else { Deletion::Gone })
            }
            _ => Err(failed(registry, error)),
        }
    }

    /// Deletes a tag alone. The address is in use by Docker's own tools and nowhere documented, so there are two of it.
    pub(super) async fn delete_tag(&self, registry: &Registry, tag: &Tag) -> Result<Deletion, CleanError> {
        let (namespace, repository) = (&self.namespace, &self.repository);
        let paths = [
            format!("v2/repositories/{namespace}/{repository}/tags/{tag}/"),
            format!("v2/namespaces/{namespace}/repositories/{repository}/tags/{tag}"),
        ];
        let mut outcome = Deletion::Absent;
        for path in paths {
            let operation = format!("delete tag {tag}");
            let deleted =
                registry.attempts(&operation, async || match self.call(registry, Method::DELETE, &path).await {
                    Ok(answer) if answer.is_absent() => Ok(Deletion::Absent),
                    Ok(_) => Ok(Deletion::Gone),
                    Err(cause) => match cause.refusal() {
                        Some(refusal) if refusal.status == 405 => Ok(Deletion::Stays(Stays::Unsupported)),
                        Some(refusal) if refusal.message.to_ascii_lowercase().contains("immutable") => {
                            Ok(Deletion::Stays(Stays::Immutable))
                        }
                        _ => Err(cause),
                    },
                });
            outcome = deleted.await.map_err(|error| failed(registry, error))?;
            if matches!(outcome, Deletion::Gone | Deletion::Stays(Stays::Immutable)) {
                break;
            }
        }
        if outcome == Deletion::Gone {
            self.proven.store(true, Ordering::Relaxed);
            if let Some(known) = self.known.lock().await.as_mut() {
                known.tags.remove(tag);
            }
        }
        Ok(outcome)
    }

    async fn page(&self, registry: &Registry, page: usize) -> Result<Page, CleanError> {
        let (namespace, repository) = (&self.namespace, &self.repository);
        let path = format!(
            "v2/namespaces/{namespace}/repositories/{repository}/tags?page={page}&page_size={PAGE}&ordering=last_updated"
        );
        let operation = format!("list tags (page {page})");
        let page = registry.attempts(&operation, async || {
            let answer = self.call(registry, Method::GET, &path).await?;
            // A page that is not there lies behind the last one.
            if answer.is_absent() && page > 1 {
                return Ok(Page { next: None, results: Vec::new() });
            }
            answer.json()
        });
        page.await.map_err(|error| failed(registry, error))
    }

    async fn sighting(&self, registry: &Registry, entry: &Entry) -> Result<Option<Sighting>, CleanError> {
        let parsed = registry.attempts("read a tag of the list", async || {
            entry.name.parse::<Tag>().map_err(|_| protocol("the list names something that is no tag"))
        });
        let tag = parsed.await?;
        let told = entry.digest.as_deref().and_then(|digest| digest.parse().ok());
        let digest = match told {
            Some(digest) => Some(digest),
            None => registry.resolve(&tag).await?,
        };
        Ok(digest.map(|digest| Sighting { tag, digest, images: entry.images() }))
    }

    /// Asks the API, logged in; once more with a new login if the old one is refused.
    async fn call(&self, registry: &Registry, method: Method, path: &str) -> Result<Answer, Cause> {
        let url = self.api.url(path)?;
        let ask = async |token: &Secret| {
            let request = registry.http().request(method.clone(), url.clone());
            self.api.send(registry, request.header(AUTHORIZATION, bearer(token.expose())?)).await
        };
        let token = self.token(registry, None).await?;
        match ask(&token).await {
            Err(cause) if cause.refusal().is_some_and(|refusal| refusal.status == 401) => {
                ask(&self.token(registry, Some(&token)).await?).await
            }
            answer => answer,
        }
    }

    /// A token other than the one that was refused.
    async fn token(&self, registry: &Registry, refused: Option<&Secret>) -> Result<Secret, Cause> {
        let mut session = self.session.lock().await;
        if let Some(known) = session.as_ref()
            && known.until > Instant::now()
            && refused != Some(&known.token)
        {
            return Ok(known.token.clone());
        }
        let (identifier, secret) =
            self.login.as_ref().ok_or_else(|| protocol("there are no credentials to log in to Docker Hub with"))?;
        let body = json!({ "identifier": identifier, "secret": secret.expose() });
        let request = registry.http().post(self.api.url("v2/auth/token")?).json(&body);
        let answer = self.api.send(registry, request).await?;
        if answer.status == StatusCode::NOT_FOUND {
            return Err(protocol("there is no login at this address"));
        }
        let token = Secret::new(answer.json::<Login>()?.access_token);
        *session = Some(Session { token: token.clone(), until: Instant::now() + LOGIN_LIFETIME });
        Ok(token)
    }
}

fn failed(registry: &Registry, error: RegistryError) -> CleanError {
    CleanError::of(error, registry.name(), PERMISSION)
}
