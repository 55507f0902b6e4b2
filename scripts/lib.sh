# shellcheck shell=bash
# What setup.sh and scripts/rootless have to agree on. Sourced, never run.

# The unprivileged user that podman runs as when the caller is root.
# shellcheck disable=SC2034
ROOTLESS_USER=tally
# Where setup.sh puts programs that are not the distribution's.
# shellcheck disable=SC2034
TOOLS=/usr/local/lib/tallyman

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

# Whether /sys/fs/cgroup is one unified hierarchy, the only kind that crun accepts.
unified_cgroups() { [[ $(stat -f -c %T /sys/fs/cgroup 2>/dev/null) == cgroup2fs ]]; }

home_of() { getent passwd "$1" | cut -d: -f6; }
