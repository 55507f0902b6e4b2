//! What every part of the configuration becomes.

use std::{fs, time::Duration};

use rstest::rstest;

use super::run::{Command, Run};
use crate::config::{Cleanup, Config, RegistryConfig};

fn registry(registry: &RegistryConfig) -> String {
    let secrets = registry.secrets.as_ref().map(|s| format!(" {} {}", s.username, s.password)).unwrap_or_default();
    let plain = if registry.plain_http { " plain" } else { "" };
    format!("{} {}{plain}{secrets}", registry.name, registry.repository)
}

fn registries(config: &Config) -> Vec<String> {
    config.registries.iter().map(registry).collect()
}

#[test]
fn by_default_no_setting_is_needed() {
    let run = Run::bare();
    let config = run.config();
    assert_eq!(config.image, "acme/hello");
    assert_eq!(config.context, run.path());
    assert_eq!(config.containerfile, run.path().join("Containerfile"));
    assert_eq!(config.platforms.iter().map(ToString::to_string).collect::<Vec<_>>(), ["linux/amd64", "linux/arm64"]);
    assert_eq!((config.build_args.len(), config.retry_base), (0, Duration::from_secs(2)));
    assert_eq!(config.source.as_deref(), Some("https://github.com/Acme/Hello"));
    assert_eq!(
        registries(&config),
        [
            "ghcr ghcr.io/acme/hello GITHUB_ACTOR GITHUB_TOKEN",
            "dockerhub docker.io/acme/hello DOCKERHUB_USERNAME DOCKERHUB_TOKEN"
        ]
    );
}

#[test]
fn the_file_has_a_key_for_everything() {
    let run = Run::new(
        r#"
        image = "acme/tools/hello"
        context = "image"
        containerfile = "image/Containerfile.release"
        platforms = ["linux/arm64", "linux/arm/v7"]
        retry-base = "500ms"

        [build-args]
        VERSION = "1"
        EMPTY = ""

        [[registry]]
        name = "corp"
        repository = "registry.example.org:5000/acme/hello"
        plain-http = true
        username-env = "CORP_USER"
        password-env = "CORP_TOKEN"

        [[registry]]
        name = "hub"
        repository = "docker.io/acme/hello"
        "#,
    );
    let config = run.config();
    assert_eq!(config.image, "acme/tools/hello");
    assert_eq!(config.context, run.path().join("image"));
    assert_eq!(config.containerfile, run.path().join("image/Containerfile.release"));
    assert_eq!(config.platforms.iter().map(ToString::to_string).collect::<Vec<_>>(), ["linux/arm64", "linux/arm/v7"]);
    assert_eq!(config.retry_base, Duration::from_millis(500));
    let arguments: Vec<_> = config.build_args.iter().map(|(k, v)| format!("{k}={v}")).collect();
    assert_eq!(arguments, ["EMPTY=", "VERSION=1"]);
    assert_eq!(
        registries(&config),
        [
            "corp registry.example.org:5000/acme/hello plain CORP_USER CORP_TOKEN",
            "hub docker.io/acme/hello DOCKERHUB_USERNAME DOCKERHUB_TOKEN"
        ]
    );
}

#[test]
fn flags_win_over_the_file() {
    let run = Run::new(
        "image = 'acme/hello'\ncontext = 'a'\ncontainerfile = 'a/b'\nplatforms = ['linux/arm64']\nretry-base = '3s'\n\
         [build-args]\nONE = '1'\nTWO = '2'\n",
    );
    let config = run
        .flags(&[
            "--image",
            "Other/Name",
            "--context",
            "c",
            "-f",
            "d",
            "--platforms",
            "linux/amd64, linux/s390x",
            "--retry-base",
            "0s",
            "--build-arg",
            "TWO=a=b,c",
            "--build-arg",
            "THREE=",
        ])
        .config();
    assert_eq!(config.image, "other/name");
    assert!(config.context.ends_with("c") && config.containerfile.ends_with("d"));
    assert_eq!(config.platforms.iter().map(ToString::to_string).collect::<Vec<_>>(), ["linux/amd64", "linux/s390x"]);
    assert_eq!(config.retry_base, Duration::ZERO);
    let arguments: Vec<_> = config.build_args.iter().map(|(k, v)| format!("{k}={v}")).collect();
    assert_eq!(arguments, ["ONE=1", "THREE=", "TWO=a=b,c"]);
}

