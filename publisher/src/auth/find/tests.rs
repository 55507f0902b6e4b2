//! Files in temporary folders, helpers as real programs.

use std::{io::Write, process::Stdio};

use rstest::rstest;
use tempfile::TempDir;

use super::*;
use crate::auth::Secret;

const CANARY: &str = "canary-4711";
/// `printf ann:pw | base64`, and so on.
const ANN: &str = r#"{"auth":"YW5uOnB3"}"#;
const BOB: &str = r#"{"auth":"Ym9iOnB3"}"#;
const EVE: &str = r#"{"auth":"ZXZlOnB3"}"#;

/// A machine whose folders all lie in one temporary folder, which `~` stands for.
struct Machine(TempDir);

impl Machine {
    fn new() -> Self {
        Self(TempDir::new().unwrap())
    }

    fn with(self, path: &str, content: &str) -> Self {
        let path = self.0.path().join(path);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(path, content).unwrap();
        self
    }

    /// With a helper that notes how it was called.
    fn with_helper(self, name: &str, answer: &str) -> Self {
        let asked = self.0.path().join("asked");
        let script = format!("server=$(cat)\necho \"$* $server\" >>'{}'\n{answer}", asked.display());
        self.with_program(name, &script)
    }

    /// The shell writes the program: had this process the file open for writing while another test starts one, the
    /// kernel would refuse to run it ("text file busy").
    fn with_program(self, name: &str, script: &str) -> Self {
        let path = self.0.path().join("bin").join(format!("docker-credential-{name}"));
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        let mut shell = std::process::Command::new("sh")
            .args(["-c", r#"cat >"$0" && chmod +x "$0""#])
            .arg(path)
            .stdin(Stdio::piped())
            .spawn()
            .unwrap();
        shell.stdin.take().unwrap().write_all(format!("#!/bin/sh\n{script}\n").as_bytes()).unwrap();
        assert!(shell.wait().unwrap().success());
        self
    }

    /// Finds with these variables, and with `HOME` and `PATH` in the folder.
    async fn find(&self, repository: &str, variables: &[(&str, &str)]) -> Result<FoundCredential, AuthError> {
        let root = self.0.path().to_str().unwrap();
        let base = [("HOME", "~/home"), ("PATH", "relative:~/none:~/bin")];
        let variables = base.iter().chain(variables).map(|(name, value)| (*name, value.replace('~', root)));
        find(&variables.collect(), &repository.parse().unwrap(), Some(("REG_USER", "REG_TOKEN"))).await
    }

    /// Who was found and where, in one line.
    async fn shown(&self, repository: &str, variables: &[(&str, &str)]) -> String {
        let found = self.find(repository, variables).await.unwrap();
        let origin = self.without_root(&found.origin);
        match found.credential {
            Credential::Anonymous => format!("nobody: {origin}"),
            Credential::Basic { username, password } => format!("{username} {}: {origin}", password.expose()),
            Credential::IdentityToken(token) => format!("<token> {}: {origin}", token.expose()),
        }
    }

    async fn error(&self, repository: &str, variables: &[(&str, &str)]) -> String {
        let error = self.find(repository, variables).await.unwrap_err();
        assert!(error.request().is_none() && error.hint().is_some());
        let chain = crate::exit::Failure::new(crate::exit::Exit::Failed, "x").because(error.clone()).chain();
        assert!(!format!("{error:?} {chain:?} {:?}", error.hint()).contains(CANARY));
        self.without_root(&chain[1..].join(": "))
    }

    fn asked(&self) -> String {
        std::fs::read_to_string(self.0.path().join("asked")).unwrap_or_default()
    }

    fn without_root(&self, text: &str) -> String {
        text.replace(self.0.path().to_str().unwrap(), "~")
    }
}

fn auths(entries: &[(&str, &str)]) -> String {
    let entries: Vec<String> = entries.iter().map(|(key, entry)| format!("{key:?}:{entry}")).collect();
    format!(r#"{{"auths":{{{}}}}}"#, entries.join(","))
}

/// In docker's file under the home folder.
async fn shown_with(content: &str, repository: &str) -> String {
    let shown = Machine::new().with("home/.docker/config.json", content).shown(repository, &[]).await;
    shown.strip_suffix(": auth file ~/home/.docker/config.json").unwrap_or(&shown).to_owned()
}

#[rstest]
#[case("docker.io/a", &[("REG_USER", "u"), ("REG_TOKEN", "t")], "u t: environment REG_USER/REG_TOKEN")]
#[case("docker.io/a", &[("REG_USER", "u\n"), ("REG_TOKEN", "t\r\n")], "u t: environment REG_USER/REG_TOKEN")]
#[case("ghcr.io/a", &[("REG_USER", "u"), ("REG_TOKEN", "t")], "u t: environment REG_USER/REG_TOKEN")]
#[case("ghcr.io/a", &[("REG_TOKEN", "t")], "x-access-token t: environment REG_TOKEN")]
#[case("ghcr.io/a", &[("REG_USER", "u")], "ann pw: auth file ~/home/.docker/config.json")]
#[case("ghcr.io/a", &[("REG_USER", "u"), ("REG_TOKEN", "\n")], "ann pw: auth file ~/home/.docker/config.json")]
#[tokio::test]
async fn the_environment_wins(#[case] repository: &str, #[case] variables: &[(&str, &str)], #[case] shown: &str) {
    let file = auths(&[("ghcr.io", ANN), ("docker.io", ANN)]);
    assert_eq!(Machine::new().with("home/.docker/config.json", &file).shown(repository, variables).await, shown);
}

#[rstest]
#[case(&[("REG_USER", "u")], "REG_USER is set but REG_TOKEN is not")]
#[case(&[("REG_USER", "u"), ("REG_TOKEN", "")], "REG_USER is set but REG_TOKEN is not")]
#[case(&[("REG_TOKEN", "canary-4711")], "REG_TOKEN is set but REG_USER is not")]
#[tokio::test]
async fn half_a_credential_is_an_error_that_names_the_other_half(
    #[case] variables: &[(&str, &str)],
    #[case] error: &str,
) {
    let machine = Machine::new().with("home/.docker/config.json", &auths(&[("docker.io", ANN)]));
    assert_eq!(machine.error("docker.io/a", variables).await, error);
}

const RUN: (&str, &str) = ("XDG_RUNTIME_DIR", "~/run");

#[rstest]
#[case(&[], "ann pw: auth file ~/home/.config/containers/auth.json")]
#[case(&[RUN], "bob pw: auth file ~/run/containers/auth.json")]
#[case(&[("XDG_RUNTIME_DIR", "~/empty")], "ann pw: auth file ~/home/.config/containers/auth.json")]
#[case(&[("XDG_CONFIG_HOME", "~/config")], "bob pw: auth file ~/config/containers/auth.json")]
#[case(&[("XDG_CONFIG_HOME", "~/empty")], "eve pw: auth file ~/home/.docker/config.json")]
#[case(&[RUN, ("DOCKER_CONFIG", "~/docker")], "ann pw: auth file ~/docker/config.json")]
#[case(&[RUN, ("DOCKER_CONFIG", "~/empty")], "nobody: nowhere, looked in environment REG_USER/REG_TOKEN, ~/empty/config.json")]
#[case(&[RUN, ("DOCKER_CONFIG", "~/docker"), ("REGISTRY_AUTH_FILE", "~/mine.json")], "eve pw: auth file ~/mine.json")]
#[case(&[("HOME", "")], "nobody: nowhere, looked in environment REG_USER/REG_TOKEN")]
#[tokio::test]
async fn files_are_read_in_the_order_of_containers_image(#[case] variables: &[(&str, &str)], #[case] shown: &str) {
    let machine = Machine::new()
        .with("home/.config/containers/auth.json", &auths(&[("ghcr.io", ANN)]))
        .with("home/.docker/config.json", &auths(&[("ghcr.io", EVE)]))
        .with("run/containers/auth.json", &auths(&[("ghcr.io", BOB)]))
        .with("config/containers/auth.json", &auths(&[("ghcr.io", BOB)]))
        .with("docker/config.json", &auths(&[("ghcr.io", ANN)]))
        .with("mine.json", &auths(&[("ghcr.io", EVE)]));
    assert_eq!(machine.shown("ghcr.io/acme/hello", variables).await, shown);
}

#[rstest]
#[case(auths(&[("other.io", BOB)]))]
#[case(auths(&[("ghcr.io", "{}")]))]
#[case("{}".into())]
#[case(" \n".into())]
#[case(r#"{"auths":null,"credHelpers":null,"credsStore":""}"#.into())]
#[tokio::test]
async fn a_file_that_does_not_know_the_registry_leaves_it_to_the_next(#[case] first: String) {
    let machine = Machine::new()
        .with("run/containers/auth.json", &first)
        .with("home/.docker/config.json", &auths(&[("ghcr.io", ANN)]));
    assert_eq!(machine.shown("ghcr.io/a", &[RUN]).await, "ann pw: auth file ~/home/.docker/config.json");
}

#[rstest]
#[case::repository("ghcr.io/acme/hello", &[("ghcr.io", ANN), ("ghcr.io/acme", BOB), ("ghcr.io/acme/hello", EVE)], "eve pw")]
#[case::namespace("ghcr.io/acme/other", &[("ghcr.io", ANN), ("ghcr.io/acme", BOB), ("ghcr.io/acme/hello", EVE)], "bob pw")]
#[case::host("ghcr.io/else/hello", &[("ghcr.io", ANN), ("ghcr.io/acme", BOB)], "ann pw")]
#[case::longest_namespace("ghcr.io/a/b/c", &[("ghcr.io/a", ANN), ("ghcr.io/a/b", BOB)], "bob pw")]
#[case::whole_parts_only("ghcr.io/acmeplus/a", &[("ghcr.io", ANN), ("ghcr.io/acme", BOB)], "ann pw")]
#[case::empty_is_passed_over("ghcr.io/acme/a", &[("ghcr.io", ANN), ("ghcr.io/acme", "{}")], "ann pw")]
#[case::port("127.0.0.1:5000/a", &[("127.0.0.1", BOB), ("127.0.0.1:5000", ANN)], "ann pw")]
#[case::hub_by_docker("docker.io/a/b", &[("https://index.docker.io/v1/", ANN)], "ann pw")]
#[case::hub_by_name("docker.io/a/b", &[("https://index.docker.io/v1/", ANN), ("docker.io", BOB)], "bob pw")]
#[case::hub_namespace("docker.io/a/b", &[("https://index.docker.io/v1/", ANN), ("docker.io/a", BOB)], "bob pw")]
#[case::hub_index("docker.io/a/b", &[("index.docker.io", ANN)], "ann pw")]
#[case::hub_api("docker.io/a/b", &[("registry-1.docker.io", ANN)], "ann pw")]
#[case::hub_address("docker.io/a/b", &[("https://registry-1.docker.io/v2/", ANN)], "ann pw")]
#[case::address("ghcr.io/a", &[("https://ghcr.io/v2/", ANN)], "ann pw")]
#[case::plain_address("127.0.0.1:5000/a", &[("http://127.0.0.1:5000", ANN)], "ann pw")]
#[case::name_before_address("ghcr.io/a", &[("https://ghcr.io", BOB), ("ghcr.io", ANN)], "ann pw")]
#[tokio::test]
async fn the_closest_key_wins(#[case] repository: &str, #[case] entries: &[(&str, &str)], #[case] shown: &str) {
    assert_eq!(shown_with(&auths(entries), repository).await, shown);
}

#[rstest]
#[case::password_with_colon(r#"{"auth":"YW5uOnA6dw=="}"#, "ann p:w")]
#[case::padded_with_nul(r#"{"auth":"YW5uOnB3AAA="}"#, "ann pw")]
#[case::fields(r#"{"username":"ann","password":"pw"}"#, "ann pw")]
#[case::auth_before_fields(r#"{"auth":"YW5uOnB3","username":"bob","password":"x"}"#, "ann pw")]
#[case::identity_token(r#"{"auth":"YW5uOg==","identitytoken":"refresh"}"#, "<token> refresh")]
#[tokio::test]
async fn every_form_of_an_entry_is_read(#[case] entry: &str, #[case] shown: &str) {
    assert_eq!(shown_with(&auths(&[("ghcr.io", entry)]), "ghcr.io/a").await, shown);
}

#[rstest]
#[case(
    r#"{"auths":"canary-4711"}"#,
    "failed to read the auth file ~/home/.docker/config.json: it is broken at line 1, column 22"
)]
#[case(
    "{\n\"auths\":{\"ghcr.io\":{\"auth\":\"canary-4711",
    "failed to read the auth file ~/home/.docker/config.json: it is broken at line 2, column 39"
)]
#[case(
    r#"{"auths":{"ghcr.io":{"auth":"canary-4711"}}}"#,
    "failed to read the auth file ~/home/.docker/config.json: the entry `ghcr.io` cannot be decoded"
)]
#[case(
    r#"{"auths":{"ghcr.io":{"auth":"YW5u"}}}"#,
    "failed to read the auth file ~/home/.docker/config.json: the entry `ghcr.io` cannot be decoded"
)]
#[tokio::test]
async fn broken_files_are_named_and_not_quoted(#[case] content: &str, #[case] error: &str) {
    let machine = Machine::new().with("home/.docker/config.json", content);
    assert_eq!(machine.error("ghcr.io/a", &[]).await, error);
}

