//! What a repository lists: its tags, and what refers to a manifest.

use reqwest::{Method, StatusCode, Url, header};
use serde::Deserialize;

use super::{Cause, Registry, RegistryError};
use crate::{
    http::{RequestError, read_answer},
    oci::{Digest, OCI_INDEX, RawManifest, Tag, short},
};

/// How many tags are asked for at once; registries may give fewer, and old ones give all.
const PAGE: u32 = 1000;
/// The largest page that is read, in bytes.
const PAGE_BYTES_MAX: usize = 4 * 1024 * 1024;
/// The most pages that are read: who has more must not make a run endless.
const PAGES_MAX: usize = 100;

#[derive(Deserialize)]
struct Page {
    tags: Option<Vec<String>>,
}

impl Registry {
    /// All tags of the repository; none if there is no such repository.
    pub async fn tags(&self) -> Result<Vec<Tag>, RegistryError> {
        let mut tags = Vec::new();
        let mut next = Some(format!("tags/list?n={PAGE}"));
        for _ in 0..PAGES_MAX {
            let Some(address) = next.take() else { return Ok(tags) };
            let (page, link) = self.attempts("list tags", async || self.page(&address).await).await?;
            tags.extend(page);
            next = link;
        }
        self.attempts("list tags", async || {
            Err(RequestError::Protocol(format!("the list of tags has more than {PAGES_MAX} pages")).into())
        })
        .await
    }

    async fn page(&self, address: &str) -> Result<(Vec<Tag>, Option<String>), Cause> {
        let url = self.url(address)?;
        let response = self.send(&self.scope(), async || Ok(self.request(Method::GET, url.clone()))).await?;
        match response.status() {
            StatusCode::OK => {}
            StatusCode::NOT_FOUND => return Ok((Vec::new(), None)),
            _ => return Err(self.refused(response).await),
        }
        let next = next_page(&response, &url);
        let body = read_answer(response, PAGE_BYTES_MAX).await?;
        let unreadable = |what: &str| RequestError::Protocol(format!("the list of tags {what}"));
        let page: Page = serde_json::from_slice(&body).map_err(|_| unreadable("cannot be read"))?;
        let tags = page.tags.unwrap_or_default().into_iter().map(|tag| tag.parse::<Tag>());
        // A tag that is none could not be looked at, and what cannot be looked at must not be passed over.
        let tags = tags.collect::<Result<Vec<_>, _>>().map_err(|_| unreadable("names something that is no tag"))?;
        Ok((tags, next))
    }

    /// The manifests that have this one as their subject, as an index; nothing where the registry does not tell.
    pub async fn referrers(&self, digest: &Digest) -> Result<Option<RawManifest>, RegistryError> {
        self.attempts(&format!("list what refers to {}", short(digest)), async || {
            let address = self.url(&format!("referrers/{digest}"))?;
            let response = self
                .send(&self.scope(), async || {
                    Ok(self.request(Method::GET, address.clone()).header(header::ACCEPT, OCI_INDEX))
                })
                .await?;
            match response.status() {
                StatusCode::OK => {
                    let told = response.headers().get(header::CONTENT_TYPE).and_then(|value| value.to_str().ok());
                    // A page for people is no answer of a referrers API.
                    let is_index = told.is_some_and(|told| told.starts_with(OCI_INDEX));
                    let body = read_answer(response, PAGE_BYTES_MAX).await?;
                    Ok(is_index.then(|| RawManifest::new(OCI_INDEX, body)))
                }
                status if status.is_server_error() || status == StatusCode::TOO_MANY_REQUESTS => {
                    Err(self.refused(response).await)
                }
                _ => Ok(None),
            }
        })
        .await
    }
}

/// Where the next page is (RFC 8288): `Link: </v2/…>; rel="next"`.
fn next_page(response: &reqwest::Response, of: &Url) -> Option<String> {
    let link = response.headers().get(header::LINK)?.to_str().ok()?;
    let next = link.split(',').find(|link| link.contains("rel=\"next\"") || link.contains("rel=next"))?;
    let (_, rest) = next.split_once('<')?;
    Some(of.join(rest.split_once('>')?.0).ok()?.to_string())
}
