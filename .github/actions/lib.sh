# shellcheck shell=bash disable=SC2034
# What the scripts of these actions share. Sourced, never run.

# fail MESSAGE HINT: prints an annotation, adds a line to the job summary, and exits.
fail() {
    echo "::error title=tallyman::$1%0Ahint: $2"
    [[ -z ${GITHUB_STEP_SUMMARY:-} ]] || printf '**Failed:** %s\n\nhint: %s\n' "$1" "$2" >>"$GITHUB_STEP_SUMMARY"
    exit 1
}

# attempts COUNT WAIT_S COMMAND…: runs the command until it succeeds. The wait doubles each time.
attempts() {
    local count=$1 wait_s=$2 attempt
    shift 2
    for ((attempt = 1; attempt <= count; attempt++)); do
        ! "$@" || return 0
        ((attempt == count)) || sleep "$((wait_s << (attempt - 1)))"
    done
    return 1
}

# read_plan [ARGUMENT…]: sets tag and repositories (`ghcr.io/acme/hello`) to what this run publishes, and waived to the checks that
# the configuration excepts. Calls `publisher plan`, because the name on Docker Hub may contain a secret, and GitHub does not pass
# secrets from one job to another.
read_plan() {
    local plan
    plan=$(env -u GITHUB_OUTPUT publisher plan --skip-push --output json "$@")
    tag=$(jq -r .tag <<<"$plan")
    mapfile -t repositories < <(jq -r '(":" + .tag) as $tag | .registries[].reference | rtrimstr($tag)' <<<"$plan")
    mapfile -t waived < <(jq -r '.waive // [] | .[]' <<<"$plan")
    ((${#repositories[@]} > 0)) || fail "the plan names no registry" "publisher plan says what it names"
}

# account HOST: sets user and password for this registry, or makes them empty.
account() {
    case $1 in
    ghcr.io) user=${GITHUB_ACTOR:-} password=${GITHUB_TOKEN:-} ;;
    docker.io) user=${DOCKERHUB_USERNAME:-} password=${DOCKERHUB_TOKEN:-} ;;
    *) user=${REGISTRY_USERNAME:-} password=${REGISTRY_TOKEN:-} ;;
    esac
}
