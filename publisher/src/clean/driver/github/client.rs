//! GitHub's REST API: where it is, the token, its rate limits.

use reqwest::{
    Method,
    header::{ACCEPT, CONTENT_LENGTH, HeaderValue, RETRY_AFTER},
};

use crate::{
    auth::{Credential, Secret},
    clean::{
        CleanError,
        driver::api::{Answer, Api},
    },
    environment::Environment,
    http::RequestError,
    registry::{Cause, Registry},
};

/// The interface of another server than GitHub's own, for other registries than GHCR.
const VARIABLE: &str = "TALLYMAN_GITHUB_API";
/// The interface of the server that runs the workflow and issued [`TOKEN`]. The packages may be on another server.
const SERVER: &str = "GITHUB_API_URL";
const ADDRESS: &str = "https://api.github.com";
const TOKEN: &str = "GITHUB_TOKEN";
const API_VERSION: (&str, &str) = ("x-github-api-version", "2022-11-28");
/// How long to wait after a secondary rate limit that names no time (REST API, "Rate limits"), in seconds.
const SECONDARY_WAIT_S: u64 = 60;

/// The client for one server.
pub(super) struct Client {
    api: Api,
    token: Option<Secret>,
}

impl Client {
    pub(super) fn new(registry: &Registry, credential: &Credential, env: &Environment) -> Result<Self, CleanError> {
        let is_ghcr = registry.repository().host.is_ghcr();
        let address = if is_ghcr { ADDRESS } else { env.get(VARIABLE).unwrap_or_default() };
        let runs_workflow = address == env.get(SERVER).unwrap_or(ADDRESS);
        let token = match credential {
            Credential::Basic { password, .. } => Some(password.clone()),
            _ => env.get(TOKEN).filter(|_| runs_workflow).map(Secret::new),
        };
        let secrets = token.iter().map(|token| token.expose().to_owned()).collect();
        Ok(Self { api: Api::new(VARIABLE, address, secrets)?, token })
    }

    /// Sends a request without a body.
    pub(super) async fn call(&self, registry: &Registry, method: Method, path: &str) -> Result<Answer, Cause> {
        let mut request = registry.request(method, self.api.url(path)?).header(CONTENT_LENGTH, 0);
        request = request.header(ACCEPT, "application/vnd.github+json").header(API_VERSION.0, API_VERSION.1);
        if let Some(token) = &self.token {
            request = request.bearer_auth(token.expose());
        }
        self.api.send(registry, request).await.map_err(with_retry_after)
    }
}

/// Adds the `Retry-After` that GitHub's rate limits leave out: `x-ratelimit-reset` when the quota is used up, else a
/// minute for a secondary limit.
fn with_retry_after(cause: Cause) -> Cause {
    let Cause::Request(RequestError::Refused(mut refusal)) = cause else { return cause };
    let header = |name: &str| refusal.headers.get(name).and_then(|value| value.to_str().ok());
    let is_limited = matches!(refusal.status, 403 | 429) && !refusal.headers.contains_key(RETRY_AFTER);
    let wait = match (header("x-ratelimit-remaining"), header("x-ratelimit-reset")) {
        (Some("0"), Some(reset)) => HeaderValue::from_str(reset).ok(),
        _ if refusal.message.to_ascii_lowercase().contains("secondary rate limit") => Some(SECONDARY_WAIT_S.into()),
        _ => None,
    };
    if let (true, Some(wait)) = (is_limited, wait) {
        refusal.headers.insert(RETRY_AFTER, wait);
    }
    Cause::Request(RequestError::Refused(refusal))
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
        let client = Client::new(&registry, &anonymous, &env.into_iter().collect());
        let used = client.as_ref().ok().map(|client| client.api.url("user").unwrap().to_string());
        assert_eq!(used, address.map(|address| format!("{address}/user")));
        assert_eq!(client.is_ok_and(|client| client.token.is_some()), has_token);
    }
}
