//! A harness that is broken on purpose: nobody can tell then, and nothing may be green.

use std::{
    collections::BTreeSet,
    env, fs,
    os::unix::fs::symlink,
    process::{Command, Output},
};

use libtest_mimic::{Failed, Trial};
use serde_json::Value;
use verify::requirements::REQUIREMENTS;

use crate::world::project;

/// The exit code that says that nobody can tell.
const UNKNOWN: i32 = 2;
/// Programs that the harness needs besides podman.
const NEEDED: &[&str] =
    &["bash", "cat", "dirname", "docker-registry", "env", "git", "id", "install", "mktemp", "rm", "sed", "sh"];

/// One trial for each way to break it.
pub(crate) fn trials() -> Vec<Trial> {
    vec![
        Trial::test("broken::without_podman_nobody_can_tell", without_podman),
        Trial::test("broken::without_a_registry_nobody_can_tell", without_registry),
        Trial::test("broken::a_registry_that_does_not_answer_is_no_verdict", silent_registry),
        Trial::test("broken::a_registry_that_is_killed_on_the_way_is_no_verdict", killed_registry),
        Trial::test("broken::without_a_port_nobody_can_tell", without_port),
        Trial::test("list::every_requirement_appears_with_all_that_is_asked_for", lists_everything),
    ]
}

fn without_podman() -> Result<(), Failed> {
    unknown(
        &run(&["local", "--subject", &ours(), "--scenario", "first-ever", "--registry", "process"], Some("podman")),
        "podman",
    )
}

fn without_registry() -> Result<(), Failed> {
    unknown(
        &run(
            &["local", "--subject", &ours(), "--scenario", "versions", "--registry", "process"],
            Some("docker-registry"),
        ),
        "docker-registry",
    )
}

/// The discard port (RFC 863), where nobody listens.
fn silent_registry() -> Result<(), Failed> {
    unknown(&run(&["live", "127.0.0.1:9/acme/hello:latest"], None), "127.0.0.1:9")
}

/// A pipeline that ends the containers of whoever started it, and then asks for a registry. Its own store is another one.
const KILLER: &str = r#"#!/usr/bin/env bash
set -euo pipefail
if [[ $1 == prepare ]]; then
    unset "${!CONTAINERS_@}" XDG_DATA_HOME
    HOME=$USERS_HOME podman ps --filter label=tallyman.verify --format '{{.ID}} {{index .Labels "tallyman.verify"}}' |
        sed -n "s/ $PPID-.*//p" | HOME=$USERS_HOME xargs -r podman kill >&2
    echo tag=latest >>"$GITHUB_OUTPUT"
fi
exec 3<>"/dev/tcp/${VERIFY_GHCR%%[:/]*}/$(sed -E 's#.*:([0-9]+)/.*#\1#' <<<"$VERIFY_GHCR")"
printf 'GET /v2/ HTTP/1.1\r\nHost: registry\r\nConnection: close\r\n\r\n' >&3
cat <&3
"#;

fn killed_registry() -> Result<(), Failed> {
    let folder = tempfile::tempdir()?;
    let killer = folder.path().join("killer");
    fs::write(&killer, KILLER)?;
    // Files that this process has open for writing cannot be executed; a copy is made by another one.
    let subject = folder.path().join("subject");
    let copied = Command::new("install").args(["-m", "755"]).args([&killer, &subject]).status()?;
    assert!(copied.success());
    let subject = subject.to_string_lossy();
    let home = format!("USERS_HOME={}", env::var("HOME")?);
    let arguments =
        ["local", "--subject", &subject, "--scenario", "first-ever", "--registry", "container", "--env", &home];
    unknown(&run(&arguments, None), "the proxy of ghcr")
}

/// In a network where programs get one port, which the first of several servers takes.
fn without_port() -> Result<(), Failed> {
    let network = "ip link set lo up; echo 40000 40000 >/proc/sys/net/ipv4/ip_local_port_range; exec \"$0\" \"$@\"";
    let mut command = Command::new("unshare");
    command.args(["--user", "--map-root-user", "--net", "sh", "-c", network]).arg(crate::world::verify().get_program());
    command.args(["local", "--subject", &ours(), "--scenario", "missing-secrets", "--registry", "process"]);
    unknown(&command.current_dir(project()).output()?, "in use")
}

fn lists_everything() -> Result<(), Failed> {
    let output = run(&["list", "--output", "json"], None);
    let entries: Vec<Value> = serde_json::from_slice(&output.stdout)?;
    let named = entries.iter().flat_map(|entry| entry["requirements"].as_array().unwrap());
    let named: BTreeSet<&str> = named.map(|id| id.as_str().unwrap()).collect();
    let all: BTreeSet<&str> = REQUIREMENTS.iter().map(|requirement| requirement.id).collect();
    let whole = |entry: &Value| {
        let check = ["id", "claim", "needs", "scenario"].iter().all(|key| entry.get(key).is_some());
        check || entry.get("not-shown").is_some()
    };
    if named == all && entries.iter().all(whole) { Ok(()) } else { Err(format!("{named:?}").into()) }
}

/// Not green, told as UNKNOWN, with what is missing.
fn unknown(output: &Output, missing: &str) -> Result<(), Failed> {
    let stdout = String::from_utf8_lossy(&output.stdout);
    let told = stdout.contains("UNKNOWN") && stdout.contains(missing) && !stdout.contains("PASS ");
    if output.status.code() == Some(UNKNOWN) && told {
        return Ok(());
    }
    Err(format!("{}\n{stdout}\n{}", output.status, String::from_utf8_lossy(&output.stderr)).into())
}

fn ours() -> String {
    project().join("fixtures/subjects/ours").to_string_lossy().into_owned()
}

/// Runs the program. If another program is to be missing, there is little else on its path.
pub(crate) fn run(arguments: &[&str], missing: Option<&str>) -> Output {
    let mut command = crate::world::verify();
    command.args(arguments).current_dir(project());
    let folder = tempfile::tempdir().unwrap();
    if let Some(missing) = missing {
        for name in NEEDED.iter().filter(|name| **name != missing) {
            let found =
                env::split_paths(&env::var_os("PATH").unwrap()).map(|folder| folder.join(name)).find(|it| it.exists());
            symlink(found.unwrap_or_else(|| panic!("{name} is missing")), folder.path().join(name)).unwrap();
        }
        command.env("PATH", folder.path());
    }
    command.output().unwrap()
}
