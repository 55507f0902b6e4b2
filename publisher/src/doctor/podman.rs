//! podman by what it says about itself.

use super::{
    finding::{Finding, Status, install},
    machine::Machine,
};
use crate::podman::{HERE_DOCUMENTS_VERSION, Info, MIN_VERSION, PodmanError, RUNTIME_TOO_OLD_HINT, check_version};

/// The runtimes that podman knows, the one it prefers first.
const RUNTIMES: [&str; 2] = ["crun", "runc"];

/// podman and what it needs for containers; without podman only what can be looked for. `ran` tells how a container went.
pub(super) fn findings(
    machine: &Machine<'_>,
    info: Result<&Info, &PodmanError>,
    ran: Result<(), &PodmanError>,
) -> Vec<Finding> {
    let mut findings = vec![podman(info)];
    match info {
        Ok(info) => {
            findings.extend([rootless(info), storage(info), cgroups(info), runs(info, ran)]);
        }
        Err(_) => findings.push(runtime(machine)),
    }
    findings
}

fn podman(info: Result<&Info, &PodmanError>) -> Finding {
    let newer =
        format!("install podman {MIN_VERSION} or newer, from a newer suite of the distribution; ./setup.sh does");
    match info {
        Ok(info) => match check_version(&info.version, info.rootless) {
            Err(error @ PodmanError::TooOld { .. }) => Finding::bad("podman", Status::TooOld, error.to_string(), newer),
            _ if info.version.major < HERE_DOCUMENTS_VERSION.major => {
                let lacks = format!("{}; it cannot read here-documents in Containerfiles", info.version);
                Finding::ok("podman", lacks)
            }
            _ => Finding::ok("podman", info.version.to_string()),
        },
        Err(error @ PodmanError::NotFound { .. }) => Finding::bad("podman", Status::Missing, error.to_string(), newer),
        Err(error) => {
            Finding::bad("podman", Status::Missing, error.to_string(), "mend the other findings; see podman info")
        }
    }
}

fn rootless(info: &Info) -> Finding {
    if info.rootless {
        Finding::ok("rootless", "podman runs without root")
    } else {
        Finding::bad(
            "rootless",
            Status::Missing,
            "podman runs as root",
            "run as an ordinary user, or through scripts/rootless",
        )
    }
}

fn storage(info: &Info) -> Finding {
    let root = info.graph_root.display();
    match info.graph_driver.as_str() {
        "overlay" if info.fuse => Finding::ok("storage", format!("overlay through fuse in {root}")),
        "overlay" => Finding::ok("storage", format!("overlay in {root}")),
        other => Finding::bad(
            "storage",
            Status::Warning,
            format!("{other} in {root}; every layer is a full copy"),
            "driver = \"overlay\" under [storage] in ~/.config/containers/storage.conf, then podman system reset",
        ),
    }
}

fn cgroups(info: &Info) -> Finding {
    match info.cgroups.as_str() {
        "v2" => Finding::ok("cgroups", "v2"),
        other => Finding::bad(
            "cgroups",
            Status::Warning,
            format!("{other}; only runc works with it, and containers cannot be paused"),
            "boot with systemd.unified_cgroup_hierarchy=1, or run through scripts/rootless",
        ),
    }
}

/// The runtime that a container was run with.
fn runs(info: &Info, ran: Result<(), &PodmanError>) -> Finding {
    match ran {
        Ok(()) => Finding::ok("runtime", format!("{}, a container runs", info.runtime)),
        Err(error) => {
            let detail = format!("{}, a container does not run: {error}", info.runtime);
            Finding::bad("runtime", Status::Missing, detail, RUNTIME_TOO_OLD_HINT)
        }
    }
}

fn runtime(machine: &Machine<'_>) -> Finding {
    match RUNTIMES.iter().find_map(|runtime| machine.program(runtime)) {
        Some(file) => Finding::ok("runtime", file.display().to_string()),
        None => Finding::bad("runtime", Status::Missing, "neither crun nor runc found", install("crun")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        doctor::machine::tests::{environment, machine_with},
        podman::tests::info,
    };

    fn examine(info: Result<&Info, &PodmanError>) -> Vec<(String, Status)> {
        let (root, environment) = (machine_with(&[]), environment());
        let findings = findings(&Machine::new(&environment, root.path()), info, Ok(()));
        assert!(
            findings.iter().all(|finding| finding.mend.is_some() == (finding.status != Status::Ok)),
            "{findings:?}"
        );
        findings.into_iter().map(|finding| (finding.name, finding.status)).collect()
    }

    #[test]
    fn a_good_podman_has_nothing_to_mend() {
        let found = examine(Ok(&info()));
        assert!(found.len() == 5 && found.iter().all(|(_, status)| *status == Status::Ok), "{found:?}");
    }

    #[rstest::rstest]
    #[case(Info { version: semver::Version::new(3, 4, 4), ..info() }, "podman", Status::TooOld)]
    #[case(Info { rootless: false, ..info() }, "rootless", Status::Missing)]
    #[case(Info { graph_driver: "vfs".into(), ..info() }, "storage", Status::Warning)]
    #[case(Info { cgroups: "v1".into(), ..info() }, "cgroups", Status::Warning)]
    fn each_flaw_is_found_alone(#[case] info: Info, #[case] name: &str, #[case] status: Status) {
        let flaws: Vec<_> = examine(Ok(&info)).into_iter().filter(|(_, status)| *status != Status::Ok).collect();
        assert_eq!(flaws, [(name.to_owned(), status)]);
    }

    #[test]
    fn a_runtime_that_refuses_containers_is_found() {
        let (root, environment) = (machine_with(&[]), environment());
        let refused = PodmanError::Failed {
            command: "podman run",
            reason: "OCI runtime error: crun: unknown version specified".into(),
        };
        let findings = findings(&Machine::new(&environment, root.path()), Ok(&info()), Err(&refused));
        let runtime = findings.iter().find(|finding| finding.name == "runtime").unwrap();
        assert_eq!(runtime.status, Status::Missing);
        assert!(runtime.detail.ends_with("OCI runtime error: crun: unknown version specified"), "{}", runtime.detail);
    }

    #[test]
    fn without_podman_the_runtime_is_looked_for() {
        let found = examine(Err(&PodmanError::NotFound { program: "podman".into() }));
        assert_eq!(found, [("podman".to_owned(), Status::Missing), ("runtime".to_owned(), Status::Missing)]);
    }
}
