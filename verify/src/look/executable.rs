//! The programs that an image runs, and what processor they are made for (ELF's `e_machine`).

use serde::{Deserialize, Serialize};

/// A program, or a library that one needs.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Executable {
    /// Where it is, symbolic links followed; for what is missing, where it should be.
    pub path: String,
    /// What reaches it: `entrypoint`, `healthcheck`, or the path of another program.
    pub reached_from: String,
    /// What it is.
    pub kind: ExecutableKind,
}

/// What kind of file a program is.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum ExecutableKind {
    /// Machine code.
    Elf {
        /// As `uname -m` names processors: `x86_64`, `aarch64`.
        machine: String,
    },
    /// Text for an interpreter.
    Script {
        /// The interpreter that it names.
        interpreter: String,
    },
    /// A file that a kernel would not run.
    Other,
    /// No file.
    Missing,
}

impl Executable {
    /// Whether it runs on a machine; scripts do on all, nothing is known about machines without a name.
    pub fn runs_on(&self, machine: Option<&str>) -> bool {
        match &self.kind {
            ExecutableKind::Elf { machine: made_for } => machine.is_none_or(|machine| machine == made_for),
            ExecutableKind::Script { .. } => true,
            ExecutableKind::Other | ExecutableKind::Missing => false,
        }
    }
}

/// Architectures as images name them, machines as kernels do, and the number in ELF headers.
const MACHINES: &[(&str, &str, u16)] = &[
    ("amd64", "x86_64", object::elf::EM_X86_64.0),
    ("arm64", "aarch64", object::elf::EM_AARCH64.0),
    ("386", "i686", object::elf::EM_386.0),
    ("arm", "arm", object::elf::EM_ARM.0),
    ("ppc64le", "ppc64le", object::elf::EM_PPC64.0),
    ("riscv64", "riscv64", object::elf::EM_RISCV.0),
    ("s390x", "s390x", object::elf::EM_S390.0),
];

/// The machine that an architecture's programs are made for: `arm64` is `aarch64`.
pub fn machine_of(architecture: &str) -> Option<&'static str> {
    MACHINES.iter().find(|(name, ..)| *name == architecture).map(|(_, machine, _)| *machine)
}

/// The machine that an ELF header's number stands for.
pub(super) fn machine_name(number: u16) -> String {
    let known = MACHINES.iter().find(|(.., it)| *it == number);
    known.map_or_else(|| format!("elf-machine-{number}"), |(_, machine, _)| (*machine).to_owned())
}

#[cfg(test)]
mod tests {
    use rstest::rstest;

    use super::*;

    fn elf(machine: &str) -> ExecutableKind {
        ExecutableKind::Elf { machine: machine.into() }
    }

    #[rstest]
    #[case(elf("aarch64"), Some("aarch64"), true)]
    #[case(elf("x86_64"), Some("aarch64"), false)]
    #[case(elf("x86_64"), None, true)]
    #[case(ExecutableKind::Script { interpreter: "/bin/sh".into() }, Some("aarch64"), true)]
    #[case(ExecutableKind::Missing, Some("aarch64"), false)]
    #[case(ExecutableKind::Other, None, false)]
    fn a_program_runs_where_it_is_made_for(
        #[case] kind: ExecutableKind,
        #[case] machine: Option<&str>,
        #[case] runs: bool,
    ) {
        let program = Executable { path: "/app".into(), reached_from: "entrypoint".into(), kind };
        assert_eq!(program.runs_on(machine), runs);
    }

    #[test]
    fn numbers_and_architectures_meet() {
        assert_eq!(machine_of("arm64").unwrap(), machine_name(183));
        assert_eq!(machine_of("amd64").unwrap(), machine_name(62));
        assert_eq!(machine_name(999), "elf-machine-999");
    }
}
