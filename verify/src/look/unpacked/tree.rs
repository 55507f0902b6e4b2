//! The files of an image: layers put on each other as runtimes do (OCI image-spec 1.1, layer.md).
//!
//! Whiteouts hide what lower layers have, wherever they stand in their own layer. Parents that are symbolic links are
//! followed, for that is what happens to whoever unpacks a layer.

use std::{
    collections::{BTreeMap, VecDeque},
    fs::File,
    io::{self, Seek as _},
};

use tar::{Archive, Entry, EntryType};

/// How many symbolic links are followed on the way to one file, as in Linux.
const LINKS_MAX: usize = 40;
/// How many files an image may have.
const NODES_MAX: usize = 2_000_000;
/// The name of what hides everything that lower layers have in a folder.
const OPAQUE: &str = ".wh..wh..opq";
/// How names of what hides one thing begin.
const WHITEOUT: &str = ".wh.";

/// All files of an image, by path: `usr/bin/env`, without a slash in front.
#[derive(Debug, Default)]
pub(super) struct Tree {
    nodes: BTreeMap<String, Node>,
}

/// What is at a path.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Node {
    /// A folder.
    Folder,
    /// A file.
    File(Place),
    /// A symbolic link to a path.
    Link(String),
    /// A device and the like.
    Other,
}

/// Where a file's content is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Place {
    /// In the archive of which layer.
    pub(super) layer: usize,
    /// Where it begins there.
    pub(super) offset: u64,
    /// How many bytes it has.
    pub(super) size: u64,
    /// Whether somebody may execute it.
    pub(super) executable: bool,
}

/// An entry of a layer's archive.
enum Item {
    Node(Node),
    /// The same file as another one.
    HardLink(String),
}

impl Tree {
    /// Puts a layer on top.
    pub(super) fn add(&mut self, layer: usize, mut archive: &File) -> io::Result<()> {
        archive.rewind()?;
        let (mut hidden, mut items) = (Vec::new(), Vec::new());
        for entry in Archive::new(archive).entries_with_seek()? {
            let entry = entry?;
            let path = plain(&String::from_utf8_lossy(&entry.path_bytes()));
            let (folder, name) = path.rsplit_once('/').unwrap_or(("", &path));
            if name == OPAQUE {
                hidden.push((folder.to_owned(), None));
            } else if let Some(name) = name.strip_prefix(WHITEOUT) {
                hidden.push((folder.to_owned(), Some(name.to_owned())));
            } else if let Some(item) = item(layer, &entry)? {
                items.push((path, item));
            }
            if self.nodes.len() + items.len() > NODES_MAX {
                return Err(io::Error::other(format!("more than {NODES_MAX} files")));
            }
        }
        for (folder, name) in hidden {
            let folder = self.walk(&folder, true).unwrap_or(folder);
            match name {
                None => self.remove_below(&folder),
                Some(name) => self.remove(&joined(&folder, &name)),
            }
        }
        for (path, item) in items {
            self.put(&path, item);
        }
        Ok(())
    }

    fn put(&mut self, path: &str, item: Item) {
        let Some(path) = self.walk(path, false) else { return };
        let node = match item {
            Item::Node(node) => node,
            Item::HardLink(target) => {
                let target = self.walk(&target, false).and_then(|target| self.nodes.get(&target));
                target.cloned().unwrap_or(Node::Other)
            }
        };
        if !(node == Node::Folder && self.nodes.get(&path) == Some(&Node::Folder)) {
            self.remove(&path);
        }
        self.nodes.insert(path, node);
    }

    fn remove(&mut self, path: &str) {
        self.nodes.remove(path);
        self.remove_below(path);
    }

    fn remove_below(&mut self, folder: &str) {
        if folder.is_empty() {
            return self.nodes.clear();
        }
        // `0` is what follows `/`.
        let (first, end) = (format!("{folder}/"), format!("{folder}0"));
        let below: Vec<String> = self.nodes.range(first..end).map(|(path, _)| path.clone()).collect();
        for path in below {
            self.nodes.remove(&path);
        }
    }

    /// The file at a path, symbolic links followed, and its real path.
    pub(super) fn file(&self, path: &str) -> Option<(String, Place)> {
        let path = self.walk(path, true)?;
        match self.nodes.get(&path)? {
            Node::File(place) => Some((path, *place)),
            _ => None,
        }
    }

