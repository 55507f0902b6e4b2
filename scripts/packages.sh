# shellcheck shell=bash
# Packages of the distribution without installing them: fetched and unpacked into a folder, for this architecture or another.
# Sourced, never run; scripts/lib.sh comes before it.

# apt_tree FOLDER ARCH…: package lists of their own for these architectures, the first being the main one. Nothing of the
# machine's apt is read but its sources and how they are reached, and nothing is written.
apt_tree() {
    local tree=$1 main=$2 file quoted
    shift
    printf -v quoted '"%s"; ' "$@"
    mkdir -p "$tree"/{state/lists/partial,cache/archives/partial,sources}
    : >"$tree/state/status"
    for file in /etc/apt/sources.list /etc/apt/sources.list.d/{debian,tallyman-newer}.sources; do
        # A source for certain architectures would hide the others.
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

# unpack FOLDER ROOT: all packages that were fetched into the folder, the one with the links for /bin and /lib first.
unpack() {
    local package
    mkdir -p "$2"
    for package in "$1"/base-files_*.deb "$1"/*.deb; do
        dpkg-deb --fsys-tarfile "$package" | tar -x --preserve-permissions --no-same-owner --keep-directory-symlink -C "$2"
    done
}
