//! A layer read straight from podman's store.
//!
//! `podman save` writes each layer to a temporary file and hashes it before it hands it out, which takes as long as
//! compressing it. The store has all of it already: a folder with the files, and a record of every byte that a tar
//! archive has besides them (tar-split), from which podman itself makes the archive again.
//!
//! Both are implementation details of containers/storage (tested with podman 4.3 and 5.8), and files that belong to another user
//! of a container may be unreadable. So what is read here is believed only when its digest is the layer's
//! `diff_id`, and [`Podman::save`](super::Podman::save) is there for every layer that cannot be read this way.

use std::{
    ffi::OsStr,
    fs::File,
    io::{self, BufReader, Cursor, Read},
    os::unix::ffi::OsStrExt as _,
    path::{Path, PathBuf},
};

use base64::{Engine as _, engine::general_purpose::STANDARD};
use flate2::bufread::MultiGzDecoder;
use serde::Deserialize;
use serde_json::{StreamDeserializer, de::IoRead};

/// Where podman's store holds a layer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StoredLayer {
    /// The folder with the layer's files.
    files: PathBuf,
    /// The record of everything else.
    record: PathBuf,
}

impl StoredLayer {
    /// The layer whose files are in this folder: `<graph root>/overlay/<layer>/diff`, whose record is
    /// `<graph root>/overlay-layers/<layer>.tar-split.gz`. [`None`] if the path cannot be such a folder.
    pub(super) fn of(files: &Path) -> Option<Self> {
        let layer = files.parent()?;
        let mut record = layer.file_name()?.to_owned();
        record.push(".tar-split.gz");
        let record = layer.ancestors().nth(2)?.join("overlay-layers").join(record);
        Some(Self { files: files.into(), record })
    }

    /// The layer as an uncompressed tar archive. Memory stays flat. The reader must compare the digest.
    ///
    /// # Errors
    /// The store is built otherwise, or the layer is gone; while reading: a file is missing or unreadable.
    pub fn open(&self) -> io::Result<impl Read + use<>> {
        let folder = File::open(&self.files)?;
        let record = MultiGzDecoder::new(BufReader::new(File::open(&self.record)?));
        let entries = serde_json::Deserializer::from_reader(BufReader::new(record)).into_iter();
        Ok(Archive { folder, entries, current: Box::new(io::empty()) })
    }
}

/// A tar archive put together again.
struct Archive<R: Read> {
    folder: File,
    entries: StreamDeserializer<'static, IoRead<R>, Entry>,
    /// The rest of the present entry.
    current: Box<dyn Read>,
}

/// A line of the record: bytes of the archive, or a file whose content comes here.
#[derive(Deserialize)]
struct Entry {
    r#type: u8,
    #[serde(default)]
    name: String,
    /// The name in base64, where it is no UTF-8.
    name_raw: Option<String>,
    #[serde(default)]
    size: u64,
    /// In base64: the archive's bytes, or a file's checksum.
    payload: Option<String>,
}

const FILE: u8 = 1;
const BYTES: u8 = 2;

impl<R: Read> Read for Archive<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        loop {
            let read = self.current.read(buffer)?;
            if read > 0 || buffer.is_empty() {
                return Ok(read);
            }
            let Some(entry) = self.entries.next().transpose()? else { return Ok(0) };
            self.current = self.content(entry)?;
        }
    }
}

impl<R: Read> Archive<R> {
    fn content(&self, entry: Entry) -> io::Result<Box<dyn Read>> {
        match entry.r#type {
            BYTES => Ok(Box::new(Cursor::new(decode(&entry.payload.unwrap_or_default())?))),
            FILE if entry.size == 0 => Ok(Box::new(io::empty())),
            FILE => {
                let name = entry.name_raw.map(|name| decode(&name)).transpose()?.unwrap_or(entry.name.into());
                Ok(Box::new(open_within(&self.folder, OsStr::from_bytes(&name))?.take(entry.size)))
            }
            other => Err(io::Error::other(format!("the record has an entry of the unknown kind {other}"))),
        }
    }
}

/// Opens a file of a layer: no link leads out of the folder, and nothing but a plain file can make the reader wait.
#[cfg(target_os = "linux")]
fn open_within(folder: &File, name: &OsStr) -> io::Result<File> {
    use rustix::fs::{Mode, OFlags, ResolveFlags, openat2};

    let flags = OFlags::RDONLY | OFlags::NONBLOCK | OFlags::CLOEXEC;
    Ok(openat2(folder, name, flags, Mode::empty(), ResolveFlags::IN_ROOT | ResolveFlags::NO_MAGICLINKS)?.into())
}

/// On other systems podman runs in a virtual machine, and its store cannot be read from here.
#[cfg(not(target_os = "linux"))]
fn open_within(_: &File, _: &OsStr) -> io::Result<File> {
    Err(io::ErrorKind::Unsupported.into())
}

fn decode(text: &str) -> io::Result<Vec<u8>> {
    STANDARD.decode(text).map_err(io::Error::other)
}

#[cfg(test)]
pub(crate) mod tests {
    use std::{
        fs,
        io::Write as _,
        os::unix::fs::{PermissionsExt as _, symlink},
    };

