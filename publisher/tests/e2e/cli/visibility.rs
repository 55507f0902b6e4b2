//! A package that only its owner can pull, while everybody can read its source.

use rstest::rstest;

use crate::support::{PASSWORD, Registry, USER, World};

const SETTINGS: &str = "https://github.com/orgs/acme/packages/container/hello/settings";

#[rstest]
#[case::private_package_of_a_public_repository(true, r#"{"private": false, "owner": {"type": "Organization"}}"#, true)]
#[case::both_private(true, r#"{"private": true, "owner": {"type": "Organization"}}"#, false)]
#[case::both_public(false, r#"{"private": false, "owner": {"type": "Organization"}}"#, false)]
#[case::nothing_is_known(true, "null", false)]
#[tokio::test]
async fn a_package_that_nobody_else_can_pull_is_told_with_where_to_change_it(
    #[case] private: bool,
    #[case] repository: &str,
    #[case] warns: bool,
) {
    let mut world = World::new().await;
    let registry = if private { Registry::start_with_login().await } else { Registry::start().await };
    let secrets = "username-env = 'REGISTRY_USER'\npassword-env = 'REGISTRY_TOKEN'\ndriver = 'github'\n";
    let table = format!("[[registry]]\nname = 'ghcr'\nrepository = '{}/acme/hello'\n{secrets}", registry.host);
    world.source.write("publish.toml", &table);
    world.change("one");
    world.podman.write("event.json", format!(r#"{{"repository": {repository}}}"#));
    let run = world.publish("refs/heads/main").args(&["--cleanup", "off"]).env("TALLYMAN_REGISTRIES", "");
    let run = run.env("REGISTRY_USER", USER).env("REGISTRY_TOKEN", PASSWORD);
    let ended = run.env("GITHUB_EVENT_PATH", world.podman.path("event.json")).run().await;
    ended.expect(0, &[]);
    assert_eq!(ended.stderr.contains(SETTINGS), warns, "{}", ended.stderr);
}
