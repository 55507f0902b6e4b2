//! Whether the kernel runs programs of a foreign architecture with an emulator (binfmt_misc).
//!
//! Emulators are recognised by the ELF header that they are registered for, not by name: qemu's registrations have
//! several names, and there are other emulators. A missing one is a warning: a Containerfile that compiles for another
//! platform and only copies the result needs none, nor does a machine that only builds its own platform.

use super::{finding::Finding, machine::Machine};
use crate::{
    oci::Platform,
    podman::{host_architecture, runs_natively},
};

/// Where the kernel lists what is registered.
const BINFMT: &str = "/proc/sys/fs/binfmt_misc";
/// The flag with which the kernel opens the emulator once, so that it need not be in the container's file system.
const FIX_BINARY: char = 'F';

/// Architectures by their Go names, with what an ELF header has for them, in hexadecimal: its class (1 is 32 bits, 2 is
/// 64 bits) and its machine.
const ELF: [(&str, &str, &str); 8] = [
    ("386", "01", "0300"),
    ("amd64", "02", "3e00"),
    ("arm", "01", "2800"),
    ("arm64", "02", "b700"),
    ("loong64", "02", "0201"),
    ("ppc64le", "02", "1500"),
    ("riscv64", "02", "f300"),
    ("s390x", "02", "0016"),
];

/// One finding for each platform that this machine does not run by itself.
pub(super) fn findings(machine: &Machine<'_>, platforms: &[Platform]) -> Vec<Finding> {
    let foreign = platforms.iter().filter(|platform| !runs_natively(&host_architecture(), platform));
    foreign.map(|platform| finding(machine, platform)).collect()
}

fn finding(machine: &Machine<'_>, platform: &Platform) -> Finding {
    let name = format!("emulation of {platform}");
    let cannot = format!("RUN steps for {platform} cannot run here");
    let qemu = "apt-get install qemu-user-static binfmt-support, or ./setup.sh";
    let folder = machine.path(BINFMT);
    if !folder.join("status").exists() {
        let fix = format!("as root: mount -t binfmt_misc binfmt_misc {BINFMT}, or ./setup.sh");
        return Finding::warning(name, format!("{BINFMT} is not mounted, so it is not known"), fix);
    }
    let entries = folder.read_dir().into_iter().flatten().flatten();
    let names = entries.filter_map(|entry| entry.file_name().into_string().ok());
    let registered = names.map(|emulator| (machine.text(format!("{BINFMT}/{emulator}")), emulator));
    let fitting = registered.filter(|(registration, _)| runs(registration, &platform.architecture));
    let best = fitting.max_by_key(|(registration, _)| field(registration, "flags:").contains(FIX_BINARY));
    let detail = match best {
        Some((registration, emulator)) if field(&registration, "flags:").contains(FIX_BINARY) => {
            return Finding::ok(name, emulator);
        }
        Some(_) => {
            format!("registered without the flag {FIX_BINARY}, so containers do not find the emulator; {cannot}")
        }
        None => format!("no emulator; {cannot}"),
    };
    Finding::warning(name, detail, qemu)
}

/// Whether an emulator is enabled and registered for an architecture.
fn runs(registration: &str, architecture: &str) -> bool {
    let header = field(registration, "magic ");
    let (Some(class), Some(machine)) = (header.get(8..10), header.get(36..40)) else { return false };
    let is_in_use = registration.starts_with("enabled\n") && field(registration, "offset ") == "0";
    is_in_use && ELF.contains(&(architecture, class, machine))
}

/// A field of a registration, as the kernel shows it; empty if it is not there.
fn field<'a>(registration: &'a str, key: &str) -> &'a str {
    registration.lines().find_map(|line| line.strip_prefix(key)).unwrap_or_default().trim()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::doctor::{
        finding::Status,
        machine::tests::{environment, machine_with},
    };

    const STATUS: (&str, &str) = ("/proc/sys/fs/binfmt_misc/status", "enabled\n");

    /// As the kernel shows it; the machine is given by its two bytes in hexadecimal.
    fn registration(state: &str, flags: &str, class: u8, machine: &str) -> String {
        format!(
            "{state}\ninterpreter /usr/libexec/qemu\nflags: {flags}\noffset 0\n\
             magic 7f454c46{class:02x}01010000000000000000000200{machine}\nmask ffff\n"
        )
    }

    fn examine(files: &[(&str, &str)], platform: &str) -> Finding {
        let (root, environment) = (machine_with(files), environment());
        finding(&Machine::new(&environment, root.path()), &platform.parse().unwrap())
    }

    #[rstest::rstest]
    #[case("linux/arm64", 2, "b700")]
    #[case("linux/arm/v7", 1, "2800")]
    #[case("linux/amd64", 2, "3e00")]
    #[case("linux/riscv64", 2, "f300")]
    #[case("linux/s390x", 2, "0016")]
    fn an_emulator_is_recognised_by_the_header_it_is_registered_for(
        #[case] platform: &str,
        #[case] class: u8,
        #[case] machine: &str,
    ) {
        let text = registration("enabled", "PF", class, machine);
        let found = examine(&[STATUS, ("/proc/sys/fs/binfmt_misc/anything", &text)], platform);
        assert_eq!((found.status, found.detail.as_str()), (Status::Ok, "anything"));
    }

    #[rstest::rstest]
    #[case::another_architecture(("enabled", "PF", 2, "f300"), "no emulator;")]
    #[case::another_class(("enabled", "PF", 1, "b700"), "no emulator;")]
    #[case::switched_off(("disabled", "PF", 2, "b700"), "no emulator;")]
    #[case::not_kept_open(("enabled", "P", 2, "b700"), "registered without the flag F")]
    fn what_will_not_do_is_a_warning(
        #[case] (state, flags, class, machine): (&str, &str, u8, &str),
        #[case] says: &str,
    ) {
        let text = registration(state, flags, class, machine);
        let found = examine(&[STATUS, ("/proc/sys/fs/binfmt_misc/qemu-aarch64", &text)], "linux/arm64");
        assert_eq!(found.status, Status::Warning);
        assert!(found.detail.starts_with(says) && found.fix.is_some(), "{found:?}");
    }

    #[test]
    fn an_unmounted_list_is_not_known_rather_than_missing() {
        let found = examine(&[], "linux/arm64");
        assert_eq!(found.status, Status::Warning);
        assert!(found.detail.contains("not mounted"), "{found:?}");
    }

    #[test]
    fn the_machines_own_platform_needs_no_emulator() {
        let (root, environment) = (machine_with(&[]), environment());
        let own = format!("linux/{}", host_architecture()).parse().unwrap();
        assert_eq!(findings(&Machine::new(&environment, root.path()), &[own]), []);
    }
}
