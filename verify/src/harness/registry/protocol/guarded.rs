//! Registries that want tokens.

use std::time::Duration;

use axum::http::Method;

use super::{behaviour::behaviours, client::It};
use crate::harness::{
    registry::media::DOCKER_MANIFEST,
    token::{Access, TokenService, TokenSettings},
};

/// The realm that registries are told.
pub(super) const REALM: &str = "http://realm.example/token";
/// What the registry is called there.
pub(super) const SERVICE: &str = "registry.example";
/// A little less than tokens live.
const OLD: Duration = Duration::from_secs(290);
/// A little longer than tokens live, and far less than they would with a registry's leeway.
const TOO_OLD: Duration = Duration::from_secs(302);

/// The status, the codes and the challenge, with the repository's name left out.
fn refused(it: &It, answer: &super::answer::Answer) -> String {
    let challenge = answer.challenge().replace(&it.repository, "NAME");
    format!("{} {}", answer.seen(), challenge.replace("Bearer realm=\"http://realm.example/token\",", ""))
}

behaviours! {
    "nobody is let in without a token, not even to the base",
    "401 UNAUTHORIZED Bearer realm=\"http://realm.example/token\",service=\"registry.example\"",
    |it| {
        let answer = it.get("/v2/").await;
        format!("{} {}", answer.seen(), answer.challenge())
    };

    "a token for anything opens the base",
    "200 200",
    |it| {
        let nothing = it.holding(Vec::new(), Duration::ZERO).get("/v2/").await.seen();
        format!("{nothing} {}", it.may(&["pull"]).get("/v2/").await.seen())
    };

    "to read, the challenge asks for pull",
    "401 UNAUTHORIZED service=\"registry.example\",scope=\"repository:NAME:pull\"",
    |it| refused(&it, &it.get(&it.path("manifests/latest")).await);

    "to write, the challenge asks for pull and push",
    "401 UNAUTHORIZED UNAUTHORIZED",
    |it| {
        let answer = it.post(&it.path("blobs/uploads/")).await;
        let actions = answer.json()["errors"][0]["detail"].as_array().unwrap().len();
        assert!(answer.challenge().ends_with(&format!("scope=\"repository:{}:pull,push\"", it.repository)));
        assert_eq!(actions, 2);
        format!("{} {}", answer.seen(), it.put("latest", DOCKER_MANIFEST, b"").await.seen().replace("401 ", ""))
    };

    "to delete, the challenge asks for delete",
    "401 UNAUTHORIZED service=\"registry.example\",scope=\"repository:NAME:delete\"",
    |it| refused(&it, &it.delete(&it.path("manifests/latest")).await);

    "to mount, the challenge asks for both repositories",
    "401 UNAUTHORIZED service=\"registry.example\",scope=\"repository:NAME-beside:pull repository:NAME:pull,push\"",
    |it| {
        let from = it.beside().repository;
        refused(&it, &it.post(&it.path(&format!("blobs/uploads/?mount=sha256:0&from={from}"))).await)
    };

    "a refused HEAD has a challenge and no body",
    "401 service=\"registry.example\",scope=\"repository:NAME:pull\"",
    |it| refused(&it, &it.head(&it.path("manifests/latest")).await);

    "a token to push can push, and pull what was pushed",
    "201 200",
    |it| {
        let pushing = it.may(&["pull", "push"]);
        let image = pushing.image(DOCKER_MANIFEST).await;
        let put = pushing.put("latest", DOCKER_MANIFEST, &image.bytes).await.seen();
        format!("{put} {}", it.may(&["pull"]).manifest("latest").await.seen())
    };

    "a token to pull cannot push",
    "401 UNAUTHORIZED service=\"registry.example\",scope=\"repository:NAME:pull,push\",error=\"insufficient_scope\"",
    |it| refused(&it, &it.may(&["pull"]).post(&it.path("blobs/uploads/")).await);

    "a token to push without pull cannot push",
    "401 UNAUTHORIZED service=\"registry.example\",scope=\"repository:NAME:pull,push\",error=\"insufficient_scope\"",
    |it| refused(&it, &it.may(&["push"]).post(&it.path("blobs/uploads/")).await);

    "a token to push cannot delete, a token to delete can",
    "401 UNAUTHORIZED 202",
    |it| {
        let image = it.may(&["pull", "push"]).tagged("latest").await;
        let path = it.path(&format!("manifests/{}", image.digest));
        let pushing = it.may(&["pull", "push"]).delete(&path).await.seen();
        format!("{pushing} {}", it.may(&["delete"]).delete(&path).await.seen())
    };

    "a token of another repository is refused",
    "401 UNAUTHORIZED service=\"registry.example\",scope=\"repository:NAME:pull\",error=\"insufficient_scope\"",
    |it| {
        let other = Access::repository(&it.beside().repository, &["pull", "push"]);
        refused(&it, &it.holding(vec![other], Duration::ZERO).get(&it.path("tags/list")).await)
    };

    "a mount needs to read the other repository",
    "401 UNAUTHORIZED 201",
    |it| {
        let beside = it.beside();
        let blob = beside.may(&["pull", "push"]).push(b"shared").await;
        let path = it.path(&format!("blobs/uploads/?mount={}&from={}", blob.digest, beside.repository));
        let alone = it.may(&["pull", "push"]).post(&path).await.seen();
        let access = |it: &It, actions: &[&str]| Access::repository(&it.repository, actions);
        let both = vec![access(&it, &["pull", "push"]), access(&beside, &["pull"])];
        format!("{alone} {}", it.holding(both, Duration::ZERO).post(&path).await.seen())
    };

    "a token whose time is over is refused, and before that it is not",
    "404 NAME_UNKNOWN 401 UNAUTHORIZED service=\"registry.example\",scope=\"repository:NAME:pull\",error=\"invalid_token\"",
    |it| {
        let access = vec![Access::repository(&it.repository, &["pull"])];
        let before = it.holding(access.clone(), OLD).get(&it.path("tags/list")).await.seen();
        format!("{before} {}", refused(&it, &it.holding(access, TOO_OLD).get(&it.path("tags/list")).await))
    };

    "a token that nobody issued is refused",
    "401 UNAUTHORIZED service=\"registry.example\",scope=\"repository:NAME:pull\",error=\"invalid_token\"",
    |it| refused(&it, &it.with_token("hello").get(&it.path("tags/list")).await);

    "a token of another service of the same name is refused",
    "401 UNAUTHORIZED service=\"registry.example\",scope=\"repository:NAME:pull\",error=\"invalid_token\"",
    |it| {
        let other = TokenService::start(TokenSettings::new(SERVICE, Vec::new())).await.unwrap();
        let access = vec![Access::repository(&it.repository, &["pull"])];
        let token = other.token(access, std::time::SystemTime::now()).unwrap();
        refused(&it, &it.with_token(&token).get(&it.path("tags/list")).await)
    };

    "a password is no token",
    "401 UNAUTHORIZED service=\"registry.example\"",
    |it| {
        let basic = [("authorization", "Basic YWNtZTpoZWxsbw==")];
        refused(&it, &it.send(Method::GET, "/v2/", &basic, b"").await)
    };

    "the catalogue has a scope of its own",
    "401 UNAUTHORIZED service=\"registry.example\",scope=\"registry:catalog:*\" 200",
    |it| {
        let refused = refused(&it, &it.get("/v2/_catalog").await);
        let holding = it.holding(vec![Access::catalog()], Duration::ZERO);
        format!("{refused} {}", holding.get("/v2/_catalog").await.seen())
    };

    "what means nothing is not found, without a token too",
    "404",
    |it| it.get("/v2/nothing").await.seen();
}