    /// Follows the symbolic links of a path, the last part's too if so told. What is not there is no link.
    fn walk(&self, path: &str, last: bool) -> Option<String> {
        let mut ahead: VecDeque<String> = parts(path).map(str::to_owned).collect();
        let mut walked: Vec<String> = Vec::new();
        let mut links = 0;
        while let Some(part) = ahead.pop_front() {
            if part == ".." {
                walked.pop();
                continue;
            }
            walked.push(part);
            let follow = last || !ahead.is_empty();
            if let Some(Node::Link(target)) = self.nodes.get(&walked.join("/")).filter(|_| follow) {
                links += 1;
                if links > LINKS_MAX {
                    return None;
                }
                walked.pop();
                if target.starts_with('/') {
                    walked.clear();
                }
                for part in parts(target).collect::<Vec<_>>().into_iter().rev() {
                    ahead.push_front(part.to_owned());
                }
            }
        }
        Some(walked.join("/"))
    }
}

/// What an entry of an archive is; none for what is no file, such as notes for the unpacking program.
fn item(layer: usize, entry: &Entry<'_, &File>) -> io::Result<Option<Item>> {
    let header = entry.header();
    let target = || Some(String::from_utf8_lossy(&entry.link_name_bytes()?).into_owned());
    let node = match header.entry_type() {
        EntryType::Directory => Node::Folder,
        EntryType::Regular | EntryType::Continuous => Node::File(Place {
            layer,
            offset: entry.raw_file_position(),
            size: entry.size(),
            executable: header.mode()? & 0o111 != 0,
        }),
        EntryType::Symlink => Node::Link(target().unwrap_or_default()),
        EntryType::Link => return Ok(target().map(Item::HardLink)),
        EntryType::XGlobalHeader => return Ok(None),
        _ => Node::Other,
    };
    Ok(Some(Item::Node(node)))
}

fn joined(folder: &str, name: &str) -> String {
    if folder.is_empty() { name.to_owned() } else { format!("{folder}/{name}") }
}

/// A path as it is kept.
fn plain(path: &str) -> String {
    parts(path).collect::<Vec<_>>().join("/")
}

fn parts(path: &str) -> impl Iterator<Item = &str> {
    path.split('/').filter(|part| !part.is_empty() && *part != ".")
}

#[cfg(test)]
mod tests {
    use std::io::Write as _;

    use rstest::rstest;

    use super::*;

    /// An archive of entries: `a/` is a folder, `a -> b` a symbolic link, `a = b` a hard link, all else a file.
    fn archive(entries: &[&str]) -> File {
        let mut builder = tar::Builder::new(tempfile::tempfile().unwrap());
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
                header.set_size(entry.len() as u64);
                builder.append_data(&mut header, entry, entry.as_bytes()).unwrap();
            }
        }
        let mut file = builder.into_inner().unwrap();
        file.flush().unwrap();
        file
    }

    /// Layers are separated by `|`, their entries by `;`.
    fn tree(layers: &str) -> Tree {
        let mut tree = Tree::default();
        for (index, layer) in layers.split(" | ").enumerate() {
            tree.add(index, &archive(&layer.split("; ").collect::<Vec<_>>())).unwrap();
        }
        tree
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
    fn layers_are_put_on_each_other(#[case] layers: &str, #[case] path: &str, #[case] expected: Option<(&str, usize)>) {
        let found = tree(layers).file(path);
        assert_eq!(found.as_ref().map(|(path, place)| (path.as_str(), place.layer)), expected);
    }

    #[test]
    fn a_files_content_is_where_its_place_says() {
        use std::os::unix::fs::FileExt as _;
        let archive = archive(&["first", "dir/second"]);
        let mut tree = Tree::default();
        tree.add(0, &archive).unwrap();
        let (_, place) = tree.file("dir/second").unwrap();
        let mut content = vec![0; usize::try_from(place.size).unwrap()];
        archive.read_exact_at(&mut content, place.offset).unwrap();
        assert_eq!(content, b"dir/second");
        assert!(place.executable);
    }

    #[test]
    fn what_is_no_archive_is_an_error() {
        let mut file = tempfile::tempfile().unwrap();
        file.write_all(&[b'x'; 2048]).unwrap();
        assert!(Tree::default().add(0, &file).is_err());
    }
}
