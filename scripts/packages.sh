# shellcheck shell=bash
# Downloads packages of the distribution, for this architecture or another, and unpacks them into a folder without installing them.
# Sourced after scripts/lib.sh, never run.

# apt_tree FOLDER ARCH…: downloads package lists for these architectures into the folder; the first one is the main architecture.
# Of the machine's own apt it only reads the sources and how to reach them.
apt_tree() {
    local tree=$1 main=$2 file quoted
    shift
    printf -v quoted '"%s"; ' "$@"
    mkdir -p "$tree"/{state/lists/partial,cache/archives/partial,sources}
    : >"$tree/state/status"
    for file in /etc/apt/sources.list /etc/apt/sources.list.d/{debian,tallyman-newer}.sources; do
        # A source that is limited to some architectures would hide the others.
        [[ ! -e $file ]] || sed '/^Architectures:/d' "$file" >"$tree/sources/${file##*/}"
    done
    {
        apt-config dump | grep '^Acquire::' | grep -v '^Acquire::IndexTargets'
        cat <<CONF
APT::Architecture "$main";
APT::Architectures { $quoted};
APT::Install-Recommends "false";
APT::Sandbox::User "";
Acquire::Check-Valid-Until "false";
Acquire::Languages "none";
Dir::State "$tree/state";
Dir::State::status "$tree/state/status";
Dir::Cache "$tree/cache";
Dir::Etc::main "/dev/null";
Dir::Etc::parts "/dev/null";
Dir::Etc::preferences "/dev/null";
Dir::Etc::preferencesparts "/dev/null";
Dir::Etc::sourcelist "$tree/sources/sources.list";
Dir::Etc::sourceparts "$tree/sources";
CONF
    } >"$tree/apt.conf"
    APT_CONFIG=$tree/apt.conf apt-get -q update
}

# unpack FOLDER ROOT: unpacks all packages in the folder, beginning with base-files, which has the links for /bin and /lib.
unpack() {
    local package
    mkdir -p "$2"
    for package in "$1"/base-files_*.deb "$1"/*.deb; do
        dpkg-deb --fsys-tarfile "$package" | tar -x --preserve-permissions --no-same-owner --keep-directory-symlink -C "$2"
    done
}
