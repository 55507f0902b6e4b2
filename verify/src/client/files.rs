//! The files of an image: its layers on top of each other, as runtimes apply them (OCI image-spec 1.1, layer.md).
//!
//! Whiteouts hide what lower layers have, wherever they stand in their own layer. Symbolic links in the path of an entry are
//! followed, as when a layer is unpacked. Of each file only its kind is kept.

use std::{
    collections::{BTreeMap, VecDeque},
    io::{self, Read},
};

use tar::{Archive, EntryType};

use super::programs::Program;

/// How many symbolic links are followed on the way to one file, as in Linux.
const LINKS_MAX: usize = 40;
/// How many entries a layer may have.
const ENTRIES_MAX: usize = 2_000_000;
/// How much of a file is read to know its kind: ELF's headers and the name of its loader are in the first pages.
const HEAD_BYTES: u64 = 8 << 10;
/// The name of what hides everything that lower layers have in a folder.
const OPAQUE: &str = ".wh..wh..opq";
/// How names of what hides one thing begin.
const WHITEOUT: &str = ".wh.";

/// An entry of a layer's archive.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Entry {
    Folder,
    File(File),
    /// A symbolic link to a path.
    Link(String),
    /// The same file as another one.
    HardLink(String),
    /// A device and the like.
    Other,
}

/// A regular file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct File {
    /// Whether anybody may execute it.
    pub(super) executable: bool,
    pub(super) program: Program,
}

/// The entries of a layer with their paths, in its order.
pub(super) type Entries = Vec<(String, Entry)>;

/// Lists an archive: paths as `usr/bin/env`, without a slash in front.
pub(super) fn list(archive: impl Read) -> io::Result<Entries> {
    let mut entries = Vec::new();
    for entry in Archive::new(archive).entries()? {
        let mut entry = entry?;
        let path = join(&String::from_utf8_lossy(&entry.path_bytes()));
        let target = entry.link_name_bytes().map(|it| String::from_utf8_lossy(&it).into_owned()).unwrap_or_default();
        let found = match entry.header().entry_type() {
            EntryType::Directory => Entry::Folder,
            EntryType::Regular | EntryType::Continuous => {
                let executable = entry.header().mode()? & 0o111 != 0;
                let mut head = Vec::new();
                entry.by_ref().take(HEAD_BYTES).read_to_end(&mut head)?;
                Entry::File(File { executable, program: Program::of(&head) })
            }
            EntryType::Symlink => Entry::Link(target),
            EntryType::Link => Entry::HardLink(target),
            EntryType::XGlobalHeader => continue,
            _ => Entry::Other,
        };
        entries.push((path, found));
        if entries.len() > ENTRIES_MAX {
            return Err(io::Error::other(format!("more than {ENTRIES_MAX} files")));
        }
    }
    Ok(entries)
}

/// All files of an image, by path.
#[derive(Debug, Default)]
pub(super) struct Files {
    entries: BTreeMap<String, Entry>,
}

impl Files {
    /// Applies a layer.
    pub(super) fn with_layer(mut self, layer: Entries) -> Self {
        let (hidden, shown): (Vec<_>, Vec<_>) =
            layer.into_iter().partition(|(path, _)| name(path).starts_with(WHITEOUT));
        for (path, _) in hidden {
            let (folder, name) = path.rsplit_once('/').unwrap_or(("", &path));
            let folder = self.resolve(folder, true).unwrap_or_else(|| folder.to_owned());
            if name == OPAQUE {
                self.remove_below(&folder);
            } else {
                let name = name.strip_prefix(WHITEOUT).unwrap_or(name);
                self.remove(&join(&format!("{folder}/{name}")));
            }
        }
        for (path, entry) in shown {
            self.put(&path, entry);
        }
        self
    }

    fn put(&mut self, path: &str, entry: Entry) {
        let Some(path) = self.resolve(path, false) else { return };
        let entry = match entry {
            Entry::HardLink(target) => {
                let target = self.resolve(&target, false).and_then(|target| self.entries.get(&target));
                target.cloned().unwrap_or(Entry::Other)
            }
            entry => entry,
        };
        if !(entry == Entry::Folder && self.entries.get(&path) == Some(&Entry::Folder)) {
            self.remove(&path);
        }
        self.entries.insert(path, entry);
    }

    fn remove(&mut self, path: &str) {
        self.entries.remove(path);
        self.remove_below(path);
    }

    fn remove_below(&mut self, folder: &str) {
        if folder.is_empty() {
            return self.entries.clear();
        }
        // `0` is what follows `/`.
        let (first, end) = (format!("{folder}/"), format!("{folder}0"));
        let below: Vec<String> = self.entries.range(first..end).map(|(path, _)| path.clone()).collect();
        for path in below {
            self.entries.remove(&path);
        }
    }

    /// The file at a path, symbolic links followed, and its real path.
    pub(super) fn file(&self, path: &str) -> Option<(String, &File)> {
        let path = self.resolve(path, true)?;
        match self.entries.get(&path)? {
            Entry::File(file) => Some((path, file)),
            _ => None,
        }
    }

