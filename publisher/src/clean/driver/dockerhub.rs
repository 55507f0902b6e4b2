//! Docker Hub: tags through its API, manifests through its registry.
//!
//! The API lists a hundred tags a request with the digests of their images, so tags that reach nothing of ours are never
//! read (reading counts as a pull). The registry refuses to delete what a tag or a list still names; that is documented,
//! and taken as a second safeguard, never as the only one. Whether it deletes at all, and when, is less certain: every
//! answer is handled.

use std::collections::BTreeMap;

use reqwest::Method;
use serde::Deserialize;
use serde_json::json;
use tokio::sync::Mutex;

use super::{
    Deletion, IN_USE, Listing, PAGE, PAGES_MAX, TagEntry, UNSUPPORTED,
    api::{Answer, Api, protocol},
    delete_manifest, is_newest_first,
};
use crate::{
    auth::{Credential, Secret},
    clean::Problem,
    environment::Environment,
    oci::{Digest, Tag},
    registry::{Cause, Registry},
};

const VARIABLE: &str = "TALLYMAN_DOCKERHUB_API";
const ADDRESS: &str = "https://hub.docker.com";
const USERNAME: &str = "DOCKERHUB_USERNAME";
const TOKEN: &str = "DOCKERHUB_TOKEN";

pub(super) const PERMISSION: &str = "DOCKERHUB_TOKEN must be a personal access token of DOCKERHUB_USERNAME with Read, \
    Write & Delete; Docker Hub also answers so as long as it takes the image for one that is still referenced";

/// The driver for one repository.
pub(in crate::clean) struct DockerHub {
    api: Api,
    /// The account that logs in: user name and token.
    account: Option<(String, Secret)>,
    /// The access token. It is valid for ten minutes; after that it is refused, and another login follows.
    login: Mutex<Option<Secret>>,
    namespace: String,
    repository: String,
    seen: Mutex<Seen>,
}

/// What is known of the repository.
#[derive(Default)]
struct Seen {
    /// The tags as of the last listing.
    tags: BTreeMap<Tag, TagEntry>,
    /// Whether something was deleted, so the permission is there.
    has_deleted: bool,
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
    name: Tag,
    /// Not documented.
    digest: Option<String>,
    last_updated: Option<String>,
    images: Option<Vec<Image>>,
}

#[derive(Deserialize)]
struct Image {
    digest: Option<String>,
}

impl DockerHub {
    pub(crate) fn new(registry: &Registry, credential: &Credential, env: &Environment) -> Result<Self, Problem> {
        let account = match credential {
            Credential::Basic { username, password } => Some((username.clone(), password.clone())),
            _ => env.get(USERNAME).map(str::to_owned).zip(env.get(TOKEN).map(Secret::new)),
        };
        let secrets = account.iter().map(|(_, secret)| secret.expose().to_owned()).collect();
        let name = &registry.repository.name;
        let (namespace, repository) = name.split_once('/').unwrap_or(("library", name));
        Ok(Self {
            api: Api::new(VARIABLE, env.get(VARIABLE).unwrap_or(ADDRESS), secrets)?,
            account,
            login: Mutex::default(),
            namespace: namespace.into(),
            repository: repository.into(),
            seen: Mutex::default(),
        })
    }

    /// Lists all tags the first time, after that those that changed, as long as the listing is sorted newest first.
    pub(super) async fn list(&self, registry: &Registry) -> Result<Listing, Problem> {
        let mut seen = self.seen.lock().await;
        let mut tags = seen.tags.clone();
        let since = tags.values().map(|entry| entry.updated_at).max().flatten();
        let mut dates = Vec::new();
        for page in 1..=PAGES_MAX {
            let Page { next, results } = self.page(registry, page).await?;
            let is_empty = results.is_empty();
            for entry in results {
                let updated_at = entry.last_updated.and_then(|text| humantime::parse_rfc3339_weak(&text).ok());
                dates.push(updated_at);
                let digest = match entry.digest.as_deref().and_then(|digest| digest.parse().ok()) {
                    Some(digest) => Some(digest),
                    None => registry.resolve(&entry.name).await?,
                };
                if let Some(digest) = digest {
                    let images = entry.images.filter(|images| !images.is_empty());
                    // All of them, or none unless each has a digest.
                    let images =
                        images.and_then(|all| all.iter().map(|it| it.digest.as_deref()?.parse().ok()).collect());
                    tags.insert(entry.name.clone(), TagEntry { tag: entry.name, digest, images, updated_at });
                }
            }
            let has_all_changes = since.is_some_and(|since| dates.last().is_some_and(|last| *last < Some(since)));
            if next.is_none() || is_empty || (has_all_changes && is_newest_first(&dates)) {
                let listing = Listing { tags: tags.values().cloned().collect(), ..Listing::default() };
                seen.tags = tags;
                return Ok(listing);
            }
        }
        let cause = protocol(format!("the repository has more than {} tags", PAGE * PAGES_MAX));
        Err(registry.failure("list tags", 1, cause).into())
    }

