//! A login to Docker Hub's API.

use std::time::Duration;

use reqwest::Method;
use serde::Deserialize;
use serde_json::json;
use tokio::{sync::Mutex, time::Instant};

use crate::{
    auth::{Credential, Secret},
    clean::{
        CleanError,
        driver::api::{Answer, Api, protocol},
    },
    environment::Environment,
    registry::{Cause, Registry},
};

const VARIABLE: &str = "TALLYMAN_DOCKERHUB_API";
const ADDRESS: &str = "https://hub.docker.com";
const USERNAME: &str = "DOCKERHUB_USERNAME";
const TOKEN: &str = "DOCKERHUB_TOKEN";
/// How long a login is used: it is valid for ten minutes.
const LOGIN_LIFETIME: Duration = Duration::from_secs(8 * 60);

/// The API, with the account that logs in.
pub(super) struct Session {
    api: Api,
    account: Option<(String, Secret)>,
    /// The access token, and until when it is used.
    login: Mutex<Option<(Secret, Instant)>>,
}

#[derive(Deserialize)]
struct Login {
    access_token: String,
}

impl Session {
    pub(super) fn new(credential: &Credential, env: &Environment) -> Result<Self, CleanError> {
        let account = match credential {
            Credential::Basic { username, password } => Some((username.clone(), password.clone())),
            Credential::Anonymous | Credential::IdentityToken(_) => {
                env.get(USERNAME).map(str::to_owned).zip(env.get(TOKEN).map(Secret::new))
            }
        };
        let secrets = account.iter().map(|(_, secret)| secret.expose().to_owned()).collect();
        let api = Api::new(VARIABLE, env.get(VARIABLE).unwrap_or(ADDRESS), secrets)?;
        Ok(Self { api, account, login: Mutex::default() })
    }

    /// Sends a request, logged in; once more with a new login if the old one is refused.
    pub(super) async fn call(&self, registry: &Registry, method: Method, path: &str) -> Result<Answer, Cause> {
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
        if let Some((token, until)) = &*login
            && *until > Instant::now()
            && refused != Some(token)
        {
            return Ok(token.clone());
        }
        let (identifier, secret) =
            self.account.as_ref().ok_or_else(|| protocol("there are no credentials to log in to Docker Hub with"))?;
        let body = json!({ "identifier": identifier, "secret": secret.expose() });
        let answer =
            self.api.send(registry, registry.request(Method::POST, self.api.url("v2/auth/token")?).json(&body)).await?;
        if answer.is_absent() {
            return Err(protocol("there is no login at this address"));
        }
        let token = Secret::new(answer.json::<Login>()?.access_token);
        *login = Some((token.clone(), Instant::now() + LOGIN_LIFETIME));
        Ok(token)
    }
}
