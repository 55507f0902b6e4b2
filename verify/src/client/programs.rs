//! The programs that an image runs, and the machine that each is made for (ELF's `e_machine`): the entry point and the health
//! check, the interpreters of scripts (Linux's `fs/binfmt_script.c`), the loaders of linked programs.
//!
//! Shared libraries and what a script calls further down are not followed.

use std::collections::{HashSet, VecDeque};

use object::{
    Endianness,
    elf::{EM_386, EM_AARCH64, EM_ARM, EM_PPC64, EM_RISCV, EM_S390, EM_X86_64, FileHeader32, FileHeader64},
    read::{
        FileKind,
        elf::{FileHeader, ProgramHeader as _},
    },
};
use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::{
    Facts,
    files::{File, Files},
};

/// The `PATH` of a container whose image sets none.
const PATH: &str = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";
/// The shell of commands that are text.
const SHELL: &str = "/bin/sh";
/// How many files are followed; what a sensible entry point reaches is far less.
const FILES_MAX: usize = 1_000;

/// A program that an image runs.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Executable {
    /// Its path, symbolic links followed; for what is missing, the path where it should be.
    pub path: String,
    /// What reaches it: `entrypoint`, `healthcheck`, or the path of another program.
    pub reached_from: String,
    /// Its kind.
    pub kind: ExecutableKind,
}

/// The kind of a program's file.
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
        /// The interpreter in its first line.
        interpreter: String,
    },
    /// A file that a kernel would not run.
    Other,
    /// No file.
    Missing,
}

impl Executable {
    /// Whether it runs on a machine. Scripts run on all; of a machine without a name nothing is known.
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
    ("amd64", "x86_64", EM_X86_64.0),
    ("arm64", "aarch64", EM_AARCH64.0),
    ("386", "i686", EM_386.0),
    ("arm", "arm", EM_ARM.0),
    ("ppc64le", "ppc64le", EM_PPC64.0),
    ("riscv64", "riscv64", EM_RISCV.0),
    ("s390x", "s390x", EM_S390.0),
];

/// The machine that an architecture's programs are made for: `arm64` is `aarch64`.
pub fn machine_of(architecture: &str) -> Option<&'static str> {
    MACHINES.iter().find(|(name, ..)| *name == architecture).map(|(_, machine, _)| *machine)
}

/// The machine that an ELF header's number stands for.
fn machine_name(number: u16) -> String {
    let known = MACHINES.iter().find(|(.., it)| *it == number);
    known.map_or_else(|| format!("elf-machine-{number}"), |(_, machine, _)| (*machine).to_owned())
}

/// What the first bytes of a file say about running it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Program {
    Elf {
        machine: String,
        loader: Option<String>,
    },
    Script {
        interpreter: String,
        /// The program that `env` finds and runs, if that is the interpreter.
        by_env: Option<String>,
    },
    Other,
}

impl Program {
    /// Reads the beginning of a file.
    pub(super) fn of(head: &[u8]) -> Self {
        let elf = match FileKind::parse(head) {
            Ok(FileKind::Elf64) => elf::<FileHeader64<Endianness>>(head),
            Ok(FileKind::Elf32) => elf::<FileHeader32<Endianness>>(head),
            _ => None,
        };
        elf.or_else(|| script(head)).unwrap_or(Self::Other)
    }
}

fn elf<H: FileHeader<Endian = Endianness>>(head: &[u8]) -> Option<Program> {
    let header = H::parse(head).ok()?;
    let endian = header.endian().ok()?;
    let segments = header.program_headers(endian, head).unwrap_or_default();
    let loader = segments.iter().find_map(|segment| segment.interpreter(endian, head).ok()?);
    Some(Program::Elf {
        machine: machine_name(header.e_machine(endian).0),
        loader: loader.map(|path| String::from_utf8_lossy(path).into_owned()),
    })
}

fn script(head: &[u8]) -> Option<Program> {
    let line = head.strip_prefix(b"#!")?.split(|byte| *byte == b'\n').next()?;
    let line = String::from_utf8_lossy(line);
    let mut words = line.split_ascii_whitespace();
    let interpreter = words.next()?.to_owned();
    let is_env = interpreter.rsplit('/').next() == Some("env");
    let by_env = words.find(|word| is_env && !word.starts_with('-') && !word.contains('=')).map(str::to_owned);
    Some(Program::Script { interpreter, by_env })
}

/// The programs that an image's entry point and health check reach, in the order in which they are reached.
pub(super) fn executables(files: &Files, facts: &Facts) -> Vec<Executable> {
    let mut search = Search { files, facts, found: Vec::new(), seen: HashSet::new(), ahead: VecDeque::new() };
    search.command(&facts.command(), "entrypoint");
    let test = facts.healthcheck.as_ref().and_then(|it| it["Test"].as_array()).into_iter().flatten();
    let test: Vec<String> = test.filter_map(Value::as_str).map(str::to_owned).collect();
    match test.split_first() {
        Some((kind, command)) if kind == "CMD" => search.command(command, "healthcheck"),
        Some((kind, words)) if kind == "CMD-SHELL" => {
            search.command(&[SHELL.to_owned(), "-c".to_owned(), words.join(" ")], "healthcheck");
        }
        _ => {}
    }
    search.follow();
    search.found
}

