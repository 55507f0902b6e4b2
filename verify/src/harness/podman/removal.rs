//! Removing a store for good: containers, the steps of killed builds, mounts and files, whosever they are.
//!
//! Files in a store belong to users of a namespace, and podman leaves the store mounted onto itself there, for as long as
//! the user's one pause process lives. `podman system reset` would remove all that, and also end that process and whatever
//! other stores of the same user are doing.

use std::{
    collections::BTreeMap,
    fs,
    path::Path,
    process::{Command, Stdio},
};

use super::{command::podman, host::ROOT};
use crate::harness::HarnessError;

/// Ends what runs in containers below the folder that is its first argument, unmounts what is mounted there and below the
/// second, the deepest first, and removes both.
///
/// A build that was killed leaves its step running and its container in the store's list, mounted for all of podman's
/// processes or, by older podmans, for those of the build alone. Such a process has that container as its root: by a mount of
/// its own, or by chroot(2). Spaces and the like are octal numbers in lists of mounts (proc(5)).
const REMOVE: &str = r#"
mounts=$(while read -r _ _ _ _ point _; do
    case $point in *\\*) point=$(printf '%b' "$point") ;; esac
    case $point in "$1"/* | "$2"/*) printf '%s\n' "$point" ;; esac
done </proc/self/mountinfo | sort -r)
if grep -qs '"id"' "$1"/root/overlay-containers/*containers.json || [ "$mounts" != "${mounts#*/merged}" ]; then
    for process in /proc/[0-9]*; do
        inside=
        case $(readlink "$process/root") in "$1"/*) inside=yes ;; esac
        while read -r _ _ _ _ point rest; do
            case $point:$rest in /:*"upperdir=$1/"*) inside=yes ;; esac
        done 2>/dev/null <"$process/mountinfo"
        [ -z "$inside" ] || kill -KILL "${process#/proc/}"
    done
fi
printf '%s\n' "$mounts" | while IFS= read -r point; do
    [ -z "$point" ] || umount -l "$point"
done
rm -rf -- "$@"
"#;

/// Removes the store below a folder, with the folder and that of its run-time files.
pub(super) async fn remove(
    folder: &Path,
    run: &Path,
    environment: &BTreeMap<String, String>,
) -> Result<(), HarnessError> {
    if removed_unused(folder, run) {
        return Ok(());
    }
    if has_containers(folder) {
        podman(environment, &END_CONTAINERS).await?.ok("end the containers of a store")?;
    }
    podman(&BTreeMap::new(), &removal(folder, run)).await?.ok("remove a store").map(drop)
}

/// The same for who cannot wait, and has nobody to tell.
pub(super) fn remove_now(folder: &Path, run: &Path, environment: &BTreeMap<String, String>) {
    if removed_unused(folder, run) {
        return;
    }
    let call = |environment: &BTreeMap<String, String>, arguments: &[String]| {
        let mut command = Command::new("podman");
        command.args(arguments).envs(environment).stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
        let _ = command.status();
    };
    if has_containers(folder) {
        call(environment, &END_CONTAINERS.map(str::to_owned));
    }
    call(&BTreeMap::new(), &removal(folder, run));
}

const END_CONTAINERS: [&str; 4] = ["rm", "--all", "--force", "--time=0"];

fn removal(folder: &Path, run: &Path) -> [String; 7] {
    ["unshare", "sh", "-c", REMOVE, "remove", &folder.to_string_lossy(), &run.to_string_lossy()].map(str::to_owned)
}

/// Removes a store that podman was never called for, as most merges need none: all its files are this user's. Whether it did.
fn removed_unused(folder: &Path, run: &Path) -> bool {
    !folder.join(ROOT).exists() && [folder, run].into_iter().all(|folder| fs::remove_dir_all(folder).is_ok())
}

/// Whether podman made a container here that it has not removed. Asking podman would take a third of a second.
fn has_containers(folder: &Path) -> bool {
    ["containers.json", "volatile-containers.json"].iter().any(|name| {
        let list = fs::read_to_string(folder.join("root/overlay-containers").join(name));
        list.is_ok_and(|list| list.contains("\"id\""))
    })
}
