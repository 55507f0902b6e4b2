# shellcheck shell=bash disable=SC2154
# Starts registries on this machine and reads from them. Sourced after scripts/lib.sh, never run.
#
# The caller sets $work (a folder), $log (the file to which all registries log, one JSON object per line) and $IMAGE.

WAIT_MAX_S=20
POLL_S=0.05

# The registries' addresses by name, and their processes.
declare -A host=()
children=()

# until_true WHAT COMMAND…: waits until the command succeeds.
until_true() {
    local what=$1 deadline=$((SECONDS + WAIT_MAX_S))
    shift
    until "$@" >/dev/null 2>&1; do
        ((SECONDS < deadline)) || { cat "$log" >&2 && fail "$what: waited $WAIT_MAX_S s"; }
        sleep "$POLL_S"
    done
}

# Addresses of the registries that were started so far. Each chose a free port itself.
listening() { sed -n 's/.*"msg":"listening on \([0-9.:]*\)".*/\1/p' "$log"; }
are_listening() { (($(listening | wc -l) == $1)); }

# start_registry NAME: starts an empty registry with its files in $work/NAME.
start_registry() {
    local name=$1
    cat >"$work/$name.yml" <<YAML
version: 0.1
log: { level: info, formatter: json, accesslog: { disabled: true } }
storage: { filesystem: { rootdirectory: "$work/$name" }, delete: { enabled: true } }
http: { addr: "127.0.0.1:0" }
YAML
    # The registry reads every variable that begins with REGISTRY_ as a setting.
    env -u REGISTRY_AUTH_FILE docker-registry serve "$work/$name.yml" >>"$log" 2>&1 </dev/null &
    children+=($!)
    until_true "registry $name does not start" are_listening "${#children[@]}"
    host[$name]=$(listening | tail -n 1)
    until_true "registry $name does not answer" curl -fsS "http://${host[$name]}/v2/"
}

tags() { curl -fsS "http://${host[$1]}/v2/$IMAGE/tags/list" | jq -r '.tags[]' | LC_ALL=C sort | xargs; }
raw() { skopeo inspect --tls-verify=false --raw "docker://${host[$1]}/$IMAGE:$2"; }
digest() { raw "$1" "$2" | sha256sum | cut -d' ' -f1; }