struct Search<'a> {
    files: &'a Files,
    facts: &'a Facts,
    found: Vec<Executable>,
    seen: HashSet<String>,
    /// Programs that were reached and not looked at yet: path, file, what reaches it.
    ahead: VecDeque<(String, &'a File, String)>,
}

impl Search<'_> {
    /// A command's program must be there. Arguments that are programs of the image, and the first program of a shell's text,
    /// are most likely run too.
    fn command(&mut self, words: &[String], from: &str) {
        let Some((program, arguments)) = words.split_first() else { return };
        self.program(program, from, true);
        for argument in arguments.iter().filter(|it| it.starts_with('/')) {
            self.program(argument, from, false);
        }
        if let [option, text, ..] = arguments
            && option == "-c"
            && let Some(first) = text.split_ascii_whitespace().find(|word| *word != "exec" && !word.contains('='))
        {
            self.program(first, from, false);
        }
    }

    /// Finds a program as `execvp` does.
    fn program(&mut self, name: &str, from: &str, required: bool) {
        let candidates = if name.starts_with('/') {
            vec![name.to_owned()]
        } else if name.contains('/') {
            vec![format!("{}/{name}", self.facts.working_folder.as_deref().unwrap_or("/"))]
        } else {
            let folders = self.facts.variable("PATH").unwrap_or(PATH).split(':').filter(|it| it.starts_with('/'));
            folders.map(|folder| format!("{folder}/{name}")).collect()
        };
        let files = self.files;
        match candidates.iter().filter_map(|path| files.file(path)).find(|(_, file)| file.executable) {
            Some((path, _)) if self.seen.len() >= FILES_MAX || !self.seen.insert(path.clone()) => {}
            Some((path, file)) => self.ahead.push_back((path, file, from.to_owned())),
            None if required => self.found.push(Executable {
                path: name.to_owned(),
                reached_from: from.to_owned(),
                kind: ExecutableKind::Missing,
            }),
            None => {}
        }
    }

    fn follow(&mut self) {
        while let Some((path, file, reached_from)) = self.ahead.pop_front() {
            let path = format!("/{path}");
            let kind = match &file.program {
                Program::Elf { machine, loader } => {
                    if let Some(loader) = loader {
                        self.program(loader, &path, true);
                    }
                    ExecutableKind::Elf { machine: machine.clone() }
                }
                Program::Script { interpreter, by_env } => {
                    for program in [Some(interpreter), by_env.as_ref()].into_iter().flatten() {
                        self.program(program, &path, true);
                    }
                    ExecutableKind::Script { interpreter: interpreter.clone() }
                }
                Program::Other => ExecutableKind::Other,
            };
            self.found.push(Executable { path, reached_from, kind });
        }
    }
}

#[cfg(test)]
mod tests {
    use rstest::rstest;

    use super::*;
    use crate::client::tests::image::{AARCH64, linked_elf};

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

    #[rstest]
    #[case("#!/bin/sh\nexec a", Some(("/bin/sh", None)))]
    #[case("#! /bin/sh -eu\n", Some(("/bin/sh", None)))]
    #[case("#!/usr/bin/env python3\n", Some(("/usr/bin/env", Some("python3"))))]
    #[case("#!/usr/bin/env -S A=b python3 -u\n", Some(("/usr/bin/env", Some("python3"))))]
    #[case("#!/bin/sh", Some(("/bin/sh", None)))]
    #[case("#!\n", None)]
    #[case("echo\n#!/bin/sh", None)]
    #[case("", None)]
    #[case("\x7fELF\x02\x01\x01", None)]
    fn the_first_line_names_the_interpreter(#[case] text: &str, #[case] expected: Option<(&str, Option<&str>)>) {
        let expected = expected.map_or(Program::Other, |(interpreter, by_env)| Program::Script {
            interpreter: interpreter.into(),
            by_env: by_env.map(str::to_owned),
        });
        assert_eq!(Program::of(text.as_bytes()), expected);
    }

    #[test]
    fn the_header_names_machine_and_loader() {
        let head = linked_elf(AARCH64, Some("/lib/ld.so"));
        assert_eq!(Program::of(&head), Program::Elf { machine: "aarch64".into(), loader: Some("/lib/ld.so".into()) });
    }

    /// This machine's own shell stands for all dynamically linked programs.
    #[test]
    fn the_beginning_of_a_real_program_is_enough() {
        let shell = std::fs::read("/bin/bash").unwrap();
        let Program::Elf { machine, loader } = Program::of(&shell[..8 << 10]) else { panic!("no ELF") };
        assert_eq!(machine, std::env::consts::ARCH);
        assert!(loader.unwrap().contains("/ld"));
    }
}
