//! ELF: the processor that a file is made for, the loader that it names, and the libraries that it needs.

use std::fs::File;

use object::{
    Endianness,
    elf::{self, FileHeader32, FileHeader64},
    read::{
        FileKind, ReadCache, ReadRef,
        elf::{Dyn as _, FileHeader, ProgramHeader as _},
    },
};

use super::tree::Place;

/// How ELF begins.
const MAGIC: &[u8] = b"\x7fELF";
/// Where the byte order stands, and the value that means "most significant byte first".
const ORDER: (usize, u8) = (5, 2);
/// Where the machine stands.
const MACHINE: usize = 18;

/// What a linker has to know of a file.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Linking {
    /// The loader.
    pub(super) loader: Option<String>,
    /// The libraries' names.
    pub(super) needed: Vec<String>,
    /// Where else they may be: `RPATH` and `RUNPATH`.
    pub(super) folders: Vec<String>,
}

/// The number of the machine that a file is made for, read from its beginning. None if it is not ELF.
pub(super) fn machine(head: &[u8]) -> Option<u16> {
    let bytes: [u8; 2] = head.get(MACHINE..MACHINE + 2)?.try_into().ok()?;
    if !head.starts_with(MAGIC) {
        return None;
    }
    Some(if head[ORDER.0] == ORDER.1 { u16::from_be_bytes(bytes) } else { u16::from_le_bytes(bytes) })
}

/// How a file is linked. A broken one needs nothing.
pub(super) fn linking(archive: &File, place: Place) -> Linking {
    let cache = ReadCache::new(archive);
    let data = cache.range(place.offset, place.size);
    let linking = match FileKind::parse(data) {
        Ok(FileKind::Elf64) => read::<FileHeader64<Endianness>, _>(data),
        Ok(FileKind::Elf32) => read::<FileHeader32<Endianness>, _>(data),
        _ => return Linking::default(),
    };
    linking.unwrap_or_default()
}

fn read<'data, H: FileHeader<Endian = Endianness>, R: ReadRef<'data>>(data: R) -> object::read::Result<Linking> {
    let header = H::parse(data)?;
    let endian = header.endian()?;
    let segments = header.program_headers(endian, data)?;
    let mut linking = Linking::default();
    // The file's place of what is loaded at an address.
    let place = |address: u64| {
        segments.iter().filter(|it| it.p_type(endian) == elf::PT_LOAD).find_map(|it| {
            let from: u64 = it.p_vaddr(endian).into();
            let within = address.checked_sub(from).filter(|within| *within < it.p_filesz(endian).into())?;
            within.checked_add(it.p_offset(endian).into())
        })
    };
    for segment in segments {
        if let Some(loader) = segment.interpreter(endian, data)? {
            linking.loader = Some(String::from_utf8_lossy(loader).into_owned());
        }
        let Some(entries) = segment.dynamic(endian, data)? else { continue };
        let entries = || entries.iter().map(|it| (it.d_tag(endian), it.d_val(endian).into()));
        let strings = entries().find(|(tag, _)| *tag == elf::DT_STRTAB).and_then(|(_, address)| place(address));
        let Some(strings) = strings else { continue };
        let text = |offset: u64| {
            let (from, end) = (strings.checked_add(offset)?, data.len().ok()?);
            Some(String::from_utf8_lossy(data.read_bytes_at_until(from..end, 0).ok()?).into_owned())
        };
        for (tag, value) in entries().take_while(|(tag, _)| *tag != elf::DT_NULL) {
            match tag {
                elf::DT_NEEDED => linking.needed.extend(text(value)),
                elf::DT_RPATH | elf::DT_RUNPATH => {
                    linking.folders.extend(text(value).iter().flat_map(|it| it.split(':')).map(str::to_owned));
                }
                _ => {}
            }
        }
    }
    Ok(linking)
}

#[cfg(test)]
mod tests {
    use std::{io::Read as _, os::unix::fs::FileExt as _};

    use super::*;

    /// This machine's own shell stands for all dynamically linked programs.
    #[test]
    fn a_real_programs_loader_and_libraries_are_found() {
        let shell = File::open("/bin/bash").unwrap();
        let size = shell.metadata().unwrap().len();
        let linking = linking(&shell, Place { layer: 0, offset: 0, size, executable: true });
        assert!(linking.loader.unwrap().contains("/ld"));
        assert!(linking.needed.iter().any(|it| it.starts_with("libc.so")), "{:?}", linking.needed);
    }

    #[test]
    fn a_program_in_the_middle_of_an_archive_is_the_same() {
        let mut bytes = Vec::new();
        File::open("/bin/bash").unwrap().read_to_end(&mut bytes).unwrap();
        let archive = tempfile::tempfile().unwrap();
        archive.write_all_at(&bytes, 1536).unwrap();
        let place = |offset| Place { layer: 0, offset, size: bytes.len() as u64, executable: true };
        assert_eq!(linking(&archive, place(1536)), linking(&File::open("/bin/bash").unwrap(), place(0)));
    }

    #[test]
    fn a_broken_program_needs_nothing() {
        let archive = tempfile::tempfile().unwrap();
        archive.write_all_at(b"\x7fELF\x02\x01\x01", 0).unwrap();
        assert_eq!(linking(&archive, Place { layer: 0, offset: 0, size: 64, executable: true }), Linking::default());
    }

    #[test]
    fn the_machine_is_read_in_its_own_byte_order() {
        let head = |order: u8, machine: [u8; 2]| {
            let mut head = [0; 64];
            head[..4].copy_from_slice(MAGIC);
            head[5] = order;
            head[18..20].copy_from_slice(&machine);
            head
        };
        assert_eq!(machine(&head(1, [183, 0])), Some(183));
        assert_eq!(machine(&head(2, [0, 22])), Some(22));
        assert_eq!((machine(b"\x7fELF"), machine(&[0; 64])), (None, None));
    }
}