    use flate2::{Compression, write::GzEncoder};
    use serde_json::{Value, json};

    use super::*;

    /// An entry for bytes of the archive.
    pub(crate) fn bytes(bytes: &[u8]) -> Value {
        json!({"type": BYTES, "payload": STANDARD.encode(bytes), "position": 0})
    }

    /// An entry for a file.
    pub(crate) fn file(name: &str, size: usize) -> Value {
        json!({"type": FILE, "name": name, "size": size, "payload": "W4JtPkTmI4s=", "position": 0})
    }

    /// A layer of a store in this folder, with this record.
    pub(crate) fn store_layer(graph_root: &Path, layer: &str, record: &[Value]) -> PathBuf {
        let files = graph_root.join("overlay").join(layer).join("diff");
        fs::create_dir_all(&files).unwrap();
        fs::create_dir_all(graph_root.join("overlay-layers")).unwrap();
        let record_file = File::create(graph_root.join(format!("overlay-layers/{layer}.tar-split.gz"))).unwrap();
        let mut record_file = GzEncoder::new(record_file, Compression::fast());
        for entry in record {
            writeln!(record_file, "{entry}").unwrap();
        }
        record_file.finish().unwrap();
        files
    }

    fn read(files: &Path) -> io::Result<String> {
        let mut text = String::new();
        StoredLayer::of(files).unwrap().open()?.read_to_string(&mut text)?;
        Ok(text)
    }

    #[test]
    fn files_and_what_is_between_them_come_in_order() {
        let root = tempfile::tempdir().unwrap();
        let record = [
            bytes(b"<header>"),
            json!({"type": FILE, "name": "etc/", "payload": null, "position": 1}),
            bytes(b"<header>"),
            file("./etc/motd", 5),
            bytes(b"<padding>"),
            file("/bin/empty", 0),
            json!({"type": FILE, "name_raw": STANDARD.encode(b"\xff"), "size": 3, "payload": "", "position": 1}),
            bytes(b"<end>"),
        ];
        let files = store_layer(root.path(), "0123", &record);
        fs::create_dir(files.join("etc")).unwrap();
        // Longer than the record says: what podman wrote later is not of the layer.
        fs::write(files.join("etc/motd"), "hello, world").unwrap();
        fs::write(files.join(OsStr::from_bytes(b"\xff")), "raw").unwrap();
        assert_eq!(read(&files).unwrap(), "<header><header>hello<padding>raw<end>");
    }

    #[test]
    fn a_link_leads_nowhere_outside() {
        let root = tempfile::tempdir().unwrap();
        fs::write(root.path().join("secret"), "secret").unwrap();
        let files = store_layer(root.path(), "0123", &[file("out/secret", 6)]);
        symlink(root.path(), files.join("out")).unwrap();
        assert_eq!(read(&files).unwrap_err().kind(), io::ErrorKind::NotFound);
        let files = store_layer(root.path(), "4567", &[file("../../../secret", 6)]);
        assert_eq!(read(&files).unwrap_err().kind(), io::ErrorKind::NotFound);
        let files = store_layer(root.path(), "89ab", &[file("link", 6)]);
        symlink(root.path().join("secret"), files.join("link")).unwrap();
        assert!(read(&files).is_err());
    }

    #[rstest::rstest]
    #[case::no_such_file(vec![file("gone", 5)])]
    #[case::an_unknown_kind(vec![json!({"type": 3, "payload": "", "position": 0})])]
    #[case::no_base64(vec![json!({"type": BYTES, "payload": "*", "position": 0})])]
    #[case::no_entry(vec![json!({"size": -1})])]
    fn a_record_that_is_not_understood_is_an_error(#[case] record: Vec<Value>) {
        let root = tempfile::tempdir().unwrap();
        assert!(read(&store_layer(root.path(), "0123", &record)).is_err());
    }

    #[test]
    fn a_store_of_another_kind_is_an_error() {
        let root = tempfile::tempdir().unwrap();
        let files = store_layer(root.path(), "0123", &[]);
        let record = root.path().join("overlay-layers/0123.tar-split.gz");
        fs::write(&record, "not compressed").unwrap();
        assert!(read(&files).is_err());
        fs::remove_file(&record).unwrap();
        assert_eq!(read(&files).unwrap_err().kind(), io::ErrorKind::NotFound);
        assert_eq!(StoredLayer::of(Path::new("/")), None);
    }

    #[test]
    fn a_file_of_another_user_is_an_error() {
        let root = tempfile::tempdir().unwrap();
        let files = store_layer(root.path(), "0123", &[file("shadow", 4)]);
        fs::write(files.join("shadow"), "x:1:").unwrap();
        fs::set_permissions(files.join("shadow"), fs::Permissions::from_mode(0o000)).unwrap();
        let read = read(&files);
        if rustix::process::geteuid().is_root() {
            assert_eq!(read.unwrap(), "x:1:");
        } else {
            assert_eq!(read.unwrap_err().kind(), io::ErrorKind::PermissionDenied);
        }
    }
}
