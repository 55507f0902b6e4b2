//! Where the layer cache is, how it is spoken to, and what is refused.

use rstest::rstest;

use super::run::Run;

/// The cache in one line, each platform's repository first.
fn cache(run: &Run) -> String {
    let config = run.config();
    let Some(cache) = config.cache else { return "none".into() };
    let repositories = config.platforms.iter().map(|platform| cache.registry(platform).repository.to_string());
    let secrets = cache.base.secrets.as_ref().map(|names| format!("{} {}", names.username, names.password));
    let plain = cache.base.plain_http.then(|| "plain".to_owned());
    repositories.chain(plain).chain(secrets).collect::<Vec<_>>().join(" ")
}

#[rstest]
#[case("", &[], "none")]
#[case(
    "cache = 'ghcr.io/acme/c'",
    &[],
    "ghcr.io/acme/c-amd64 ghcr.io/acme/c-arm64 GITHUB_ACTOR GITHUB_TOKEN"
)]
#[case(
    "cache = 'ghcr.io/acme/c'\nplatforms = ['linux/arm/v7']",
    &["--cache", "quay.io/acme/d"],
    "quay.io/acme/d-arm-v7"
)]
#[case("cache = 'ghcr.io/acme/c'", &["--cache", "off"], "none")]
#[case("cache = 'off'", &["--cache", ""], "none")]
#[case("cache = 'ghcr.io/acme/c'\nplatforms = ['linux/amd64']", &["--cache", ""], "ghcr.io/acme/c-amd64 GITHUB_ACTOR GITHUB_TOKEN")]
fn flag_or_file_name_the_repository_and_it_is_off_by_default(
    #[case] file: &str,
    #[case] flags: &[&str],
    #[case] expected: &str,
) {
    assert_eq!(cache(&Run::new(file).flags(flags)), expected);
}

#[rstest]
#[case("", "127.0.0.1:5000/c", &[], "127.0.0.1:5000/c-arm64 plain")]
#[case("", "a.example/c", &[], "a.example/c-arm64")]
#[case("", "a.example/c", &["--plain-http", "A.example"], "a.example/c-arm64 plain")]
#[case("plain-http = true", "registry.example/c", &[], "registry.example/c-arm64 plain")]
#[case(
    "username-env = 'CORP_USER'\npassword-env = 'CORP_TOKEN'",
    "registry.example/c",
    &["--plain-http", "registry.example"],
    "registry.example/c-arm64 plain CORP_USER CORP_TOKEN"
)]
fn it_is_connected_to_like_the_registry_on_its_host(
    #[case] registry: &str,
    #[case] repository: &str,
    #[case] flags: &[&str],
    #[case] expected: &str,
) {
    let file = format!(
        "cache = '{repository}'\nplatforms = ['linux/arm64']\n\
         [[registry]]\nname = 'corp'\nrepository = 'registry.example/acme/hello'\n{registry}\n"
    );
    assert_eq!(cache(&Run::new(&file).flags(flags)), expected);
}

#[rstest]
#[case("", &[], "off by default")]
#[case("cache = 'ghcr.io/acme/c'", &[], "GitHub 30d")]
#[case("cache = 'docker.io/acme/c'\ncache-max-age = '7d'", &[], "DockerHub 7d")]
#[case("cache = 'a.example/c'\ncache-max-age = '7d'", &["--cache-max-age", "48h"], "None 2d")]
#[case("cache = 'ghcr.io/acme/c'\ncache-max-age = '7d'", &["--cache-max-age", "off"], "GitHub off")]
#[case(
    "cache = 'a.example/c'\n[[registry]]\nname = 'a'\nrepository = 'a.example/a'\ndriver = 'distribution'",
    &[],
    "Distribution 30d"
)]
#[case(
    "cache = 'a.example/c'\n[[registry]]\nname = 'a'\nrepository = 'a.example/a'\ndriver = 'distribution'",
    &["--driver", "a=none"],
    "None 30d"
)]
fn it_is_pruned_like_the_registry_on_its_host(#[case] file: &str, #[case] flags: &[&str], #[case] expected: &str) {
    let config = Run::new(file).flags(flags).config();
    let seen = config.cache.map_or("off by default".into(), |cache| {
        let age = cache.max_age.map_or("off".into(), |age| format!("{}d", age.as_secs() / 86_400));
        format!("{:?} {age}", cache.registry(&config.platforms[0]).driver)
    });
    assert_eq!(seen, expected);
}

#[test]
fn an_invalid_age_is_refused_even_while_there_is_no_cache() {
    insta::assert_snapshot!(Run::new("cache-max-age = '30'\n").refusal(), @"
    `cache-max-age` in publish.toml line 1: `30` is not an age
    hint: write a duration such as `30d` or `12h`, or `off`
    ");
}

#[test]
fn a_registry_on_this_machine_that_has_tls_has_it_for_the_cache_too() {
    let registry = "[[registry]]\nname = 'a'\nrepository = '127.0.0.1:5000/a'\nplain-http = false\n";
    let run = Run::new(&format!("cache = '127.0.0.1:5000/c'\nplatforms = ['linux/arm64']\n{registry}"));
    assert_eq!(cache(&run), "127.0.0.1:5000/c-arm64");
}

#[test]
fn an_invalid_repository_is_refused() {
    insta::assert_snapshot!(Run::new("cache = 'acme/cache'\n").refusal(), @"
    `cache` in publish.toml line 1: `acme/cache` names no registry, expected host/name such as ghcr.io/acme/hello
    hint: write host/repository such as ghcr.io/acme/hello-cache, or `off`
    ");
    insta::assert_snapshot!(Run::new("cache = true\n").refusal(), @"publish.toml line 1 column 9: invalid type: boolean `true`, expected a string");
    let flags = ["--cache", "a.example/c", "--registry", "one=a.example/c-arm64"];
    insta::assert_snapshot!(Run::bare().flags(&flags).refusal(), @"
    `--cache` or `TALLYMAN_CACHE`: the cache would be in a.example/c-arm64, where one publishes
    hint: write host/repository such as ghcr.io/acme/hello-cache, or `off`
    ");
}

#[test]
fn a_name_that_only_the_platform_makes_too_long_is_refused_at_once() {
    let refusal = Run::new(&format!("cache = 'ghcr.io/{}'\n", "a".repeat(250))).refusal();
    assert!(refusal.contains("-amd64` is not a repository name"), "{refusal}");
}
