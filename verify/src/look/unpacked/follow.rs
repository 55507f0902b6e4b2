//! What a container's entry point reaches: the program, its interpreter, its loader, the libraries that it needs.
//!
//! What a script calls further down is not read. Libraries that are not where libraries are looked for are passed over:
//! an image may name more folders in files that only the loader understands.

use std::{
    collections::{HashSet, VecDeque},
    fs::File,
    io,
    os::unix::fs::FileExt as _,
};

use serde_json::Value;

use super::{
    elf, script, search,
    tree::{Place, Tree},
};
use crate::look::{Executable, ExecutableKind, config::Facts, executable::machine_name};

/// How many files are followed; what a sensible entry point reaches is far less.
const FILES_MAX: usize = 1_000;
/// How many bytes of a file tell what it is: Linux's `BINPRM_BUF_SIZE`.
const HEAD_BYTES: usize = 256;
/// The shell of commands that are text.
const SHELL: &str = "/bin/sh";

/// The programs that an image's entry point and health check reach, those first that are reached first.
///
/// Errors are of this machine's disk, or say that an archive is none.
pub(in crate::look) fn executables(archives: &[File], facts: &Facts) -> io::Result<Vec<Executable>> {
    let mut tree = Tree::default();
    for (layer, archive) in archives.iter().enumerate() {
        tree.add(layer, archive)?;
    }
    let mut following =
        Following { tree, archives, facts, found: Vec::new(), seen: HashSet::new(), ahead: VecDeque::new() };
    following.begin();
    following.run()?;
    Ok(following.found)
}

struct Following<'a> {
    tree: Tree,
    archives: &'a [File],
    facts: &'a Facts,
    found: Vec<Executable>,
    seen: HashSet<String>,
    ahead: VecDeque<(String, Place, String)>,
}

impl Following<'_> {
    fn begin(&mut self) {
        let command: Vec<String> = self.facts.command().map(str::to_owned).collect();
        self.command(&command, "entrypoint");
        let check = self.facts.healthcheck.as_ref().and_then(|it| it["Test"].as_array()).cloned().unwrap_or_default();
        let words: Vec<String> = check.iter().filter_map(Value::as_str).map(str::to_owned).collect();
        match words.split_first() {
            Some((kind, command)) if kind == "CMD" => self.command(command, "healthcheck"),
            Some((kind, text)) if kind == "CMD-SHELL" => {
                let command = [SHELL.to_owned(), "-c".to_owned(), text.join(" ")];
                self.command(&command, "healthcheck");
            }
            _ => {}
        }
    }

    /// A command's program must be there. Arguments that are programs of the image, and the first program of a shell's
    /// text, are most likely run too.
    fn command(&mut self, words: &[String], from: &str) {
        let Some((program, arguments)) = words.split_first() else { return };
        self.program(program, from, true);
        for argument in arguments.iter().filter(|it| it.starts_with('/')) {
            self.program(argument, from, false);
        }
        if let [option, text, ..] = arguments
            && option == "-c"
        {
            let first = text.split_ascii_whitespace().find(|word| *word != "exec" && !word.contains('='));
            if let Some(first) = first {
                self.program(first, from, false);
            }
        }
    }

    fn program(&mut self, name: &str, from: &str, required: bool) {
        let candidates = search::programs(name, self.facts);
        let mut files = candidates.iter().filter_map(|path| self.tree.file(path));
        match files.find(|(_, place)| place.executable) {
            Some(file) => self.reach(file, from),
            None if required => self.miss(name, from),
            None => {}
        }
    }

    fn miss(&mut self, name: &str, from: &str) {
        self.found.push(Executable {
            path: name.to_owned(),
            reached_from: from.to_owned(),
            kind: ExecutableKind::Missing,
        });
    }

    fn reach(&mut self, (path, place): (String, Place), from: &str) {
        if self.seen.len() < FILES_MAX && self.seen.insert(path.clone()) {
            self.ahead.push_back((path, place, from.to_owned()));
        }
    }

    fn run(&mut self) -> io::Result<()> {
        while let Some((path, place, from)) = self.ahead.pop_front() {
            let path = format!("/{path}");
            let head = self.head(place)?;
            let kind = if let Some(machine) = elf::machine(&head) {
                self.linked(&path, place, machine)?;
                ExecutableKind::Elf { machine: machine_name(machine) }
            } else if let Some(script) = script::interpreter(&head) {
                self.program(&script.program, &path, true);
                if let Some(program) = &script.by_env {
                    self.program(program, &path, true);
                }
                ExecutableKind::Script { interpreter: script.program }
            } else {
                ExecutableKind::Other
            };
            self.found.push(Executable { path, reached_from: from, kind });
        }
        Ok(())
    }

    fn linked(&mut self, path: &str, place: Place, machine: u16) -> io::Result<()> {
        let linking = elf::linking(&self.archives[place.layer], place);
        if let Some(loader) = &linking.loader {
            match self.tree.file(loader) {
                Some(file) => self.reach(file, path),
                None => self.miss(loader, path),
            }
        }
        let origin = path.rsplit_once('/').map_or("", |(folder, _)| folder);
        for name in &linking.needed {
            let candidates = search::libraries(name, &linking.folders, origin, self.facts);
            let mut files = candidates.iter().filter_map(|path| self.tree.file(path)).collect::<Vec<_>>();
            // A loader passes over what is made for another machine, as long as there is something better.
            for index in 0..files.len() {
                if elf::machine(&self.head(files[index].1)?) == Some(machine) {
                    files.swap(0, index);
                    break;
                }
            }
            if let Some(file) = files.into_iter().next() {
                self.reach(file, path);
            }
        }
        Ok(())
    }

    fn head(&self, place: Place) -> io::Result<Vec<u8>> {
        let size = usize::try_from(place.size).unwrap_or(HEAD_BYTES).min(HEAD_BYTES);
        let mut head = vec![0; size];
        self.archives[place.layer].read_exact_at(&mut head, place.offset)?;
        Ok(head)
    }
}
