#!/usr/bin/env bash
# Builds the image of auth and shows that it runs as nobody, on a read-only root, without capabilities, is healthy by its
# own health check, migrates, and stops in order. As root, with buildah, podman and runc; needs no registry and no daemon.
#
# The variables are those of deploy/image.sh.
set -euo pipefail
cd "$(dirname "$0")/.."
image="$(deploy/image.sh tripline-auth)"
podman=(podman --log-level fatal --storage-driver vfs --cgroup-manager cgroupfs --runtime runc)
work="$(mktemp -d)"
name="tripline-check-$$"
trap '"${podman[@]}" rm -f "$name" > /dev/null 2>&1 || true; rm -rf "$work"' EXIT
fail() { echo "$1" >&2; "${podman[@]}" logs "$name" >&2 || true; exit 1; }

head -c 32 /dev/urandom | od -An -v -tx1 | tr -d ' \n' > "$work/bootstrap"
chmod 0600 "$work/bootstrap"
chown 65532:65532 "$work/bootstrap"
chmod 0755 "$work"
options=(--network host --read-only --read-only-tmpfs=false --cap-drop all --security-opt no-new-privileges
    --ulimit nofile=1024:20000 --ulimit nproc=1000:1000
    --tmpfs /data:rw,mode=1777 --volume "$work/bootstrap:/run/secrets/bootstrap:ro"
    --env TRIPLINE_BOOTSTRAP_SECRET_FILE=/run/secrets/bootstrap
    --env TRIPLINE_AUTH__DB__URL=sqlite:///data/auth.db
    --env TRIPLINE_GRPC__ADDR=127.0.0.1:18105 --env TRIPLINE_ADMIN__ADDR=0.0.0.0:19105)

"${podman[@]}" run --rm "${options[@]}" "$image" check-config || fail "the configuration is refused"
"${podman[@]}" run --rm "${options[@]}" "$image" migrate 2> "$work/migrated" || fail "migrate fails"
grep -q "the schema is up to date" "$work/migrated" || fail "migrate does not say that it is done"

"${podman[@]}" run --detach --name "$name" "${options[@]}" "$image" > /dev/null
healthy=1
for _ in $(seq 100); do
    if "${podman[@]}" healthcheck run "$name" > /dev/null 2>&1; then healthy=0; break; fi
    sleep 0.1
done
[ "$healthy" = 0 ] || fail "the health check does not pass"
pid="$("${podman[@]}" inspect --format '{{.State.Pid}}' "$name")"
uid="$(awk '/^Uid:/ {print $2, $3, $4, $5}' "/proc/$pid/status")"
[ "$uid" = "65532 65532 65532 65532" ] || fail "it runs as $uid"
caps="$(awk '/^CapBnd:/ {print $2}' "/proc/$pid/status")"
[ "$caps" = 0000000000000000 ] || fail "it has capabilities: $caps"
# As root, within its own mounts.
if touch "/proc/$pid/root/written" 2> "$work/refused"; then fail "its root can be written"; fi
grep -q "Read-only file system" "$work/refused" || fail "$(cat "$work/refused")"
"${podman[@]}" exec "$name" /usr/local/bin/program healthcheck --live || fail "it does not live"
"${podman[@]}" stop --time 20 "$name" > /dev/null
code="$("${podman[@]}" inspect --format '{{.State.ExitCode}}' "$name")"
[ "$code" = 0 ] || fail "it ends with $code"
size="$("${podman[@]}" image inspect --format '{{.Size}}' "$image")"
echo "$image ($((size / 1000000)) MB): user $uid, capabilities $caps, root read-only, healthy, ends with $code"
