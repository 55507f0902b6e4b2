# Every task of this project. `just` lists them; `./setup.sh` prepares the machine for them.

set shell := ["bash", "-euo", "pipefail", "-c"]
set positional-arguments

# Where setup.sh puts what it installs (TOOLS in scripts/lib.sh, and rustup's own folder).
export PATH := "/usr/local/lib/tallyman/bin:" + home_directory() / ".cargo/bin:" + env("PATH")

archive := "target/nextest-archive.tar.zst"
just := quote(just_executable())

[private]
default:
    @just --list --unsorted

# Builds a real image for two platforms and publishes it to two local registries: what Tallyman is for, in a minute
[group('start here')]
demo: (compile "publisher")
    ROOTLESS_COPY=target/debug/publisher scripts/rootless scripts/demo

# What this machine lacks for building and publishing
[group('start here')]
doctor: (compile "publisher")
    ROOTLESS_COPY=target/debug/publisher scripts/rootless target/debug/publisher doctor

# Everything that must be right before a merge: format, lints, scripts, workflows, tests
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
    [[ -n $tests ]] || { echo "error: no summary of the tests was seen" >&2 && exit 1; }
    scripts/rootless scripts/leftovers
    echo "verified: format, lints, scripts and workflows are clean; $tests; nothing is left behind; $SECONDS s"
    echo "not verified here: licences and sources of the dependencies (just deny; a workflow does it before each merge)"

# All tests, with real podman and real registries; filters as for nextest: just test plan
[group('before a merge')]
test *filters:
    #!/usr/bin/env bash
    set -euo pipefail
    # Tests wait much of their time: for podman, for registries, for each other.
    export NEXTEST_TEST_THREADS=$(($(nproc) * 2))
    if ((EUID == 0)); then
        # The unprivileged user can read neither root's toolchain nor, often, root's checkout.
        cargo nextest archive --workspace --locked --archive-file {{ archive }}
        ROOTLESS_COPY={{ archive }} scripts/rootless env INSTA_UPDATE=no "NEXTEST_TEST_THREADS=$NEXTEST_TEST_THREADS" \
            cargo-nextest nextest run --archive-file {{ archive }} --workspace-remap . --no-fail-fast "$@"
    else
        INSTA_UPDATE=no scripts/rootless cargo nextest run --workspace --locked --no-fail-fast "$@"
    fi

# What checks say of our own publisher alone, with registries in containers: just gate 'test(fr_017)'
[group('before a merge')]
gate filter="all()":
    {{ just }} test -E 'test(/^local::/) and {{ filter }}'

# What checks say of good and bad subjects, against what is expected: just subjects 'test(one_attempt)'
[group('before a merge')]
subjects filter="all()":
    {{ just }} test --ignore-default-filter -E 'test(/^subjects::/) and {{ filter }}'

# Thousands of runs of our own publisher: faults at each request, two runs with their writes in each order: just torture --seed 7
[group('before a merge')]
torture *arguments:
    cargo build --workspace --locked
    ROOTLESS_COPY="target/debug/publisher target/debug/verify" scripts/rootless bash -c 'exec target/debug/verify explore \
        --subject fixtures/subjects/ours --env "VERIFY_PUBLISHER=$PWD/target/debug/publisher" "$@"' torture "$@"

# The subjects that each check fails on, from the expected verdicts
[group('work')]
shown:
    @grep -H '^FAIL' verify/tests/expected/* | sed -E 's|^.*/([^:]+):FAIL (.*)|\2 \1|' | sort \
        | awk '{ if ($1 != last) { printf "%s%s\n", last ? "\n" : "", $1; last = $1 } print "    " $2 }'

# Runs the workflows on this machine, against local registries, and asks verify what came of it: just workflows main tag
[group('before a merge')]
workflows *scenarios: (compile "publisher" "verify")
    ROOTLESS_COPY="target/debug/publisher target/debug/verify" scripts/rootless scripts/workflows "$@"

# The end-to-end tests with other podmans, each in a Debian of its own: just podmans trixie
[group('before a merge')]
podmans *suites:
    scripts/podmans "$@"

# Format, clippy, shell scripts, workflows
[group('before a merge')]
lint: lint-workflows
    cargo fmt --all --check
    cargo clippy --workspace --all-targets --locked -- -D warnings
    git ls-files -z -- ':!*.md' | xargs -0 grep -lZE --no-messages '^(#!.*[ /](ba)?sh|# shellcheck shell=.*)$' | xargs -0 shellcheck --external-sources --exclude=SC1091

# This repository's workflows and actions, and those that `publisher init` writes
[private]
lint-workflows:
    scripts/check-setup-action
    actionlint .github/workflows/*.yml fixtures/init/*/.github/workflows/build-images.yml
    zizmor --offline --quiet --no-progress .github fixtures/actions fixtures/init/*/.github/workflows/build-images.yml

# Licences, sources and duplicates of all dependencies (known vulnerabilities are looked up where there is a network)
[group('before a merge')]
deny:
    @command -v cargo-deny >/dev/null || { echo "error: cargo-deny is missing" >&2 && echo "hint: cargo install --locked cargo-deny, which takes minutes" >&2 && exit 1; }
    cargo deny --log-level error check bans licenses sources

# Formats the code
[group('work')]
fmt:
    cargo fmt --all

# Compiles the release programs, as fast as they get
[group('work')]
build:
    cargo build --release --locked --target-dir target

# Compiles what a recipe needs, quickly
[private]
compile *packages:
    cargo build --locked --target-dir target "${@/#/--package=}"

# Publishes two images of 200 MB with plain podman and with publisher, in turns, and prints ratios: just bench 5
[group('work')]
bench rounds="5": build
    ROOTLESS_COPY=target/release/publisher scripts/rootless scripts/bench {{ rounds }}

# Compiles the programs for Tallyman's own image, for both platforms: dist/linux-amd64, dist/linux-arm64
[group('work')]
dist *architectures:
    scripts/dist "$@"

# Publishes Tallyman's own image to two local registries, runs it for both platforms, and lets it verify itself
[group('work')]
image: dist
    ROOTLESS_COPY="$(find dist -type f | xargs)" scripts/rootless scripts/image