#[tokio::test]
async fn the_file_that_the_user_named_must_be_there() {
    let error = Machine::new().error("ghcr.io/a", &[("REGISTRY_AUTH_FILE", "~/mine.json")]).await;
    assert_eq!(error, "failed to read the auth file ~/mine.json: No such file or directory (os error 2)");
}

#[tokio::test]
async fn a_file_that_cannot_be_read_is_an_error() {
    let machine = Machine::new().with("mine.json/in the way", "");
    let error = machine.error("ghcr.io/a", &[("REGISTRY_AUTH_FILE", "~/mine.json")]).await;
    assert!(error.starts_with("failed to read the auth file ~/mine.json: "), "{error}");
}

const ANSWER: &str = r#"echo '{"ServerURL":"x","Username":"eve","Secret":"canary-4711"}'"#;
const UNKNOWN: &str = "echo 'credentials not found in native keychain'; exit 1";
const ONE: &str = r#"{"auths":{"ghcr.io":{"auth":"YW5uOnB3"}},"credHelpers":{"ghcr.io":"test"}}"#;
const STORE: &str = r#"{"auths":{"ghcr.io":{},"https://index.docker.io/v1/":{}},"credsStore":"test"}"#;
const NAMED: &str = "helper docker-credential-test named in ~/home/.docker/config.json";

