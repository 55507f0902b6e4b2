//! Examines podman by its own report (`podman info`) and by a container that was run.

use super::finding::{Finding, Status};
use crate::podman::{HERE_DOCUMENTS_VERSION, Info, MIN_VERSION, PodmanError, RUNTIME_TOO_OLD_HINT, check_version};

/// podman and what it needs for containers. `ran` is the result of running a container.
pub(super) fn findings(info: Result<&Info, &PodmanError>, ran: Result<(), &PodmanError>) -> Vec<Finding> {
    let (error, fix) = match info {
        Ok(info) => return vec![podman(info), rootless(info), storage(info), runtime(info, ran)],
        Err(error @ PodmanError::NotStarted { .. }) => (error, newer_podman()),
        Err(error) => (error, "fix the other findings; see podman info".into()),
    };
    vec![Finding::missing("podman", error.to_string(), fix)]
}

fn newer_podman() -> String {
    format!("install podman {MIN_VERSION} or newer, from a newer suite of the distribution; ./setup.sh does")
}

fn podman(info: &Info) -> Finding {
    let version = &info.version;
    match check_version(version) {
        Err(error @ PodmanError::TooOld { .. }) => {
            Finding { status: Status::TooOld, ..Finding::missing("podman", error.to_string(), newer_podman()) }
        }
        _ if version.major < HERE_DOCUMENTS_VERSION.major => {
            Finding::ok("podman", format!("{version}; it cannot read here-documents in Containerfiles"))
        }
        _ => Finding::ok("podman", version.to_string()),
    }
}

fn rootless(info: &Info) -> Finding {
    if info.rootless {
        return Finding::ok("rootless", "podman runs without root");
    }
    Finding::missing("rootless", "podman runs as root", "run as an ordinary user, or through scripts/rootless")
}

fn storage(info: &Info) -> Finding {
    let root = info.graph_root.display();
    match info.graph_driver.as_str() {
        "overlay" if info.fuse => Finding::ok("storage", format!("overlay through fuse in {root}")),
        "overlay" => Finding::ok("storage", format!("overlay in {root}")),
        other => Finding::warning(
            "storage",
            format!("{other} in {root}; every layer is a full copy"),
            "driver = \"overlay\" under [storage] in ~/.config/containers/storage.conf, then podman system reset",
        ),
    }
}

fn runtime(info: &Info, ran: Result<(), &PodmanError>) -> Finding {
    let name = &info.runtime;
    match ran {
        Ok(()) => Finding::ok("runtime", format!("{name}, a container runs")),
        Err(error) => {
            Finding::missing("runtime", format!("{name}, a container does not run: {error}"), RUNTIME_TOO_OLD_HINT)
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::podman::tests::info;

    fn examine(info: Result<&Info, &PodmanError>) -> Vec<(String, Status)> {
        let findings = findings(info, Ok(()));
        assert!(findings.iter().all(|finding| finding.fix.is_some() == (finding.status != Status::Ok)), "{findings:?}");
        findings.into_iter().map(|finding| (finding.name, finding.status)).collect()
    }

    #[test]
    fn a_good_podman_has_nothing_to_fix() {
        let found = examine(Ok(&info()));
        assert!(found.len() == 4 && found.iter().all(|(_, status)| *status == Status::Ok), "{found:?}");
    }

    #[rstest::rstest]
    #[case(Info { version: semver::Version::new(3, 4, 4), ..info() }, "podman", Status::TooOld)]
    #[case(Info { rootless: false, ..info() }, "rootless", Status::Missing)]
    #[case(Info { graph_driver: "vfs".into(), ..info() }, "storage", Status::Warning)]
    fn each_flaw_is_found_alone(#[case] info: Info, #[case] name: &str, #[case] status: Status) {
        let flaws: Vec<_> = examine(Ok(&info)).into_iter().filter(|(_, status)| *status != Status::Ok).collect();
        assert_eq!(flaws, [(name.to_owned(), status)]);
    }

    #[test]
    fn a_runtime_that_refuses_containers_is_found() {
        let refused =
            PodmanError::Failed { command: "run", reason: "OCI runtime error: crun: unknown version specified".into() };
        let findings = findings(Ok(&info()), Err(&refused));
        let runtime = findings.iter().find(|finding| finding.name == "runtime").unwrap();
        assert_eq!(runtime.status, Status::Missing);
        assert!(runtime.detail.ends_with("OCI runtime error: crun: unknown version specified"), "{}", runtime.detail);
    }
}
