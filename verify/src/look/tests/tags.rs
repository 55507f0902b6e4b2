//! What tags point at, and which there are.

use super::{
    image::{DOCKER, X86_64, image, push_good},
    registry::{ACCOUNT, Registry},
};
use crate::look::{LookError, Looker};

#[tokio::test]
async fn a_tag_resolves_to_its_digest_or_is_absent() {
    let registry = Registry::start();
    let looker = registry.looker();
    assert_eq!(looker.resolve("latest").await.unwrap(), None);
    let digest = push_good(&registry, "latest", DOCKER).await;
    assert_eq!(looker.resolve("latest").await.unwrap(), Some(digest.clone()));
    assert_eq!(looker.resolve(&digest).await.unwrap(), Some(digest));
}

#[tokio::test]
async fn all_tags_are_listed_in_order() {
    let registry = Registry::start();
    assert_eq!(registry.looker().all_tags().await.unwrap(), [""; 0]);
    for tag in ["latest", "1.2.0"] {
        image("amd64", X86_64).push_as(&registry, Some(tag)).await;
    }
    assert_eq!(registry.looker().all_tags().await.unwrap(), ["1.2.0", "latest"]);
}

#[tokio::test]
async fn who_may_not_look_cannot_tell() {
    let registry = Registry::start_with_login();
    let denied = registry.looker().resolve("latest").await.unwrap_err();
    assert!(matches!(denied, LookError::Denied { status: 401, .. }), "{denied}");
    let wrong = Looker::new(registry.place().with_credentials(ACCOUNT.0, "wrong")).unwrap();
    assert!(matches!(wrong.all_tags().await.unwrap_err(), LookError::Denied { status: 401, .. }));
    let right = Looker::new(registry.place().with_credentials(ACCOUNT.0, ACCOUNT.1)).unwrap();
    assert_eq!(right.resolve("latest").await.unwrap(), None);
}
