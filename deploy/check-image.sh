#!/usr/bin/env bash
# Builds all images and shows of each that its configuration is taken; and of auth and of `tripline dev`, which need no
# other server, that they run as nobody, on a read-only root, without capabilities, are healthy by their own health
# check, and stop in order. As root, with buildah, podman and runc; needs no registry and no daemon.
#
# The variables are those of deploy/image.sh.
set -euo pipefail
cd "$(dirname "$0")/.."
deploy/image.sh
podman=(podman --log-level fatal --storage-driver vfs --cgroup-manager cgroupfs --runtime runc)
work="$(mktemp -d)"
name="tripline-check-$$"
trap '"${podman[@]}" rm -f "$name" > /dev/null 2>&1 || true; rm -rf "$work"' EXIT
fail() { echo "$1" >&2; "${podman[@]}" logs "$name" >&2 || true; exit 1; }

head -c 32 /dev/urandom | od -An -v -tx1 | tr -d ' \n' > "$work/bootstrap"
head -c 32 /dev/urandom | od -An -v -tx1 | tr -d ' \n' > "$work/master"
chmod 0600 "$work/bootstrap" "$work/master"
chown 65532:65532 "$work/bootstrap" "$work/master"
chmod 0755 "$work"
options=(--network host --read-only --read-only-tmpfs=false --cap-drop all --security-opt no-new-privileges
    --ulimit nofile=1024:20000 --ulimit nproc=1000:1000 --tmpfs /data:rw,mode=1777
    --volume "$work/bootstrap:/run/secrets/bootstrap:ro" --volume "$work/master:/run/secrets/master:ro")
service=(--env TRIPLINE_BOOTSTRAP_SECRET_FILE=/run/secrets/bootstrap)
image() { echo "localhost/$1:${TRIPLINE_TAG:-latest}"; }

# check PROGRAM [OPTION …] [-- ARGUMENT …]
check() {
    local program="$1" image healthy=1 pid uid caps code size
    local -a own=() arguments=()
    image="$(image "$1")"
    shift
    while [ $# -gt 0 ] && [ "$1" != -- ]; do own+=("$1"); shift; done
    if [ $# -gt 0 ]; then shift; arguments=("$@"); fi
    "${podman[@]}" run --detach --name "$name" "${options[@]}" "${own[@]}" "$image" "${arguments[@]}" > /dev/null
    for _ in $(seq 100); do
        if "${podman[@]}" healthcheck run "$name" > /dev/null 2>&1; then healthy=0; break; fi
        sleep 0.1
    done
    [ "$healthy" = 0 ] || fail "$program: the health check does not pass"
    pid="$("${podman[@]}" inspect --format '{{.State.Pid}}' "$name")"
    uid="$(awk '/^Uid:/ {print $2, $3, $4, $5}' "/proc/$pid/status")"
    [ "$uid" = "65532 65532 65532 65532" ] || fail "$program runs as $uid"
    caps="$(awk '/^CapBnd:/ {print $2}' "/proc/$pid/status")"
    [ "$caps" = 0000000000000000 ] || fail "$program has capabilities: $caps"
    # As root, within its own mounts.
    if touch "/proc/$pid/root/written" 2> "$work/refused"; then fail "$program: its root can be written"; fi
    grep -q "Read-only file system" "$work/refused" || fail "$(cat "$work/refused")"
    "${podman[@]}" exec "$name" /usr/local/bin/program healthcheck --live || fail "$program does not live"
    "${podman[@]}" stop --time 30 "$name" > /dev/null
    code="$("${podman[@]}" inspect --format '{{.State.ExitCode}}' "$name")"
    [ "$code" = 0 ] || fail "$program ends with $code"
    "${podman[@]}" rm "$name" > /dev/null
    size="$("${podman[@]}" image inspect --format '{{.Size}}' "$image")"
    echo "$image ($((size / 1000000)) MB): user $uid, capabilities $caps, root read-only, healthy, ends with $code"
}

taken() {
    local program="$1"
    shift
    "${podman[@]}" run --rm "${options[@]}" "${service[@]}" "$@" "$(image "$program")" check-config 2> "$work/said" ||
        fail "$program: $(cat "$work/said")"
    echo "$(image "$program"): its configuration is taken"
}
taken tripline-api-gateway
taken tripline-trigger-registry --env TRIPLINE_REGISTRY__DB__URL=sqlite:///data/registry.db \
    --env TRIPLINE_MASTER_KEY_FILE=/run/secrets/master
taken tripline-event-monitor --env TRIPLINE_MONITOR__DB__URL=sqlite:///data/monitor.db
taken tripline-invoker --env TRIPLINE_INVOKER__DB__URL=sqlite:///data/invoker.db

auth=("${service[@]}" --env TRIPLINE_AUTH__DB__URL=sqlite:///data/auth.db
    --env TRIPLINE_GRPC__ADDR=127.0.0.1:18105 --env TRIPLINE_ADMIN__ADDR=127.0.0.1:19105)
"${podman[@]}" run --rm "${options[@]}" "${auth[@]}" "$(image tripline-auth)" migrate 2> "$work/said" ||
    fail "migrate fails: $(cat "$work/said")"
grep -q "the schema is up to date" "$work/said" || fail "migrate does not say that it is done"
check tripline-auth "${auth[@]}"
check tripline --env TRIPLINE_ADMIN__ADDR=127.0.0.1:19106 -- dev --data /data --http 127.0.0.1:18106