    async fn page(&self, registry: &Registry, page: usize) -> Result<Page, Problem> {
        let (namespace, repository) = (&self.namespace, &self.repository);
        let path = format!(
            "v2/namespaces/{namespace}/repositories/{repository}/tags?page={page}&page_size={PAGE}&ordering=last_updated"
        );
        let list = async || match self.call(registry, Method::GET, &path).await? {
            Some(answer) => answer.json(),
            // A page behind the last one is 404.
            None if page > 1 => Ok(Page { next: None, results: Vec::new() }),
            None => Err(protocol("Docker Hub does not show the repository")),
        };
        Ok(registry.attempts(&format!("list tags (page {page})"), list).await?)
    }

    /// Deletes a manifest on the registry.
    pub(super) async fn delete(
        &self,
        registry: &Registry,
        digest: &Digest,
        check: impl AsyncFnMut() -> Result<Option<Deletion>, Problem>,
    ) -> Result<Deletion, Problem> {
        let error = match delete_manifest(registry, digest, check).await {
            Ok(deletion) => {
                self.seen.lock().await.has_deleted |= deletion == Ok(Deletion::Deleted);
                return deletion;
            }
            Err(error) => error,
        };
        match error.cause.refusal().map(|refusal| refusal.status) {
            // An account that may delete a list may delete its images: this one still counts as referenced.
            Some(403) if self.seen.lock().await.has_deleted => Ok(Deletion::Kept(IN_USE)),
            Some(500..) | None if error.cause.is_transient() => {
                // "May return 500. The system automatically retries in the background" (registry API, delete manifest).
                let is_there = registry.has_manifest(digest).await?;
                let kept = Deletion::Kept("the registry says that it goes on deleting in the background");
                Ok(if is_there { kept } else { Deletion::Deleted })
            }
            _ => Err(error.into()),
        }
    }

    /// Deletes a tag. The address is not documented; Docker's own tools use it.
    pub(super) async fn delete_tag(&self, registry: &Registry, tag: &Tag) -> Result<Deletion, Problem> {
        let path = format!("v2/repositories/{}/{}/tags/{tag}/", self.namespace, self.repository);
        let delete = async || match self.call(registry, Method::DELETE, &path).await {
            Ok(Some(_)) => Ok(Deletion::Deleted),
            Ok(None) => Ok(Deletion::Absent),
            Err(cause) => match cause.refusal() {
                Some(refusal) if refusal.status == 405 => Ok(Deletion::Kept(UNSUPPORTED)),
                Some(refusal) if refusal.message.to_ascii_lowercase().contains("immutable") => {
                    Ok(Deletion::Kept("the tag is immutable"))
                }
                _ => Err(cause),
            },
        };
        let deletion = registry.attempts(&format!("delete tag {tag}"), delete).await?;
        if deletion == Deletion::Deleted {
            let mut seen = self.seen.lock().await;
            seen.tags.remove(tag);
            seen.has_deleted = true;
        }
        Ok(deletion)
    }

    /// Sends a request, logged in; once more with a new login if the old one is refused.
    async fn call(&self, registry: &Registry, method: Method, path: &str) -> Result<Option<Answer>, Cause> {
        let url = self.api.url(path)?;
        let ask = async |token: &Secret| {
            let request = registry.request(method.clone(), url.clone());
            self.api.send(registry, request.bearer_auth(token.expose())).await
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
        let mut login = self.login.lock().await;
        if let Some(token) = login.as_ref().filter(|token| refused != Some(token)) {
            return Ok(token.clone());
        }
        let (identifier, secret) =
            self.account.as_ref().ok_or_else(|| protocol("there are no credentials to log in to Docker Hub with"))?;
        let body = json!({ "identifier": identifier, "secret": secret.expose() });
        let answer =
            self.api.send(registry, registry.request(Method::POST, self.api.url("v2/auth/token")?).json(&body)).await?;
        let answer = answer.ok_or_else(|| protocol("there is no login at this address"))?;
        let token = Secret::new(answer.json::<Login>()?.access_token);
        *login = Some(token.clone());
        Ok(token)
    }
}
