//! Whether a `RUN` step can be connected: podman starts each with a network of its own.

use super::{
    finding::{Finding, Status, install},
    machine::Machine,
};
use crate::podman::Info;

const TUN: &str = "/dev/net/tun";
/// What podman connects rootless containers with, unless it is told otherwise, and what it took before version 5, which did
/// not tell.
const PASTA: &str = "pasta";
const BEFORE_PASTA: (u64, &str) = (5, "slirp4netns");
/// What podman connects containers' networks with.
const NETAVARK: &str = "netavark";

/// The tunnel device and podman's two helpers.
pub(super) fn findings(machine: &Machine<'_>, info: Option<&Info>) -> Vec<Finding> {
    let asked =
        |name: fn(&Info) -> &str, otherwise| info.map(name).filter(|name| !name.is_empty()).unwrap_or(otherwise);
    let (version, older) = BEFORE_PASTA;
    let usual = if info.is_some_and(|info| info.version.major < version) { older } else { PASTA };
    vec![
        tun(machine),
        rootless(machine, asked(|info| &info.rootless_network, usual)),
        backend(machine, asked(|info| &info.network, NETAVARK)),
    ]
}

fn tun(machine: &Machine<'_>) -> Finding {
    match machine.opens(TUN) {
        Ok(()) => Finding::ok(TUN, "can be opened"),
        Err(error) => Finding::bad(
            TUN,
            Status::Missing,
            format!("cannot be opened: {error}"),
            format!("as root: modprobe tun; chmod 666 {TUN}, or ./setup.sh"),
        ),
    }
}

fn rootless(machine: &Machine<'_>, program: &str) -> Finding {
    let package = if program == PASTA { "passt" } else { program };
    match machine.helper(program) {
        Some(file) => Finding::ok("rootless network", file.display().to_string()),
        None => Finding::bad("rootless network", Status::Missing, format!("{program} not found"), install(package)),
    }
}

fn backend(machine: &Machine<'_>, program: &str) -> Finding {
    match machine.helper(program) {
        Some(file) => Finding::ok("network", file.display().to_string()),
        None => Finding::bad(
            "network",
            Status::Warning,
            format!("{program} not found; containers cannot be put in networks"),
            install(program),
        ),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        doctor::machine::tests::{environment, machine_with},
        podman::tests::info,
    };

    fn examine(files: &[(&str, &str)], info: Option<&Info>) -> Vec<Status> {
        let (root, environment) = (machine_with(files), environment());
        findings(&Machine::new(&environment, root.path()), info).iter().map(|finding| finding.status).collect()
    }

    #[test]
    fn an_old_podman_is_connected_by_another_helper() {
        let old = Info { version: semver::Version::new(4, 3, 1), rootless_network: String::new(), ..info() };
        let files = [("/dev/net/tun", ""), ("/usr/bin/slirp4netns", ""), ("/usr/lib/podman/netavark", "")];
        assert_eq!(examine(&files, Some(&old)), [Status::Ok; 3]);
        assert_eq!(examine(&files, Some(&info())), [Status::Ok, Status::Missing, Status::Ok]);
    }

    #[test]
    fn a_device_and_two_helpers_are_needed() {
        assert_eq!(examine(&[], None), [Status::Missing, Status::Missing, Status::Warning]);
        let all = [("/dev/net/tun", ""), ("/usr/bin/pasta", ""), ("/usr/lib/podman/netavark", "")];
        assert_eq!(examine(&all, None), [Status::Ok; 3]);
    }
}
