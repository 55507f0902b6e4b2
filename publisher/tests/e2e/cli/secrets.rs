//! Secrets are in nothing that a run writes, and in no process's arguments.

use base64::{Engine as _, engine::general_purpose::STANDARD};
use rstest::rstest;
use tokio::io::AsyncWriteExt as _;

use crate::support::{Ended, PASSWORD, Program, Registry, USER, World};

/// A password that nothing else contains.
const CANARY: &str = "canary-6f1d0c";

/// Everything below a folder, as text.
fn texts(folder: &std::path::Path) -> String {
    let mut all = String::new();
    for entry in folder.read_dir().unwrap().map(Result::unwrap) {
        let kind = entry.file_type().unwrap();
        if kind.is_dir() {
            all += &texts(&entry.path());
        } else if kind.is_file() {
            all += &String::from_utf8_lossy(&std::fs::read(entry.path()).unwrap());
        }
    }
    all
}

/// The arguments of all processes that this user can see.
fn all_arguments() -> String {
    let processes = std::fs::read_dir("/proc").unwrap().flatten();
    let arguments = processes.filter_map(|process| std::fs::read(process.path().join("cmdline")).ok());
    arguments.map(|bytes| String::from_utf8_lossy(&bytes).replace('\0', " ") + "\n").collect()
}

fn run(world: &World, registry: &Registry) -> Program {
    let names = "[[registry]]\nname = \"quay\"\nusername-env = \"QUAY_USER\"\npassword-env = \"QUAY_TOKEN\"\n";
    world.source.write("publish.toml", &format!("{names}repository = \"{}/acme/hello\"\n", registry.host));
    Program::new(world.source.path())
        .args(&["build", "--platform", "linux/arm64", "--ref", "refs/heads/main", "--image", "acme/hello"])
        .env("TALLYMAN_PODMAN", world.podman.program())
        .env("TALLYMAN_RETRY_BASE", "1ms")
        .env("GITHUB_ACTIONS", "true")
        .env("GITHUB_STEP_SUMMARY", world.source.path().join("summary"))
        .env("GITHUB_OUTPUT", world.source.path().join("output"))
        .env("TALLYMAN_TIMINGS", world.source.path().join("timings"))
        .env("QUAY_USER", USER)
}

#[tokio::test]
async fn a_refused_secret_is_nowhere() {
    let (world, registry) = tokio::join!(World::new(), Registry::start_with_login());
    let ended = run(&world, &registry).env("QUAY_TOKEN", CANARY).run().await;
    ended.expect(4, &["quay"]);
    let written = ended.stdout + &ended.stderr + &texts(world.source.path()) + &world.podman.calls();
    assert!(written.contains("quay") && !written.contains(CANARY), "{written}");
}

#[tokio::test]
async fn an_accepted_secret_is_nowhere_while_it_is_used() {
    let (world, registry) = tokio::join!(World::new(), Registry::start_with_login());
    let fifo = world.podman.path("arm64.wait");
    assert!(std::process::Command::new("mkfifo").arg(&fifo).status().unwrap().success());
    let child = run(&world, &registry).env("QUAY_TOKEN", PASSWORD).start();
    let mut building = tokio::fs::OpenOptions::new().write(true).open(&fifo).await.unwrap();
    let arguments = all_arguments();
    building.write_all(b"go\n").await.unwrap();
    building.flush().await.unwrap();
    assert!(arguments.contains("--platform linux/arm64"), "the run is not among the processes:\n{arguments}");
    assert!(!arguments.contains(PASSWORD));

    let ended = Ended::of(child).await;
    ended.expect(0, &[]);
    let written = ended.stdout + &ended.stderr + &texts(world.source.path()) + &world.podman.calls();
    assert!(written.contains("sha256:") && !written.contains(PASSWORD), "{written}");
}

/// The canary as it stands in an auth file, and in the header that a registry gets.
fn encoded() -> String {
    STANDARD.encode(format!("{USER}:{CANARY}"))
}

#[rstest]
#[case::refused(r#"{"auths":{"HOST":{"auth":"AUTH"}}}"#, 4, "401 Unauthorized")]
#[case::broken_file(r#"{"auths":{"HOST":{"auth":"AUTH"}}"#, 1, "is broken at line 1")]
#[case::broken_entry(r#"{"auths":{"HOST":{"auth":"!AUTH"}}}"#, 1, "cannot be decoded")]
#[tokio::test]
async fn a_secret_in_an_auth_file_is_nowhere_else(#[case] auth_file: &str, #[case] code: i32, #[case] said: &str) {
    let (world, registry) = tokio::join!(World::new(), Registry::start_with_login());
    let file = world.podman.path("auth.json");
    world.podman.write("auth.json", auth_file.replace("HOST", &registry.host).replace("AUTH", &encoded()));
    let run = run(&world, &registry).env("QUAY_USER", "").env("REGISTRY_AUTH_FILE", file);
    for output in ["text", "json"] {
        let ended = run.clone().args(&["--output", output]).run().await;
        ended.expect(code, &[said, "hint"]);
        let written = ended.stdout + &ended.stderr + &texts(world.source.path()) + &world.podman.calls();
        assert!(!written.contains(CANARY) && !written.contains(&encoded()), "{written}");
    }
}

