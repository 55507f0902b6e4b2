//! Every error about a configuration, by its exact text.

use std::fs;

use super::run::Run;

#[test]
fn sources_that_are_missing_are_named() {
    let run = Run::bare();
    let refusal = |run: &Run| run.shown(&run.config().read_containerfile().unwrap_err());
    insta::assert_snapshot!(refusal(&run), @r"
        neither `Containerfile` nor `Dockerfile` is in [folder]
        hint: write one there, or name the file with `containerfile` in publish.toml or `--containerfile`
    ");
    fs::create_dir(run.path().join("Containerfile")).unwrap();
    insta::assert_snapshot!(refusal(&run), @r"
        cannot read [folder]/Containerfile
        Is a directory (os error 21)
    ");
    let run = run.flags(&["--containerfile", "other"]);
    insta::assert_snapshot!(refusal(&run), @r"
        cannot read [folder]/other
        No such file or directory (os error 2)
    ");
    let run = run.flags(&["--context", "nowhere"]);
    insta::assert_snapshot!(refusal(&run), @r"
        the build context [folder]/nowhere is not a folder
        hint: name the folder with `context` in publish.toml or `--context`
    ");
}

#[test]
fn a_containerfile_that_is_a_dangling_link_is_not_passed_over() {
    let run = Run::bare();
    fs::write(run.path().join("Dockerfile"), "FROM scratch\n").unwrap();
    std::os::unix::fs::symlink("nowhere", run.path().join("Containerfile")).unwrap();
    insta::assert_snapshot!(run.shown(&run.config().read_containerfile().unwrap_err()), @r"
        cannot read [folder]/Containerfile
        No such file or directory (os error 2)
    ");
}

#[test]
fn a_named_file_has_to_exist() {
    insta::assert_snapshot!(Run::bare().flags(&["--config", "other.toml"]).refusal(), @r"
        cannot read other.toml
        No such file or directory (os error 2)
    ");
}

#[test]
fn an_unreadable_file_is_not_taken_for_an_absent_one() {
    let run = Run::bare();
    fs::create_dir(run.path().join("publish.toml")).unwrap();
    insta::assert_snapshot!(run.refusal(), @r"
        cannot read publish.toml
        Is a directory (os error 21)
    ");
}

#[test]
fn what_is_not_toml_is_refused_with_its_line() {
    insta::assert_snapshot!(Run::new("\nimage =\n").refusal(), @"publish.toml line 2 column 8: string values must be quoted, expected literal string");
    insta::assert_snapshot!(Run::new("image = 'a/b'\nimage = 'a/c'\n").refusal(), @"publish.toml line 2 column 1: duplicate key");
}

#[test]
fn unknown_keys_are_refused_with_those_that_are_known() {
    insta::assert_snapshot!(Run::new("image = 'a/b'\n\nplatfroms = []\n").refusal(), @"publish.toml line 3 column 1: unknown field `platfroms`, expected one of `image`, `containerfile`, `context`, `platforms`, `registry`, `dockerhub-namespace`, `build-args`, `healthcheck`, `retry-base`, `cache`, `cache-max-age`, `cleanup`");
    let file = "[[registry]]\nname = 'a'\nrepository = 'a.b/c'\n\n[[registry]]\nname = 'b'\npassword = 'x'\n";
    insta::assert_snapshot!(Run::new(file).refusal(), @"publish.toml line 7 column 1: unknown field `password`, expected one of `name`, `repository`, `plain-http`, `username-env`, `password-env`, `driver`");
    for flag_only in ["config", "plain-http", "build-arg", "registries"] {
        let refusal = Run::new(&format!("{flag_only} = 'x'\n")).refusal();
        assert!(refusal.contains(&format!("unknown field `{flag_only}`")), "{refusal}");
    }
}

#[test]
fn wrong_types_are_refused_with_the_right_one() {
    insta::assert_snapshot!(Run::new("image = 1\n").refusal(), @"publish.toml line 1 column 9: invalid type: integer `1`, expected a string");
    insta::assert_snapshot!(Run::new("platforms = 'linux/amd64'\n").refusal(), @r#"publish.toml line 1 column 13: invalid type: string "linux/amd64", expected a sequence"#);
    insta::assert_snapshot!(Run::new("platforms = [\n'linux/amd64',\n[],\n]\n").refusal(), @"publish.toml line 3 column 1: invalid type: sequence, expected a string");
    insta::assert_snapshot!(Run::new("[build-args]\nA = 'a'\nB = 1\n").refusal(), @"publish.toml line 3 column 5: invalid type: integer `1`, expected a string");
    insta::assert_snapshot!(Run::new("[registry]\nname = 'a'\n").refusal(), @"publish.toml line 1 column 1: invalid type: map, expected a sequence");
    let file = "[[registry]]\nname = 'a'\nrepository = 'a.b/c'\nplain-http = 'yes'\n";
    insta::assert_snapshot!(Run::new(file).refusal(), @r#"publish.toml line 4 column 14: invalid type: string "yes", expected a boolean"#);
}

#[test]
fn empty_lists_are_refused() {
    insta::assert_snapshot!(Run::new("platforms = []\n").refusal(), @"publish.toml line 1 column 13: the list is empty, leave it out to get the default");
    insta::assert_snapshot!(Run::new("registry = []\n").refusal(), @"publish.toml line 1 column 12: the list is empty, leave it out to get the default");
}

#[test]
fn repetitions_are_refused() {
    insta::assert_snapshot!(Run::new("platforms = ['linux/arm64',\n 'linux/arm64/v8']\n").refusal(), @"`platforms` in publish.toml line 2: platform linux/arm64 is given twice");
    insta::assert_snapshot!(Run::bare().flags(&["--platforms=linux/a,linux/a"]).refusal(), @"`--platforms` or `TALLYMAN_PLATFORMS`: platform linux/a is given twice");
    let one = "[[registry]]\nname = 'a'\nrepository = 'a.b/c'\n";
    insta::assert_snapshot!(Run::new(&format!("{one}{one}")).refusal(), @"`name` in publish.toml line 5: registry a is given twice");
    let other = "[[registry]]\nname = 'b'\nrepository = 'A.b/c'\n";
    insta::assert_snapshot!(Run::new(&format!("{one}{other}")).refusal(), @"`repository` in publish.toml line 6: repository a.b/c is given twice");
    insta::assert_snapshot!(Run::bare().flags(&["--registry=a=x.y/a,a=x.y/b"]).refusal(), @"`--registry` or `TALLYMAN_REGISTRIES`: registry a is given twice");
    insta::assert_snapshot!(Run::bare().flags(&["--registry=a=x.y/a,b=x.y/a"]).refusal(), @"`--registry` or `TALLYMAN_REGISTRIES`: repository x.y/a is given twice");
    // A mistake in the list that flags replace is a mistake all the same.
    insta::assert_snapshot!(Run::new(&format!("{one}{one}")).flags(&["--registry=a=x.y/a"]).refusal(), @"`name` in publish.toml line 5: registry a is given twice");
}

#[test]
fn invalid_platforms_are_refused() {
    insta::assert_snapshot!(Run::new("platforms = ['amd64']\n").refusal(), @"`platforms` in publish.toml line 1: `amd64` is not a platform, expected os/architecture such as linux/amd64 or linux/arm64");
    insta::assert_snapshot!(Run::bare().flags(&["--platforms", "linux/amd64,"]).refusal(), @"`--platforms` or `TALLYMAN_PLATFORMS`: `` is not a platform, expected os/architecture such as linux/amd64 or linux/arm64");
}

#[test]
fn invalid_image_names_are_refused() {
    insta::assert_snapshot!(Run::bare().env(&[]).refusal(), @r#"
        the image has no name
        hint: write `image = "owner/name"` in publish.toml, or give `--image owner/name`
    "#);
    insta::assert_snapshot!(Run::bare().on_github("acme/.github").refusal(), @r"
        `GITHUB_REPOSITORY`: `acme/.github` is not an image name
        hint: an image name is owner/name such as acme/hello; give another one with `--image` or `image`
    ");
    insta::assert_snapshot!(Run::new("image = 'hello'\n").refusal(), @r"
        `image` in publish.toml line 1: `hello` is not an image name
        hint: an image name is owner/name such as acme/hello; give another one with `--image` or `image`
    ");
    insta::assert_snapshot!(Run::bare().flags(&["--image", "ghcr.io/acme/hello"]).refusal(), @r"
        `--image` or `TALLYMAN_IMAGE`: `ghcr.io/acme/hello` begins with a registry, which an image name does not have
        hint: an image name is owner/name such as acme/hello; give another one with `--image` or `image`
    ");
    insta::assert_snapshot!(Run::bare().flags(&["--image", "acme/hello:latest"]).refusal(), @r"
        `--image` or `TALLYMAN_IMAGE`: `acme/hello:latest` is not an image name
        hint: an image name is owner/name such as acme/hello; give another one with `--image` or `image`
    ");
}

#[test]
fn invalid_registries_are_refused() {
    insta::assert_snapshot!(Run::new("\n[[registry]]\nrepository = 'a.b/c'\n").refusal(), @"publish.toml line 2 column 1: missing field `name`");
    insta::assert_snapshot!(Run::new("[[registry]]\nname = 'a'\n").refusal(), @"publish.toml line 1 column 1: missing field `repository`");
    insta::assert_snapshot!(Run::new("[[registry]]\nname = 'A_b'\nrepository = 'a.b/c'\n").refusal(), @r"
        `name` in publish.toml line 2: `A_b` is not a short name
        hint: a registry's short name is made of lower-case letters, digits and `-`, such as ghcr
    ");
    insta::assert_snapshot!(Run::new("[[registry]]\nname = 'a'\nrepository = 'acme/hello'\n").refusal(), @"`repository` in publish.toml line 3: `acme/hello` names no registry, expected host/name such as ghcr.io/acme/hello");
    insta::assert_snapshot!(Run::bare().flags(&["--registry", "ghcr.io/acme/hello"]).refusal(), @r"
        `--registry` or `TALLYMAN_REGISTRIES`: `ghcr.io/acme/hello` has no `=`
        hint: write name=host/repository, for example ghcr=ghcr.io/acme/hello
    ");
    insta::assert_snapshot!(Run::bare().flags(&["--registry", "=ghcr.io/acme/hello"]).refusal(), @r"
        `--registry` or `TALLYMAN_REGISTRIES`: `` is not a short name
        hint: a registry's short name is made of lower-case letters, digits and `-`, such as ghcr
    ");
    insta::assert_snapshot!(Run::bare().flags(&["--registry", "ghcr=ghcr.io/Acme/hello"]).refusal(), @"`--registry` or `TALLYMAN_REGISTRIES`: `Acme/hello` is not a repository name, expected lower-case letters and digits, parts divided by `/` and joined by `.`, `_` or `-`");
    insta::assert_snapshot!(Run::bare().flags(&["--plain-http", "example.org"]).refusal(), @"`--plain-http` or `TALLYMAN_PLAIN_HTTP`: `example.org` is not the host of a registry, which are docker.io, ghcr.io");
}

#[test]
fn secrets_that_are_not_named_properly_are_refused_without_being_shown() {
    let with = |keys: &str| Run::new(&format!("[[registry]]\nname = 'a'\nrepository = 'a.b/c'\n{keys}\n")).refusal();
    insta::assert_snapshot!(with("username-env = 'A'\npassword-env = 'dckr_pat_s3cret'"), @r"
        `password-env` in publish.toml line 5: the value is not the name of a variable in upper case
        hint: give the name of the variable that holds the secret, such as REGISTRY_TOKEN, never the secret
    ");
    insta::assert_snapshot!(with("password-env = 'TOKEN'"), @r"
        `name` in publish.toml line 2: the registry has only one of `username-env` and `password-env`
        hint: give both `username-env` and `password-env`, or neither to use the machine's auth files
    ");
    insta::assert_snapshot!(with("username-env = ''"), @r"
        `username-env` in publish.toml line 4: the value is not the name of a variable in upper case
        hint: give the name of the variable that holds the secret, such as REGISTRY_TOKEN, never the secret
    ");
    insta::assert_snapshot!(Run::new("dockerhub-namespace = 'me@example.com'\n").refusal(), @r"
        `dockerhub-namespace` in publish.toml line 1: `me@example.com` is not a namespace on Docker Hub
        hint: give the user or organisation on Docker Hub that the image belongs to, such as acme
    ");
    insta::assert_snapshot!(Run::bare().flags(&["--dockerhub-namespace", "a/b"]).refusal(), @r"
        `--dockerhub-namespace` or `TALLYMAN_DOCKERHUB_NAMESPACE`: `a/b` is not a namespace on Docker Hub
        hint: give the user or organisation on Docker Hub that the image belongs to, such as acme
    ");
}

#[test]
fn invalid_waits_are_refused() {
    insta::assert_snapshot!(Run::new("retry-base = '2'\n").refusal(), @r"
        `retry-base` in publish.toml line 1: `2` is not a wait
        hint: write a duration such as `2s` or `500ms`, at most 60s
    ");
    insta::assert_snapshot!(Run::bare().flags(&["--retry-base", "61s"]).refusal(), @r"
        `--retry-base` or `TALLYMAN_RETRY_BASE`: `61s` is longer than 60s
        hint: write a duration such as `2s` or `500ms`, at most 60s
    ");
}

#[test]
fn invalid_build_arguments_are_refused() {
    insta::assert_snapshot!(Run::bare().flags(&["--build-arg", "VERSION"]).refusal(), @r"
        `--build-arg`: `VERSION` has no `=`
        hint: write KEY=VALUE, the key made of letters, digits and `_`
    ");
    insta::assert_snapshot!(Run::bare().flags(&["--build-arg", "=s3cret"]).refusal(), @r"
        `--build-arg`: `` is not the name of a build argument
        hint: write KEY=VALUE, the key made of letters, digits and `_`
    ");
    insta::assert_snapshot!(Run::new("[build-args]\n'A B' = 'c'\n").refusal(), @r"
        `build-args.A B` in publish.toml line 2: `A B` is not the name of a build argument
        hint: write KEY=VALUE, the key made of letters, digits and `_`
    ");
}

#[test]
fn invalid_clean_ups_are_refused() {
    insta::assert_snapshot!(Run::new("cleanup = 'later'\n").refusal(), @r"
        `cleanup` in publish.toml line 1: `later` is no time for a clean-up
        hint: give `after` (the tag moves, then the old image goes), `before` (the old image goes, then the tag is set at once) or `off`
    ");
    let file = "[[registry]]\nname = 'a'\nrepository = 'a.b/c'\ndriver = 'harbor'\n";
    insta::assert_snapshot!(Run::new(file).refusal(), @r"
        `driver` in publish.toml line 4: `harbor` is no driver
        hint: give `github` (GitHub Packages), `dockerhub` (Docker Hub's API), `distribution` (DELETE by digest) or `none`
    ");
    insta::assert_snapshot!(Run::bare().flags(&["--driver=github"]).refusal(), @r"
        `--driver` or `TALLYMAN_DRIVERS`: `github` has no `=`
        hint: write name=driver, for example ghcr=github
    ");
    insta::assert_snapshot!(Run::bare().flags(&["--driver=gchr=github"]).refusal(), @r"
        `--driver` or `TALLYMAN_DRIVERS`: `gchr` is not the name of a registry
        hint: write name=driver, for example ghcr=github
    ");
}