#[rstest]
#[case::one_registry(ONE, "ghcr.io/a", ANSWER, format!("eve {CANARY}: {NAMED}"), "get ghcr.io\n")]
#[case::all_registries(STORE, "ghcr.io/a", ANSWER, format!("eve {CANARY}: {NAMED}"), "get ghcr.io\n")]
#[case::hub(STORE, "docker.io/a", ANSWER, format!("eve {CANARY}: {NAMED}"), "get https://index.docker.io/v1/\n")]
#[case::hub_by_podman(
    STORE,
    "docker.io/a",
    &format!(r#"[ "$server" = docker.io ] || {{ {UNKNOWN}; }}; {ANSWER}"#),
    format!("eve {CANARY}: {NAMED}"),
    "get https://index.docker.io/v1/\nget docker.io\n"
)]
#[case::identity_token(
    STORE,
    "ghcr.io/a",
    r#"echo '{"Username":"<token>","Secret":"refresh"}'"#,
    format!("<token> refresh: {NAMED}"),
    "get ghcr.io\n"
)]
#[case::helper_knows_nothing(ONE, "ghcr.io/a", UNKNOWN, "ann pw: auth file ~/home/.docker/config.json".into(), "get ghcr.io\n")]
#[case::other_registry(ONE, "quay.io/a", "exit 1", "nobody: nowhere, looked in environment REG_USER/REG_TOKEN, ~/home/.config/containers/auth.json, ~/home/.docker/config.json".into(), "")]
#[case::entry_before_store(
    r#"{"auths":{"ghcr.io":{"auth":"YW5uOnB3"}},"credsStore":"test"}"#,
    "ghcr.io/a",
    ANSWER,
    "ann pw: auth file ~/home/.docker/config.json".into(),
    ""
)]
#[tokio::test]
async fn helpers_are_asked(
    #[case] file: &str,
    #[case] repository: &str,
    #[case] answer: &str,
    #[case] shown: String,
    #[case] asked: &str,
) {
    let machine = Machine::new().with("home/.docker/config.json", file).with_helper("test", answer);
    assert_eq!((machine.shown(repository, &[]).await, machine.asked().as_str()), (shown, asked));
}