#[tokio::test]
async fn the_secrets_of_the_default_registries_are_nowhere() {
    let world = World::new().await;
    let run = Program::new(world.source.path())
        .args(&["publish", "--ref", "refs/heads/main", "--image", "acme/hello"])
        .env("TALLYMAN_PODMAN", world.podman.program())
        .env("TALLYMAN_RETRY_BASE", "1ms")
        // Nothing leaves this machine: all that is not on it goes through a proxy that is not there.
        .env("HTTPS_PROXY", "http://127.0.0.1:1")
        .env("GITHUB_STEP_SUMMARY", world.source.path().join("summary"))
        .env("DOCKERHUB_USERNAME", USER)
        .env("DOCKERHUB_TOKEN", CANARY)
        .env("GITHUB_TOKEN", format!("github-{CANARY}"));
    let ended = run.run().await;
    ended.expect(4, &["no connection", "after 3 attempts"]);
    let written = ended.stdout + &ended.stderr + &texts(world.source.path());
    assert!(written.contains("acme/hello") && !written.contains(CANARY), "{written}");
}

/// A program in this folder that notes its environment before it goes on.
fn noting_program(folder: &std::path::Path, name: &str, notes: &std::path::Path, then: &str) {
    let script = format!("#!/bin/sh\nenv >>'{}/{name}'\n{then}\n", notes.display());
    std::fs::create_dir_all(folder).unwrap();
    // Written by a process of its own: one that this process has open for writing cannot be run.
    let write = ["-c", "printf %s \"$1\" >\"$0\" && chmod +x \"$0\""];
    let path = folder.join(name);
    assert!(std::process::Command::new("sh").args(write).arg(path).arg(script).status().unwrap().success());
}

#[tokio::test]
async fn other_programs_get_no_secret_and_everything_else() {
    const SECRETS: &[&str] =
        &["GITHUB_TOKEN", "DOCKERHUB_TOKEN", "ACTIONS_RUNTIME_TOKEN", "ACTIONS_ID_TOKEN_REQUEST_TOKEN", "QUAY_TOKEN"];
    const KEPT: &[(&str, &str)] = &[
        ("HTTPS_PROXY", "http://127.0.0.1:1"),
        ("XDG_CONFIG_HOME", "/nowhere"),
        ("AWS_SESSION_TOKEN", "for a helper"),
        ("BUILD_SECRET", "for the build"),
    ];
    let world = World::new().await;
    let (programs, notes) = (world.podman.path("programs"), world.podman.path("environments"));
    std::fs::create_dir(&notes).unwrap();
    noting_program(&programs, "git", &notes, "PATH=${PATH#*:} exec git \"$@\"");
    noting_program(&programs, "docker-credential-noting", &notes, "echo 'credentials not found'; exit 1");
    let host = &world.ghcr.host;
    let toml = format!(
        "[[registry]]\nname = \"quay\"\nusername-env = \"QUAY_USER\"\npassword-env = \"QUAY_TOKEN\"\n\
         repository = \"{host}/acme/hello\"\n[[registry]]\nname = \"plain\"\nrepository = \"{host}/acme/other\"\n"
    );
    world.source.write("publish.toml", &toml);
    world.podman.write("config.json", format!(r#"{{"credHelpers":{{"{host}":"noting"}}}}"#));
    let mut run = Program::new(world.source.path())
        .args(&["publish", "--ref", "refs/heads/main", "--image", "acme/hello", "--allow-dirty"])
        .env("PATH", format!("{}:{}", programs.display(), std::env::var("PATH").unwrap()))
        .env("DOCKER_CONFIG", world.podman.path(""))
        .env("TALLYMAN_PODMAN", world.podman.program())
        .env("QUAY_USER", USER);
    for name in SECRETS {
        run = run.env(name, CANARY);
    }
    for (name, value) in KEPT {
        run = run.env(name, value);
    }
    run.run().await.expect(0, &[]);
    for program in ["podman", "git", "docker-credential-noting"] {
        let got = std::fs::read_to_string(notes.join(program)).unwrap();
        assert!(got.contains("PATH=") && got.contains("HOME=") && !got.contains(CANARY), "{program}:\n{got}");
        let all = KEPT.iter().all(|(name, value)| got.lines().any(|line| line == format!("{name}={value}")));
        assert!(all || program == "git", "{program}:\n{got}");
    }
}
