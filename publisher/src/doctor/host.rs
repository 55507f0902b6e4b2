//! Examines what containers need of this machine besides podman: ranges of user ids, a network for each `RUN` step, space.

use std::{fs::OpenOptions, path::Path};

use super::{finding::Finding, machine::Machine};
use crate::podman::Info;

/// How many ids an ordinary image needs: `nobody` is 65534.
const IDS_MIN: u64 = 65_536;
const ADD_RANGES: &str = "as root: usermod --add-subuids 200000-265535 --add-subgids 200000-265535 USER";

const TUN: &str = "/dev/net/tun";
/// What podman connects rootless containers with by default, and before version 5, which does not report it.
const PASTA: &str = "pasta";
const BEFORE_PASTA: (u64, &str) = (5, "slirp4netns");

const GIB: u64 = 1 << 30;
/// The space in bytes that has to be free for images: a large base, its layers unpacked, and those built.
const IMAGES_FREE_MIN: u64 = 5 * GIB;
/// The space in bytes that has to be free for temporary files: compressed layers wait there for their upload.
const TEMPORARY_FREE_MIN: u64 = 2 * GIB;
/// Where temporary files go unless `TMPDIR` is set, for podman as for the publisher.
const TEMPORARY_DEFAULT: &str = "/var/tmp";

/// Id ranges of an ordinary user, and the programs that hand them out; root needs neither.
pub(super) fn user(machine: &Machine<'_>, info: Option<&Info>, user_id: u32) -> Vec<Finding> {
    if user_id == 0 {
        return Vec::new();
    }
    // Ranges may come from elsewhere than these files; podman knows.
    let known = info.map_or(0, |info| info.user_ids.saturating_sub(1));
    let why = "it hands out user and group ids";
    vec![
        ranges(machine, "/etc/subuid", user_id, known),
        ranges(machine, "/etc/subgid", user_id, known),
        machine.examine_program("newuidmap", "newuidmap", "uidmap", why),
        machine.examine_program("newgidmap", "newgidmap", "uidmap", why),
    ]
}

fn ranges(machine: &Machine<'_>, file: &str, user_id: u32, known: u64) -> Finding {
    let name = user_name(machine, user_id);
    let fix = ADD_RANGES.replace("USER", &name);
    match known.max(ids(&machine.text(file), &name, user_id)) {
        0 => Finding::missing(file, format!("no range for {name}"), fix),
        ids @ IDS_MIN.. => Finding::ok(file, format!("{ids} ids for {name}")),
        ids => Finding::warning(file, format!("only {ids} ids for {name}, images expect {IDS_MIN}"), fix),
    }
}

/// All ids of a user in lines of `user:first:count`, where the user is a name or a number.
fn ids(text: &str, name: &str, user_id: u32) -> u64 {
    let user_id = user_id.to_string();
    let fields = text.lines().map(|line| line.split(':').collect::<Vec<_>>());
    let of_user = fields.filter_map(|fields| match fields[..] {
        [user, _, count] if user == name || user == user_id => count.trim().parse::<u64>().ok(),
        _ => None,
    });
    of_user.sum()
}

/// The user's name from the user database, else its number.
fn user_name(machine: &Machine<'_>, user_id: u32) -> String {
    let (id, users) = (user_id.to_string(), machine.text("/etc/passwd"));
    let mut users = users.lines().map(|line| line.split(':').collect::<Vec<_>>());
    let name = users.find_map(|user| (user.get(2) == Some(&id.as_str())).then(|| user[0].to_owned()));
    name.unwrap_or(id)
}

/// The tunnel device, and the program that connects a `RUN` step through it.
pub(super) fn network(machine: &Machine<'_>, info: Option<&Info>) -> Vec<Finding> {
    let (version, older) = BEFORE_PASTA;
    let program = match info {
        Some(info) if !info.rootless_network.is_empty() => &info.rootless_network,
        Some(info) if info.version.major < version => older,
        _ => PASTA,
    };
    let package = if program == PASTA { "passt" } else { program };
    let without = "steps cannot reach the network";
    vec![tun(machine), machine.examine_program("rootless network", program, package, without)]
}

fn tun(machine: &Machine<'_>) -> Finding {
    // Only opening it shows whether permissions and mounts allow it.
    match OpenOptions::new().read(true).write(true).open(machine.path(TUN)) {
        Ok(_) => Finding::ok(TUN, "can be opened"),
        Err(error) => {
            let fix = format!("as root: modprobe tun; chmod 666 {TUN}, or ./setup.sh");
            Finding::missing(TUN, format!("cannot be opened: {error}"), fix)
        }
    }
}

