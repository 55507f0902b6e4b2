//! Being logged in to Docker Hub's API.

use std::time::Duration;

use reqwest::{Method, StatusCode, header::AUTHORIZATION};
use serde::Deserialize;
use serde_json::json;
use tokio::time::Instant;

use super::DockerHub;
use crate::{
    auth::Secret,
    clean::{
        driver::api::{Answer, bearer},
        error::protocol,
    },
    registry::{Cause, Registry},
};

/// How long a login is used: it is good for ten minutes.
const LOGIN_LIFETIME: Duration = Duration::from_secs(8 * 60);

/// One login.
pub(super) struct Session {
    token: Secret,
    until: Instant,
}

#[derive(Deserialize)]
struct Login {
    access_token: String,
}

impl DockerHub {
    /// Asks the API, logged in; once more with a new login if the old one is refused.
    pub(super) async fn call(&self, registry: &Registry, method: Method, path: &str) -> Result<Answer, Cause> {
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
