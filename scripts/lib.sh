# shellcheck shell=bash
# What setup.sh and the scripts share. Sourced, never run.

# The unprivileged user that podman runs as when the caller is root.
# shellcheck disable=SC2034
ROOTLESS_USER=tally
# Where setup.sh installs programs that are not from the distribution.
# shellcheck disable=SC2034
TOOLS=/usr/local/lib/tallyman
# How much of /dev/shm must be free to use it for temporary files, in GiB.
TEMPORARY_MIN_GIB=6

say() { printf '%s\n' "$*"; }

warn() { printf 'warning: %s\n' "$*" >&2; }

# fail MESSAGE [HINT]…
fail() {
    printf 'error: %s\n' "$1" >&2
    shift
    (($# == 0)) || printf 'hint: %s\n' "$@" >&2
    exit 1
}

has() { command -v "$1" >/dev/null 2>&1; }

is_root() { [[ $EUID -eq 0 ]]; }

# Whether the machine uses cgroups v2, the only version that crun accepts.
unified_cgroups() { [[ $(stat -f -c %T /sys/fs/cgroup 2>/dev/null) == cgroup2fs ]]; }

home_of() { getent passwd "$1" | cut -d: -f6; }

# temporary_folder UID HOME: where temporary files of this user go. In memory if podman can keep images there and there is room:
# an overlay on tmpfs needs Linux 6.6, and programs need a mount without noexec. Tests write a lot, so this is faster.
temporary_folder() {
    local uid=$1 home=$2 kernel free
    kernel=$(uname -r | grep -oE '^[0-9]+\.[0-9]+')
    free=$(df --output=avail --block-size=1G /dev/shm 2>/dev/null | tail -n 1)
    if ((${free:-0} >= TEMPORARY_MIN_GIB)) && [[ $(printf '%s\n' 6.6 "$kernel" | sort -V | head -n 1) == 6.6 ]] &&
        ! grep -qE '^[^ ]+ /dev/shm [^ ]+ ([^ ]+,)?noexec' /proc/mounts; then
        echo "/dev/shm/tallyman-$uid"
    else
        echo "$home/.cache/tmp"
    fi
}
