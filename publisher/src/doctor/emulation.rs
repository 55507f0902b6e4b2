//! Whether the kernel runs programs of a foreign architecture with an emulator (binfmt_misc).
//!
//! Emulators are recognised by the ELF header that they are registered for, not by name: qemu's registrations have
//! several names, and there are other emulators. A missing one is a warning: a Containerfile that compiles for another
//! platform and only copies the result needs none, and so does a machine that builds its own platform alone.

use super::{
    finding::{Finding, Status},
    machine::Machine,
};
use crate::{
    oci::Platform,
    podman::{host_architecture, runs_natively},
};

/// Where the kernel lists what is registered.
const BINFMT: &str = "/proc/sys/fs/binfmt_misc";
/// The flag with which the kernel opens the emulator once, so that it need not be in the container's file system.
const FIX_BINARY: char = 'F';

/// Architectures by their Go names: the ELF header's class and, as its bytes stand, its machine.
const ELF: [(&str, u8, [u8; 2]); 8] = [
    ("386", 1, [0x03, 0x00]),
    ("amd64", 2, [0x3e, 0x00]),
    ("arm", 1, [0x28, 0x00]),
    ("arm64", 2, [0xb7, 0x00]),
    ("loong64", 2, [0x02, 0x01]),
    ("ppc64le", 2, [0x15, 0x00]),
    ("riscv64", 2, [0xf3, 0x00]),
    ("s390x", 2, [0x00, 0x16]),
];
/// Where these stand in an ELF header.
const ELF_CLASS: usize = 4;
const ELF_MACHINE: usize = 18;

/// One finding for each platform that this machine does not run by itself.
pub(super) fn findings(machine: &Machine<'_>, platforms: &[Platform]) -> Vec<Finding> {
    let foreign = platforms.iter().filter(|platform| !runs_natively(host_architecture(), platform));
    foreign.map(|platform| finding(machine, platform)).collect()
}

fn finding(machine: &Machine<'_>, platform: &Platform) -> Finding {
    let name = format!("emulation of {platform}");
    let cannot = format!("RUN steps for {platform} cannot run here");
    let qemu = "apt-get install qemu-user-static binfmt-support, or ./setup.sh";
    let Some(registered) = registered(machine) else {
        let mend = format!("as root: mount -t binfmt_misc binfmt_misc {BINFMT}, or ./setup.sh");
        return Finding::bad(name, Status::Warning, format!("{BINFMT} is not mounted, so it is not known"), mend);
    };
    let mut fitting = registered.iter().filter(|emulator| emulator.runs(platform.architecture())).peekable();
    if fitting.peek().is_none() {
        return Finding::bad(name, Status::Warning, format!("no emulator; {cannot}"), qemu);
    }
    match fitting.clone().find(|emulator| emulator.fixed) {
        Some(emulator) => Finding::ok(name, emulator.name.clone()),
        None => Finding::bad(
            name,
            Status::Warning,
            format!("registered without the flag {FIX_BINARY}, so containers do not find the emulator; {cannot}"),
            qemu,
        ),
    }
}

/// An enabled registration.
#[derive(Debug)]
struct Emulator {
    name: String,
    fixed: bool,
    header: Vec<u8>,
}

impl Emulator {
    /// Reads what the kernel shows of one registration; a disabled one counts as absent.
    fn parse(name: &str, text: &str) -> Option<Self> {
        let field = |key: &str| text.lines().find_map(|line| line.strip_prefix(key)).map(str::trim);
        let enabled = text.lines().next() == Some("enabled") && field("offset ") == Some("0");
        let header = bytes(field("magic ").filter(|_| enabled)?)?;
        Some(Self { name: name.into(), fixed: field("flags:")?.contains(FIX_BINARY), header })
    }

    fn runs(&self, architecture: &str) -> bool {
        ELF.iter().any(|&(name, class, machine)| {
            name == architecture
                && self.header.get(ELF_CLASS) == Some(&class)
                && self.header.get(ELF_MACHINE..ELF_MACHINE + machine.len()) == Some(&machine)
        })
    }
}

/// What is registered, or nothing where the kernel does not show it.
fn registered(machine: &Machine<'_>) -> Option<Vec<Emulator>> {
    let folder = machine.path(BINFMT);
    if !folder.join("status").exists() {
        return None;
    }
    let names = folder.read_dir().ok()?.filter_map(|entry| entry.ok()?.file_name().into_string().ok());
    let mut emulators: Vec<_> =
        names.filter_map(|name| Emulator::parse(&name, &machine.text(format!("{BINFMT}/{name}")))).collect();
    emulators.sort_by(|a, b| a.name.cmp(&b.name));
    Some(emulators)
}

/// The bytes that hexadecimal digits stand for.
fn bytes(hex: &str) -> Option<Vec<u8>> {
    let digits: Option<Vec<u8>> =
        hex.chars().map(|c| c.to_digit(16).and_then(|digit| u8::try_from(digit).ok())).collect();
    let digits = digits?;
    let pairs = digits.chunks_exact(2);
    pairs.remainder().is_empty().then(|| pairs.map(|pair| pair[0] << 4 | pair[1]).collect())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::doctor::machine::tests::{environment, machine_with};

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
        assert!(found.detail.starts_with(says) && found.mend.is_some(), "{found:?}");
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
