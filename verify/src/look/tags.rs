//! Which tags there are, and what one of them points at, without reading it.

use reqwest::Response;
use serde::Deserialize;

use super::{
    LookError, Looker, Raw,
    looker::{Answer, Refusal, header},
    read::{DIGEST_HEADER, MANIFEST_BYTES_MAX},
};

/// The status of what is not there.
const NOT_FOUND: u16 = 404;
/// How many tags are asked for at once.
const PAGE_TAGS: usize = 1000;
/// How many pages are read.
const PAGES_MAX: usize = 100;
/// The largest page that is read.
const PAGE_BYTES_MAX: usize = 16 << 20;

#[derive(Deserialize)]
struct Page {
    tags: Option<Vec<String>>,
}

impl Looker {
    /// The digest that a tag points at, or that is asked for itself; none if there is no such thing.
    ///
    /// # Errors
    /// Silence, trouble of the registry's, and a refusal: who may not look cannot tell whether it is there.
    pub async fn resolve(&self, reference: &str) -> Result<Option<String>, LookError> {
        let path = format!("manifests/{reference}");
        let answer = self.head(&path).await?;
        self.digest(&path, answer).await
    }

    /// The same with one attempt only.
    pub(super) async fn resolve_once(&self, reference: &str) -> Result<Option<String>, LookError> {
        let path = format!("manifests/{reference}");
        let answer = self.head_once(&path).await?;
        self.digest(&path, answer).await
    }

    /// Whether something below the repository is there: `blobs/sha256:…`.
    ///
    /// # Errors
    /// As [`Looker::resolve`].
    pub(super) async fn is_there(&self, path: &str) -> Result<bool, LookError> {
        let answer = self.head(path).await?;
        Ok(self.there(path, answer)?.is_some())
    }

    /// The digest of what was asked for by HEAD. The header with it is only recommended.
    async fn digest(&self, path: &str, answer: Answer) -> Result<Option<String>, LookError> {
        let Some(answer) = self.there(path, answer)? else { return Ok(None) };
        if let Some(digest) = header(&answer, DIGEST_HEADER) {
            return Ok(Some(digest));
        }
        let Some(answer) = self.there(path, self.get(path).await?)? else { return Ok(None) };
        match self.body(path, answer, MANIFEST_BYTES_MAX).await? {
            Some(bytes) => Ok(Some(Raw::from(bytes).digest())),
            None => Err(self.senseless(path, "it is too large")),
        }
    }

    /// All tags of the repository, sorted; none if there is no such repository.
    ///
    /// # Errors
    /// Silence, trouble of the registry's, a refusal, or a list that makes no sense.
    pub async fn all_tags(&self) -> Result<Vec<String>, LookError> {
        let mut tags = Vec::new();
        let mut path = format!("tags/list?n={PAGE_TAGS}");
        for _ in 0..PAGES_MAX {
            let Some(answer) = self.there(&path, self.get(&path).await?)? else { return Ok(Vec::new()) };
            let next = header(&answer, "link").as_deref().and_then(next);
            let body = self.body(&path, answer, PAGE_BYTES_MAX).await?;
            let page = body.as_deref().and_then(|body| serde_json::from_slice::<Page>(body).ok());
            let Some(page) = page else { return Err(self.senseless(&path, "it is no list of tags")) };
            tags.extend(page.tags.unwrap_or_default());
            let Some(query) = next else {
                tags.sort();
                return Ok(tags);
            };
            path = format!("tags/list?{query}");
        }
        Err(self.senseless(&path, "it has no end"))
    }

    fn there(&self, what: &str, answer: Answer) -> Result<Option<Response>, LookError> {
        match answer {
            Answer::Here(answer) => Ok(Some(answer)),
            Answer::Refused(Refusal { status: NOT_FOUND, .. }) => Ok(None),
            Answer::Refused(Refusal { status, .. }) => {
                Err(LookError::Denied { host: self.place().host.clone(), what: what.to_owned(), status })
            }
        }
    }

    fn senseless(&self, what: &str, problem: &str) -> LookError {
        LookError::Senseless { host: self.place().host.clone(), what: what.to_owned(), problem: problem.to_owned() }
    }
}

/// The query of the next page: `</v2/acme/hello/tags/list?last=x&n=5>; rel="next"`.
fn next(link: &str) -> Option<String> {
    let (address, parameters) = link.trim().strip_prefix('<')?.split_once('>')?;
    let next = parameters.contains("rel=\"next\"") || parameters.contains("rel=next");
    address.split_once('?').filter(|_| next).map(|(_, query)| query.to_owned())
}

#[cfg(test)]
mod tests {
    use rstest::rstest;

    use super::*;

    #[rstest]
    #[case(r#"</v2/a/b/tags/list?last=x&n=5>; rel="next""#, Some("last=x&n=5"))]
    #[case("<https://r/v2/a/tags/list?n=5&last=x>; rel=next", Some("n=5&last=x"))]
    #[case(r#"</v2/a/b/tags/list?last=x>; rel="prev""#, None)]
    #[case("nonsense", None)]
    fn the_next_page_is_where_the_header_says(#[case] link: &str, #[case] expected: Option<&str>) {
        assert_eq!(next(link).as_deref(), expected);
    }
}
