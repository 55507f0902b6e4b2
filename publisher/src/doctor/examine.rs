//! The examination, in the order in which it is shown.

use super::{
    disk, emulation,
    finding::{Diagnosis, Finding, Status},
    machine::Machine,
    network, podman, user,
};
use crate::{environment::Environment, oci::Platform, podman::Podman};

/// Examines this machine for building images for these platforms.
pub async fn examine(environment: &Environment, platforms: &[Platform]) -> Diagnosis {
    let user_id = rustix::process::getuid().as_raw();
    findings(&Machine::new(environment, "/"), &Podman::new(environment), platforms, user_id).await.into()
}

async fn findings(machine: &Machine<'_>, podman: &Podman, platforms: &[Platform], user_id: u32) -> Vec<Finding> {
    let answer = podman.info().await;
    let info = answer.as_ref().ok().copied();
    // Without podman there is nothing to run.
    let ran = if info.is_some() { podman.try_container().await } else { Ok(()) };
    [
        podman::findings(machine, answer.as_ref().copied(), ran.as_ref().copied()),
        user::findings(machine, info, user_id),
        network::findings(machine, info),
        emulation::findings(machine, platforms),
        disk::findings(machine, info),
        vec![machine.program_finding(
            "git",
            "git",
            Status::Warning,
            "the commit and its time are taken from variables",
        )],
    ]
    .concat()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        doctor::machine::tests::{environment, machine_with},
        podman::tests::{INFO, fake_podman, podman_named},
    };

    /// A user of this machine, an ordinary one.
    const USER: u32 = 1001;

    #[tokio::test]
    async fn a_machine_with_everything_is_fit() {
        let files = ["bin/newuidmap", "bin/newgidmap", "bin/pasta", "bin/git", "lib/podman/netavark"];
        let files: Vec<_> = files.iter().map(|file| format!("/usr/{file}")).collect();
        let files: Vec<_> = files.iter().map(|file| (file.as_str(), "")).chain([("/dev/net/tun", "")]).collect();
        let (root, environment) = (machine_with(&files), environment());
        let (_folder, podman) = fake_podman(&format!("cat <<'JSON'\n{INFO}\nJSON\n"));
        let found = findings(&Machine::new(&environment, root.path()), &podman, &[], USER).await;
        let diagnosis = Diagnosis::from(found);
        assert!(diagnosis.fit, "{diagnosis}");
    }

    #[tokio::test]
    async fn an_empty_machine_lacks_everything_and_says_so_at_once() {
        let (root, environment) = (machine_with(&[]), environment());
        let podman = podman_named(&root.path().join("podman"));
        let found = findings(&Machine::new(&environment, root.path()), &podman, &[], USER).await;
        let missing: Vec<_> = found.iter().filter(|f| f.status == Status::Missing).map(|f| f.name.as_str()).collect();
        let expected = [
            "podman",
            "runtime",
            "/etc/subuid",
            "/etc/subgid",
            "newuidmap",
            "newgidmap",
            "/dev/net/tun",
            "rootless network",
        ];
        assert_eq!(missing, expected);
        assert!(!Diagnosis::from(found).fit);
    }
}