#[test]
fn an_empty_flag_counts_as_absent() {
    let flags = [
        "config",
        "image",
        "containerfile",
        "context",
        "platforms",
        "registry",
        "plain-http",
        "build-arg",
        "retry-base",
    ];
    let flags: Vec<String> = flags.iter().map(|flag| format!("--{flag}=")).collect();
    let run = Run::bare().flags(&flags.iter().map(String::as_str).collect::<Vec<_>>());
    let config = run.config();
    assert_eq!((config.image.as_str(), config.platforms.len(), config.registries.len()), ("acme/hello", 2, 2));
    assert_eq!(config.context, run.path());
}

#[test]
fn registries_that_flags_name_replace_the_list_and_keep_what_the_file_says_about_them() {
    let file = "[[registry]]\nname = 'corp'\nrepository = 'corp.example.org/a'\nplain-http = true\n\
                username-env = 'CORP_USER'\npassword-env = 'CORP_TOKEN'\n\
                [[registry]]\nname = 'hub'\nrepository = 'docker.io/acme/a'\n";
    let flags = ["--registry", "new=[::1]:5000/a,corp=other.example.org/b", "--registry", "ghcr=ghcr.io/acme/c"];
    assert_eq!(
        registries(&Run::new(file).flags(&flags).config()),
        [
            "new [::1]:5000/a plain",
            "corp other.example.org/b plain CORP_USER CORP_TOKEN",
            "ghcr ghcr.io/acme/c GITHUB_ACTOR GITHUB_TOKEN",
        ]
    );
}

#[test]
fn a_default_registry_that_moves_to_another_host_does_not_take_its_secrets_along() {
    let flags = ["--registry", "ghcr=127.0.0.1:5000/acme/hello", "--registry", "dockerhub=example.org/acme/hello"];
    let expected = ["ghcr 127.0.0.1:5000/acme/hello plain", "dockerhub example.org/acme/hello"];
    assert_eq!(registries(&Run::bare().flags(&flags).config()), expected);
}

#[rstest]
#[case("ghcr.io/acme/hello", "", "GITHUB_ACTOR GITHUB_TOKEN")]
#[case("ghcr.io/acme/hello", "password-env = 'PAT'", "GITHUB_ACTOR PAT")]
#[case("ghcr.io/acme/hello", "username-env = 'BOT'", "BOT GITHUB_TOKEN")]
#[case("docker.io/acme/hello", "password-env = '_PAT2'", "DOCKERHUB_USERNAME _PAT2")]
fn well_known_hosts_have_default_secrets(#[case] repository: &str, #[case] keys: &str, #[case] secrets: &str) {
    let run = Run::new(&format!("[[registry]]\nname = 'a'\nrepository = '{repository}'\n{keys}\n"));
    assert_eq!(registries(&run.config()), [format!("a {repository} {secrets}")]);
}

#[rstest]
#[case("127.0.0.1:5000/a", "", true)]
#[case("localhost/a", "", true)]
#[case("localhost/a", "plain-http = false", false)]
#[case("10.0.0.1:5000/a", "", false)]
#[case("10.0.0.1:5000/a", "plain-http = true", true)]
fn plain_http_is_for_this_machine_or_asked_for(#[case] repository: &str, #[case] key: &str, #[case] plain: bool) {
    let run = Run::new(&format!("[[registry]]\nname = 'a'\nrepository = '{repository}'\n{key}\n"));
    assert_eq!(run.config().registries[0].plain_http, plain);
}

