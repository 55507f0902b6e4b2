//! A repository's tags, and a manifest's referrers.

use reqwest::{Method, Response, StatusCode, Url, header};
use serde::Deserialize as _;
use serde_json::Value;

use super::{Cause, Registry, RegistryError, client::header_text};
use crate::{
    http::{RequestError, read_answer},
    oci::{Digest, OCI_INDEX, RawManifest, Tag, short},
};

/// How many tags are asked for at once; registries may give fewer, and old ones give all.
const PAGE: u32 = 1000;
/// The largest page that is read, in bytes.
const PAGE_BYTES_MAX: usize = 4 * 1024 * 1024;
/// The most pages that are read, so that no listing is endless.
const PAGES_MAX: usize = 100;

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
        let cause = RequestError::Protocol(format!("the list of tags has more than {PAGES_MAX} pages"));
        Err(self.failure("list tags", 1, cause.into()))
    }

    async fn page(&self, address: &str) -> Result<(Vec<Tag>, Option<String>), Cause> {
        let url = self.url(address)?;
        let response = self.send(self.request(Method::GET, url.clone())).await?;
        let Some(response) = self.found(response).await? else { return Ok((Vec::new(), None)) };
        let next = next_page(&response, &url);
        let body = read_answer(response, PAGE_BYTES_MAX).await?;
        // A tag that cannot be parsed could not be resolved, and must not be passed over.
        let page: Result<Value, _> = serde_json::from_slice(&body);
        let tags = page.and_then(|page| Option::deserialize(&page["tags"]));
        let tags = tags.map_err(|_| RequestError::Protocol("the list of tags cannot be read".into()))?;
        Ok((tags.unwrap_or_default(), next))
    }

    /// The manifests that have this one as their subject, as an index; `None` without a referrers API.
    pub async fn referrers(&self, digest: &Digest) -> Result<Option<RawManifest>, RegistryError> {
        self.attempts(&format!("list referrers of {}", short(digest)), async || {
            let request = self.request(Method::GET, self.url(&format!("referrers/{digest}"))?);
            let response = self.send(request.header(header::ACCEPT, OCI_INDEX)).await?;
            let status = response.status();
            if status.is_server_error() || status == StatusCode::TOO_MANY_REQUESTS {
                return Err(self.refused(response).await);
            }
            // A web page is no answer of a referrers API.
            let media_type = header_text(&response, header::CONTENT_TYPE).unwrap_or_default();
            if status != StatusCode::OK || !media_type.starts_with(OCI_INDEX) {
                return Ok(None);
            }
            Ok(Some(RawManifest::new(OCI_INDEX, read_answer(response, PAGE_BYTES_MAX).await?)))
        })
        .await
    }
}

/// Where the next page is (RFC 8288): `Link: </v2/…>; rel="next"`.
fn next_page(response: &Response, of: &Url) -> Option<String> {
    let link = header_text(response, header::LINK)?;
    let next = link.split(',').find(|link| link.contains("rel=\"next\"") || link.contains("rel=next"))?;
    let (_, rest) = next.split_once('<')?;
    Some(of.join(rest.split_once('>')?.0).ok()?.to_string())
}
