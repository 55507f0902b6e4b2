//! Whether the disks have room for a build.

use std::path::{Path, PathBuf};

use super::{
    finding::{Finding, Status},
    machine::Machine,
};
use crate::podman::Info;

const GIB: u64 = 1 << 30;
/// How much has to be free where podman keeps images, in bytes: a large base, its layers unpacked, and those built.
pub const IMAGES_FREE_MIN: u64 = 5 * GIB;
/// How much has to be free for temporary files, in bytes: compressed layers wait there for their upload.
pub const TEMPORARY_FREE_MIN: u64 = 2 * GIB;
/// Where temporary files go unless `TMPDIR` says otherwise, for podman as for the publisher.
const TEMPORARY_DEFAULT: &str = "/var/tmp";

/// Room for images, where podman says where they are, and for temporary files.
pub(super) fn findings(machine: &Machine<'_>, info: Option<&Info>) -> Vec<Finding> {
    let temporary = machine.variable("TMPDIR").unwrap_or(TEMPORARY_DEFAULT).into();
    let images = info.map(|info| ("space for images", info.graph_root.clone(), IMAGES_FREE_MIN));
    let places: [Option<(&str, PathBuf, u64)>; 2] =
        [images, Some(("space for temporary files", temporary, TEMPORARY_FREE_MIN))];
    places
        .into_iter()
        .flatten()
        .map(|(name, folder, min)| finding(name, &folder, free(&machine.path(&folder)), min))
        .collect()
}

fn finding(name: &str, folder: &Path, free: Option<u64>, min: u64) -> Finding {
    let folder = folder.display();
    match free {
        Some(free) if free >= min => Finding::ok(name, format!("{} free in {folder}", gib(free))),
        Some(free) => Finding::bad(
            name,
            Status::Warning,
            format!("only {} free in {folder}, {} are advised", gib(free), gib(min)),
            "podman system prune frees what no image needs; TMPDIR moves temporary files",
        ),
        None => Finding::bad(name, Status::Warning, format!("{folder} cannot be examined"), "create the folder"),
    }
}

/// What this user may still write, in bytes, to a folder or where it will be created.
fn free(folder: &Path) -> Option<u64> {
    let disk = folder.ancestors().find_map(|folder| rustix::fs::statvfs(folder).ok())?;
    Some(disk.f_bavail.saturating_mul(disk.f_frsize))
}

fn gib(bytes: u64) -> String {
    let tenths = bytes.saturating_mul(10) / GIB;
    format!("{}.{} GiB", tenths / 10, tenths % 10)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[rstest::rstest]
    #[case(Some(5 * GIB), Status::Ok, "5.0 GiB free in /store")]
    #[case(Some(GIB + GIB / 2), Status::Warning, "only 1.5 GiB free in /store, 5.0 GiB are advised")]
    #[case(None, Status::Warning, "/store cannot be examined")]
    fn too_little_room_is_a_warning(#[case] free: Option<u64>, #[case] status: Status, #[case] detail: &str) {
        let found = finding("space for images", Path::new("/store"), free, IMAGES_FREE_MIN);
        assert_eq!((found.status, found.detail.as_str()), (status, detail));
    }

    #[test]
    fn a_folder_that_is_yet_to_be_created_has_the_room_of_its_parent() {
        let folder = tempfile::tempdir().unwrap();
        assert!(free(&folder.path().join("not/yet")).is_some_and(|free| free > 0));
    }
}