#[rstest]
#[case("exit 7", "it failed: exit status: 7")]
#[case("echo canary-4711; echo canary-4711 >&2; exit 1", "it failed: exit status: 1")]
#[case("echo canary-4711", "its answer is no credential")]
#[case(r#"echo '{"Username":"canary-4711"'"#, "its answer is no credential")]
#[case("kill -9 $$", "it failed: signal: 9 (SIGKILL)")]
#[tokio::test]
async fn a_helper_that_fails_is_named_and_not_quoted(#[case] answer: &str, #[case] error: &str) {
    let machine = Machine::new().with("home/.docker/config.json", STORE).with_helper("test", answer);
    let whole = "failed to get a credential from docker-credential-test, which ~/home/.docker/config.json names";
    assert_eq!(machine.error("ghcr.io/a", &[]).await, format!("{whole}: {error}"));
}

#[rstest]
#[case::not_there("absent")]
#[case::below_the_path("x/../sub/test")]
#[tokio::test]
async fn a_helper_outside_of_the_path_is_not_run(#[case] name: &str) {
    let file = format!(r#"{{"credsStore":"{name}"}}"#);
    let machine = Machine::new().with("home/.docker/config.json", &file).with_program("x/../sub/test", ANSWER);
    let error = machine.error("ghcr.io/a", &[]).await;
    assert!(error.ends_with("names: it is not in the PATH"), "{error}");
}

/// The clock is paused: it jumps to the limit as soon as everything waits for the helper.
#[tokio::test(start_paused = true)]
async fn a_helper_that_never_answers_is_given_up() {
    let machine = Machine::new().with("home/.docker/config.json", STORE).with_helper("test", "exec sleep 600");
    let error = machine.error("ghcr.io/a", &[]).await;
    assert!(error.ends_with("names: it gave no answer within 60 seconds"), "{error}");
}

#[tokio::test]
async fn what_is_found_can_be_shown_without_its_secret() {
    let machine = Machine::new().with("home/.docker/config.json", STORE).with_helper("test", ANSWER);
    let found = machine.find("ghcr.io/a", &[]).await.unwrap();
    assert_eq!(found.credential, Credential::Basic { username: "eve".into(), password: Secret::new(CANARY) });
    assert!(!format!("{found:?}").contains(CANARY));
}
