# All tasks of this project. `just` lists them. `./setup.sh` prepares the machine.

set shell := ["bash", "-euo", "pipefail", "-c"]
set positional-arguments

# Where setup.sh installs programs (TOOLS in scripts/lib.sh, and rustup's folder).
export PATH := "/usr/local/lib/tallyman/bin:" + home_directory() / ".cargo/bin:" + env("PATH")

archive := "target/nextest-archive.tar.zst"
just := quote(just_executable())

[private]
default:
    @just --list --unsorted

# Shows Tallyman in a minute: builds a real image for two platforms and publishes it to two local registries
[group('start here')]
demo: (compile "publisher")
    ROOTLESS_COPY=target/debug/publisher scripts/rootless scripts/demo

# Says what this machine lacks for building and publishing
[group('start here')]
doctor: (compile "publisher")
    ROOTLESS_COPY=target/debug/publisher scripts/rootless target/debug/publisher doctor

# Runs everything that must pass before a merge: format, lints, scripts, workflows, tests
[group('before a merge')]
verify:
    #!/usr/bin/env bash
    set -euo pipefail
    log=$(mktemp)
    trap 'rm -f "$log"' EXIT
    {{ just }} lint
    {{ just }} test --color "$([[ -t 1 ]] && echo always || echo never)" 2>&1 | tee "$log"
    sed -i 's/\x1b\[[0-9;]*m//g' "$log"
    tests=$(sed -nE 's/.*(Summary .*\] +)([0-9]+ tests? run: .*)/\2/p' "$log")
    [[ -n $tests ]] || { echo "error: the tests printed no summary" >&2 && exit 1; }
    scripts/rootless scripts/leftovers
    echo "verified: format, lints, scripts and workflows are clean; $tests; nothing is left behind; $SECONDS s"
    echo "not verified here: licences and sources of the dependencies (just deny; the workflow verify.yml does it before each merge)"

# Runs tests with real podman and real registries; takes nextest's filters: just test plan
[group('before a merge')]
test *filters:
    #!/usr/bin/env bash
    set -euo pipefail
    # Tests spend much of their time waiting for podman, for registries and for each other.
    export NEXTEST_TEST_THREADS=$(($(nproc) * 2))
    if ((EUID == 0)); then
        # The unprivileged user cannot read root's toolchain, and often not root's checkout.
        cargo nextest archive --workspace --locked --archive-file {{ archive }}
        ROOTLESS_COPY={{ archive }} scripts/rootless env INSTA_UPDATE=no "NEXTEST_TEST_THREADS=$NEXTEST_TEST_THREADS" \
            "RACES=${RACES:-500}" "SEED=${SEED:-1}" \
            cargo-nextest nextest run --archive-file {{ archive }} --workspace-remap . --no-fail-fast "$@"
    else
        INSTA_UPDATE=no scripts/rootless cargo nextest run --workspace --locked --no-fail-fast "$@"
    fi

# Runs every check of verify on our own publisher, with registries in containers: just gate 'test(fr_017)'
[group('before a merge')]
gate filter="all()":
    {{ just }} test -E 'test(/^local::/) and {{ filter }}'

# Runs the checks on good and bad pipelines and compares with the expected results: just subjects 'test(one_attempt)'
[group('before a merge')]
subjects filter="all()":
    {{ just }} test --ignore-default-filter -E 'test(/^subjects::/) and {{ filter }}'

# Runs our own publisher thousands of times: a fault at each request, two runs at once in each order: just torture --seed 7
[group('before a merge')]
torture *arguments: build
    ROOTLESS_COPY="target/release/publisher target/release/verify" scripts/rootless bash -c 'exec target/release/verify explore \
        --subject fixtures/subjects/ours --env "VERIFY_PUBLISHER=$PWD/target/release/publisher" "$@"' torture "$@"

# Lists for each check the pipelines that fail it, from the expected results
[group('work')]
shown:
    @grep -H '^FAIL' verify/tests/expected/* | sed -E 's|^.*/([^:]+):FAIL (.*)|\2 \1|' | sort \
        | awk '{ if ($1 != last) { printf "%s%s\n", last ? "\n" : "", $1; last = $1 } print "    " $2 }'

# Runs the GitHub workflows on this machine, against local registries, and checks the result: just workflows main tag
[group('before a merge')]
workflows *scenarios: (compile "publisher" "verify")
    ROOTLESS_COPY="target/debug/publisher target/debug/verify" scripts/rootless scripts/workflows "$@"

# Runs the end-to-end tests with other versions of podman, each in a Debian of its own: just podmans trixie
[group('before a merge')]
podmans *suites:
    scripts/podmans "$@"

# Checks format, Rust code, shell scripts and workflows
[group('before a merge')]
lint: lint-workflows
    cargo fmt --all --check
    cargo clippy --workspace --all-targets --locked -- -D warnings
    git ls-files -z -- ':!*.md' | xargs -0 grep -lZE --no-messages '^(#!.*[ /](ba)?sh|# shellcheck shell=.*)$' | xargs -0 shellcheck --external-sources --exclude=SC1091

# Checks this repository's workflows and actions, and those that `publisher init` writes
[private]
lint-workflows:
    scripts/check-setup-action
    actionlint .github/workflows/*.yml fixtures/init/*/.github/workflows/build-images.yml
    zizmor --offline --quiet --no-progress .github fixtures/actions fixtures/init/*/.github/workflows/build-images.yml

# Checks licences, sources and duplicates of all dependencies
[group('before a merge')]
deny:
    @command -v cargo-deny >/dev/null || { echo "error: cargo-deny is missing" >&2 && echo "hint: cargo install --locked cargo-deny, which takes minutes" >&2 && exit 1; }
    cargo deny --log-level error check bans licenses sources

# Formats the code
[group('work')]
fmt:
    cargo fmt --all

# Compiles the programs with optimisation
[group('work')]
build:
    cargo build --release --locked --target-dir target

# Compiles what a recipe needs, without optimisation
[private]
compile *packages:
    cargo build --locked --target-dir target "${@/#/--package=}"

# Publishes two images of 200 MB with podman and with publisher, in turns, and prints how much faster publisher is: just bench 5
[group('work')]
bench rounds="5": build
    ROOTLESS_COPY=target/release/publisher scripts/rootless scripts/bench {{ rounds }}

# Compiles the programs for Tallyman's own image, for both platforms: dist/linux-amd64, dist/linux-arm64
[group('work')]
dist *architectures:
    scripts/dist "$@"

# Publishes Tallyman's own image to two local registries, and runs it for both platforms to check itself
[group('work')]
image: dist
    ROOTLESS_COPY="$(find dist -type f | xargs)" scripts/rootless scripts/image