#[test]
fn plain_http_is_asked_for_by_host() {
    let flags =
        ["--registry=a=ONE.example:5000/x,b=one.example:5000/y,c=two.example/x", "--plain-http", "One.example:5000"];
    let expected = ["a one.example:5000/x plain", "b one.example:5000/y plain", "c two.example/x"];
    assert_eq!(registries(&Run::bare().flags(&flags).config()), expected);
}

#[rstest]
#[case("Acme/hello", "", &[], "acme/hello")]
#[case("acme/tools/hello", "", &[], "acme/hello")]
#[case("acme/hello", "dockerhub-namespace = 'AcmeBot'", &[], "acmebot/hello")]
#[case("acme/hello", "dockerhub-namespace = 'acmebot'", &["--dockerhub-namespace", "acmeinc"], "acmeinc/hello")]
fn docker_hubs_namespace_is_the_one_given_else_the_images_owner(
    #[case] image: &str,
    #[case] file: &str,
    #[case] flags: &[&str],
    #[case] repository: &str,
) {
    // The user who logs in says nothing about it: GitHub would mask the name.
    let variables = [("GITHUB_REPOSITORY", image), ("DOCKERHUB_USERNAME", "somebody")];
    let config = Run::new(file).env(&variables).flags(flags).config();
    assert_eq!(config.registries[1].repository.name, repository);
}

#[test]
fn an_image_without_a_name_has_that_of_its_first_registry() {
    let flags = ["--registry", "local=127.0.0.1:5000/hello"];
    let config = Run::bare().env(&[]).flags(&flags).config();
    assert_eq!((config.image.as_str(), config.source), ("hello", None));
}

#[test]
fn paths_in_the_file_start_from_its_folder_and_paths_in_flags_from_the_current_one() {
    let run = Run::bare().flags(&["--config", "sub/p.toml", "--containerfile", "Containerfile.x"]);
    fs::create_dir(run.path().join("sub")).unwrap();
    fs::write(run.path().join("sub/p.toml"), "context = 'image'\ncontainerfile = 'y'\n").unwrap();
    let config = run.config();
    assert_eq!(config.context, run.path().join("sub/image"));
    assert_eq!(config.containerfile, run.path().join("Containerfile.x"));
}

#[test]
fn the_containerfile_is_looked_for_in_the_context() {
    let run = Run::bare();
    fs::write(run.path().join("Dockerfile"), "FROM scratch\n").unwrap();
    assert_eq!(run.config().containerfile, run.path().join("Dockerfile"));
    fs::write(run.path().join("Containerfile"), "FROM scratch\n").unwrap();
    assert_eq!(run.config().containerfile, run.path().join("Containerfile"));
    run.config().read_containerfile().unwrap();
}

