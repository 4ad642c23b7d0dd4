#!/usr/bin/env bash
# Builds an image for each program named (default: all six), with buildah and no daemon.
#
#   deploy/image.sh [tripline-auth …]
#
#   TRIPLINE_BASE     the base image; without it one is made of Debian's packages with debootstrap (needs root)
#   TRIPLINE_BIN_DIR  where the binaries are; without it `cargo build --release` makes them
#   TRIPLINE_TAG      the images' tag (default: latest)
set -euo pipefail
cd "$(dirname "$0")/.."

programs=("$@")
if [ ${#programs[@]} -eq 0 ]; then
    programs=(tripline tripline-api-gateway tripline-trigger-registry tripline-event-monitor tripline-invoker tripline-auth)
fi
cache="${TRIPLINE_CACHE_DIR:-$HOME/.cache/tripline}"
# vfs works everywhere, also inside a container; chroot needs no namespaces.
buildah=(buildah --storage-driver vfs)
work="$(mktemp -d)"
trap 'rm -rf "$work"' EXIT

# The files of a few packages, which is all that the binaries need: 10 MB where Debian's smallest system has 200.
make_base() {
    local tree="$cache/base-bookworm" file container
    [ -x "$tree/usr/bin/dpkg-query" ] || debootstrap --variant=minbase bookworm "$tree"
    (
        cd "$tree"
        echo ./lib; echo ./lib64; echo ./tmp; echo ./etc/nsswitch.conf; echo ./etc/passwd; echo ./etc/group
        # Paths as packages know them lead over links: /lib is /usr/lib.
        chroot . dpkg-query -L base-files libc6 libgcc-s1 | sed -E 's#^/lib(64)?/#/usr/lib\1/#' |
            grep -Ev '^/usr/(share/(doc|man|lintian|locale|info)|lib/x86_64-linux-gnu/gconv)/' |
            while read -r file; do
                if [ -f ".$file" ] && [[ "$file" == /usr/lib* || "$file" == /etc/* ]]; then echo ".$file"; fi
            done
    ) | sort -u > "$work/files"
    tar -C "$tree" --no-recursion -cf "$work/base.tar" -T "$work/files"
    container="$("${buildah[@]}" from scratch)"
    "${buildah[@]}" add -q "$container" "$work/base.tar" / > /dev/null
    "${buildah[@]}" commit -q --rm "$container" localhost/tripline-base > /dev/null
}

if [ -z "${TRIPLINE_BASE:-}" ]; then
    make_base
    TRIPLINE_BASE=localhost/tripline-base
fi
if [ -z "${TRIPLINE_BIN_DIR:-}" ]; then
    packages=()
    for program in "${programs[@]}"; do packages+=(--package "$program"); done
    cargo build --release --locked "${packages[@]}"
    TRIPLINE_BIN_DIR="${CARGO_TARGET_DIR:-target}/release"
fi
for program in "${programs[@]}"; do
    mkdir "$work/$program"
    cp "$TRIPLINE_BIN_DIR/$program" "$work/$program/"
    strip --strip-debug "$work/$program/$program"
    # The docker format, since the other one knows no health checks.
    "${buildah[@]}" build -q --isolation chroot --format docker --pull-never \
        --build-arg BASE="$TRIPLINE_BASE" --build-arg BIN="$program" \
        --tag "localhost/$program:${TRIPLINE_TAG:-latest}" --file deploy/Dockerfile "$work/$program" > /dev/null
    echo "localhost/$program:${TRIPLINE_TAG:-latest}"
done