/// Space for images, in the folder that podman names, and for temporary files.
pub(super) fn disk(machine: &Machine<'_>, info: Option<&Info>) -> Vec<Finding> {
    let temporary = Path::new(machine.environment.get("TMPDIR").unwrap_or(TEMPORARY_DEFAULT));
    let images = info.map(|info| ("space for images", info.graph_root.as_path(), IMAGES_FREE_MIN));
    let examined = images.into_iter().chain([("space for temporary files", temporary, TEMPORARY_FREE_MIN)]);
    examined.map(|(name, folder, min)| space(name, folder, free(&machine.path(folder)), min)).collect()
}

fn space(name: &str, folder: &Path, free: Option<u64>, min: u64) -> Finding {
    let folder = folder.display();
    match free {
        Some(free) if free >= min => Finding::ok(name, format!("{} free in {folder}", gib(free))),
        Some(free) => Finding::warning(
            name,
            format!("only {} free in {folder}, {} are advised", gib(free), gib(min)),
            "podman system prune frees what no image needs; TMPDIR moves temporary files",
        ),
        None => Finding::warning(name, format!("{folder} cannot be examined"), "create the folder"),
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
    use crate::{
        doctor::{
            finding::Status,
            machine::tests::{environment, machine_with},
        },
        podman::tests::info,
    };

    const USERS: (&str, &str) = ("/etc/passwd", "root:x:0:0::/root:/bin/sh\nann:x:1001:1001::/home/ann:/bin/sh\n");

    fn examine_user(files: &[(&str, &str)], info: Option<&Info>) -> Vec<(Status, String)> {
        let (root, environment) = (machine_with(files), environment());
        let findings = user(&Machine::new(&environment, root.path()), info, 1001);
        findings.into_iter().map(|finding| (finding.status, finding.detail)).collect()
    }

    #[rstest::rstest]
    #[case("ann:100000:65536\n", Status::Ok, "65536 ids for ann")]
    #[case("1001:100000:65536\n", Status::Ok, "65536 ids for ann")]
    #[case("ann:1:60000\nbob:1:9\nann:100000:6000\n", Status::Ok, "66000 ids for ann")]
    #[case("ann:100000:1000\n", Status::Warning, "only 1000 ids for ann, images expect 65536")]
    #[case("bob:100000:65536\n", Status::Missing, "no range for ann")]
    #[case("annabel:100000:65536\nann:x\n", Status::Missing, "no range for ann")]
    fn ranges_are_those_of_the_user(#[case] subuid: &str, #[case] status: Status, #[case] detail: &str) {
        assert_eq!(examine_user(&[USERS, ("/etc/subuid", subuid)], None)[0], (status, detail.to_owned()));
    }

    #[test]
    fn podman_knows_of_ranges_that_no_file_lists() {
        let found = examine_user(&[USERS, ("/usr/bin/newuidmap", ""), ("/usr/bin/newgidmap", "")], Some(&info()));
        assert!(found.len() == 4 && found.iter().all(|(status, _)| *status == Status::Ok), "{found:?}");
    }

    #[test]
    fn the_helpers_are_needed() {
        let found = examine_user(&[USERS], None);
        assert_eq!([found[2].0, found[3].0], [Status::Missing; 2]);
    }

    fn examine_network(files: &[(&str, &str)], info: Option<&Info>) -> Vec<Status> {
        let (root, environment) = (machine_with(files), environment());
        network(&Machine::new(&environment, root.path()), info).iter().map(|finding| finding.status).collect()
    }

    #[test]
    fn an_old_podman_is_connected_by_another_program() {
        let old = Info { version: semver::Version::new(4, 3, 1), rootless_network: String::new(), ..info() };
        let files = [("/dev/net/tun", ""), ("/usr/bin/slirp4netns", "")];
        assert_eq!(examine_network(&files, Some(&old)), [Status::Ok; 2]);
        assert_eq!(examine_network(&files, Some(&info())), [Status::Ok, Status::Missing]);
    }

    #[test]
    fn a_device_and_a_program_are_needed() {
        assert_eq!(examine_network(&[], None), [Status::Missing; 2]);
        assert_eq!(examine_network(&[("/dev/net/tun", ""), ("/usr/bin/pasta", "")], None), [Status::Ok; 2]);
    }

    #[rstest::rstest]
    #[case(Some(5 * GIB), Status::Ok, "5.0 GiB free in /store")]
    #[case(Some(GIB + GIB / 2), Status::Warning, "only 1.5 GiB free in /store, 5.0 GiB are advised")]
    #[case(None, Status::Warning, "/store cannot be examined")]
    fn too_little_room_is_a_warning(#[case] free: Option<u64>, #[case] status: Status, #[case] detail: &str) {
        let found = space("space for images", Path::new("/store"), free, IMAGES_FREE_MIN);
        assert_eq!((found.status, found.detail.as_str()), (status, detail));
    }

    #[test]
    fn a_folder_that_is_yet_to_be_created_has_the_room_of_its_parent() {
        let folder = tempfile::tempdir().unwrap();
        assert!(free(&folder.path().join("not/yet")).is_some_and(|free| free > 0));
    }
}