    /// Follows the symbolic links of a path; those of its last part only if `last` says so.
    fn resolve(&self, path: &str, last: bool) -> Option<String> {
        let mut ahead: VecDeque<String> = parts(path).map(str::to_owned).collect();
        let mut resolved: Vec<String> = Vec::new();
        let mut links = 0;
        while let Some(part) = ahead.pop_front() {
            if part == ".." {
                resolved.pop();
                continue;
            }
            resolved.push(part);
            let follow = last || !ahead.is_empty();
            if let Some(Entry::Link(target)) = self.entries.get(&resolved.join("/")).filter(|_| follow) {
                links += 1;
                if links > LINKS_MAX {
                    return None;
                }
                resolved.pop();
                if target.starts_with('/') {
                    resolved.clear();
                }
                ahead = parts(target).map(str::to_owned).chain(ahead).collect();
            }
        }
        Some(resolved.join("/"))
    }
}

fn name(path: &str) -> &str {
    path.rsplit('/').next().unwrap_or(path)
}

/// A path without empty parts and dots.
fn join(path: &str) -> String {
    parts(path).collect::<Vec<_>>().join("/")
}

fn parts(path: &str) -> impl Iterator<Item = &str> {
    path.split('/').filter(|part| !part.is_empty() && *part != ".")
}

#[cfg(test)]
mod tests {
    use rstest::rstest;

    use super::*;

    /// An archive of entries: `a/` is a folder, `a -> b` a symbolic link, `a = b` a hard link, all else a file.
    fn archive(number: usize, entries: &[&str]) -> Vec<u8> {
        let mut builder = tar::Builder::new(Vec::new());
        for entry in entries {
            let mut header = tar::Header::new_gnu();
            header.set_mode(0o755);
            header.set_size(0);
            if let Some((path, target)) = entry.split_once(" -> ") {
                header.set_entry_type(EntryType::Symlink);
                builder.append_link(&mut header, path, target).unwrap();
            } else if let Some((path, target)) = entry.split_once(" = ") {
                header.set_entry_type(EntryType::Link);
                builder.append_link(&mut header, path, target).unwrap();
            } else if entry.ends_with('/') {
                header.set_entry_type(EntryType::Directory);
                builder.append_data(&mut header, entry, io::empty()).unwrap();
            } else {
                let content = format!("#!{number}");
                header.set_size(content.len() as u64);
                builder.append_data(&mut header, entry, content.as_bytes()).unwrap();
            }
        }
        builder.into_inner().unwrap()
    }

    /// Layers are separated by `|`, their entries by `;`. A file's content is the number of its layer.
    fn files(layers: &str) -> Files {
        let layers = layers
            .split(" | ")
            .enumerate()
            .map(|(number, layer)| list(archive(number, &layer.split("; ").collect::<Vec<_>>()).as_slice()).unwrap());
        layers.fold(Files::default(), Files::with_layer)
    }

    #[rstest]
    #[case::as_it_is("bin/a", "/bin/a", Some(("bin/a", 0)))]
    #[case::not_there("bin/a", "/bin/b", None)]
    #[case::a_folder_is_no_file("bin/", "/bin", None)]
    #[case::higher_hides_lower("a | a", "/a", Some(("a", 1)))]
    #[case::dots_and_slashes("./bin//a", "bin/../bin/./a", Some(("bin/a", 0)))]
    #[case::link("bin/busybox; bin/sh -> busybox", "/bin/sh", Some(("bin/busybox", 0)))]
    #[case::absolute_link("x/y; a/b -> /x/y", "/a/b", Some(("x/y", 0)))]
    #[case::link_upwards("x/y; a/b/c -> ../../x/y", "/a/b/c", Some(("x/y", 0)))]
    #[case::link_across_layers("bin -> usr/bin | usr/bin/a", "/bin/a", Some(("usr/bin/a", 1)))]
    #[case::put_through_a_link("usr/bin/; bin -> usr/bin | bin/a", "/usr/bin/a", Some(("usr/bin/a", 1)))]
    #[case::endless_links("a -> b; b -> a", "/a", None)]
    #[case::hard_link("a; b = a", "/b", Some(("b", 0)))]
    #[case::hard_link_to_nothing("b = a", "/b", None)]
    #[case::whiteout("bin/a; bin/ab | bin/.wh.a", "/bin/a", None)]
    #[case::whiteout_of_one_only("bin/a; bin/ab | bin/.wh.a", "/bin/ab", Some(("bin/ab", 0)))]
    #[case::whiteout_of_a_folder("opt/x/y | .wh.opt", "/opt/x/y", None)]
    #[case::whiteout_is_not_for_its_own_layer("a | a; .wh.a", "/a", Some(("a", 1)))]
    #[case::opaque("bin/a | bin/b; bin/.wh..wh..opq", "/bin/a", None)]
    #[case::opaque_is_not_for_its_own_layer("bin/a | bin/b; bin/.wh..wh..opq", "/bin/b", Some(("bin/b", 1)))]
    #[case::opaque_is_for_one_folder("bin/a; bin-x/a | bin/.wh..wh..opq", "/bin-x/a", Some(("bin-x/a", 0)))]
    #[case::file_in_place_of_a_folder("a/b | a", "/a/b", None)]
    #[case::folder_in_place_of_a_folder("a/; a/b | a/", "/a/b", Some(("a/b", 0)))]
    fn layers_are_applied_in_order(#[case] layers: &str, #[case] path: &str, #[case] expected: Option<(&str, usize)>) {
        let files = files(layers);
        let expected = expected.map(|(path, layer)| (path.to_owned(), format!("{layer}")));
        let found = files.file(path).map(|(path, file)| match &file.program {
            Program::Script { interpreter, .. } => (path, interpreter.clone()),
            other => panic!("{other:?}"),
        });
        assert_eq!(found, expected);
    }

    #[test]
    fn what_is_no_archive_is_an_error() {
        assert!(list(&[b'x'; 2048][..]).is_err());
    }
}