#[test]
fn the_flags_explain_themselves() {
    use clap::CommandFactory;
    Command::command().debug_assert();
    let help = Command::command().term_width(100).render_help().to_string();
    insta::assert_snapshot!(help, @r"
        A command that takes the flags

        Usage: publisher [OPTIONS]

        Options:
          -h, --help  Print help

        Configuration:
              --config <FILE>
                  Reads this configuration file; without the flag, `publish.toml` is read where it exists
                  [env: TALLYMAN_CONFIG]
              --image <OWNER/NAME>
                  Names the image, owner/name; by default the repository on GitHub. Registries that are not
                  configured derive their repository from it [env: TALLYMAN_IMAGE]
          -f, --containerfile <FILE>
                  Builds from this file; by default `Containerfile`, else `Dockerfile`, in the build context
                  [env: TALLYMAN_CONTAINERFILE]
              --context <FOLDER>
                  Takes what the build copies from this folder; by default the current one [env:
                  TALLYMAN_CONTEXT]
              --platforms <LIST>
                  Builds for these platforms, divided by commas; by default linux/amd64,linux/arm64 [env:
                  TALLYMAN_PLATFORMS]
              --registry <NAME=HOST/REPOSITORY>
                  Publishes to this repository, as name=host/repository, for example
                  ghcr=ghcr.io/acme/hello; repeat the flag for each registry. Replaces the configured list;
                  a registry configured under the same name keeps its other settings [env:
                  TALLYMAN_REGISTRIES]
              --dockerhub-namespace <NAME>
                  Publishes to this user's or organisation's repository on Docker Hub, where no registries
                  are configured; by default the image's owner [env: TALLYMAN_DOCKERHUB_NAMESPACE]
              --plain-http <HOST>
                  Speaks plain HTTP with this registry, host or host:port, for tests; localhost does not
                  need it [env: TALLYMAN_PLAIN_HTTP]
              --build-arg <KEY=VALUE>
                  Hands this argument to the build, as KEY=VALUE, in addition to the configured ones;
                  repeatable. Never a secret: arguments stay readable in the image's history
              --retry-base <WAIT>
                  Waits this long before the second attempt of a registry operation and twice as long before
                  the third; by default 2s, may be in milliseconds, 500ms [env: TALLYMAN_RETRY_BASE]
              --cache <HOST/REPOSITORY>
                  Keeps steps of builds here for later builds, as host/repository, for example
                  ghcr.io/acme/hello-cache, to which each platform's name is added; off, which is the
                  default, switches off what is configured [env: TALLYMAN_CACHE]
              --cache-max-age <AGE>
                  Removes steps from the layer cache that are older than this, in days or hours (30d, 12h),
                  and that the build at hand does not use; by default 30d; off keeps them all [env:
                  TALLYMAN_CACHE_MAX_AGE]
              --cleanup <after|before|off>
                  Removes the image that latest pointed at before: after the tag has moved (the default),
                  before it is set, or off [env: TALLYMAN_CLEANUP]
              --driver <NAME=DRIVER>
                  Removes images from this registry by this interface, as name=driver: github, dockerhub,
                  distribution or none; by default the one that fits the registry's host; repeat the flag
                  for each registry [env: TALLYMAN_DRIVERS]
    ");
}

#[rstest]
#[case("", &[], Cleanup::After)]
#[case("cleanup = 'before'\n", &[], Cleanup::Before)]
#[case("cleanup = 'before'\n", &["--cleanup", "off"], Cleanup::Off)]
#[case("cleanup = 'before'\n", &["--cleanup", ""], Cleanup::Before)]
fn the_order_of_the_clean_up_can_be_chosen(#[case] file: &str, #[case] flags: &[&str], #[case] cleanup: Cleanup) {
    assert_eq!(Run::new(file).flags(flags).config().cleanup, cleanup);
}

#[test]
fn drivers_depend_on_the_host_by_default() {
    let table = |name: &str, repository: &str, driver: &str| {
        format!("[[registry]]\nname = '{name}'\nrepository = '{repository}/acme/hello'\n{driver}\n")
    };
    let file = [
        table("ghcr", "ghcr.io", ""),
        table("hub", "docker.io", ""),
        table("here", "127.0.0.1:5000", ""),
        table("quay", "quay.io", ""),
        table("gitea", "gitea.example.org", "driver = 'distribution'"),
    ]
    .concat();
    let drivers = |flags: &[&str]| {
        let config = Run::new(&file).flags(flags).config();
        config.registries.iter().map(|registry| registry.driver.name()).collect::<Vec<_>>()
    };
    assert_eq!(drivers(&[]), ["github", "dockerhub", "distribution", "none", "distribution"]);
    assert_eq!(
        drivers(&["--driver=here=github,quay=dockerhub", "--driver", "gitea=none"]),
        ["github", "dockerhub", "github", "dockerhub", "none"]
    );
}
