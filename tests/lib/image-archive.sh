#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# image-archive.sh FILE NAME COMMAND [ARG ...]: writes a docker archive with one image of that name, made from the host's
# busybox-static (and of KATA_IMAGE_PROGRAMS, with their libraries): a manifest that names one configuration and one layer.
set -euo pipefail
file=$1
name=$2
shift 2
root=$(mktemp -d)
trap 'rm -rf "$root"' EXIT
cmd=$(printf '%s\n' "$@" | jq -R . | jq -cs .)
"$(dirname "$0")/make-bundle.sh" "$root/bundle" true
for program in ${KATA_IMAGE_PROGRAMS:-}; do
	program=$(command -v "$program")
	rm -f "$root/bundle/rootfs/bin/${program##*/}"
	cp "$program" "$root/bundle/rootfs/bin/"
	{ ldd "$program" || true; } 2> /dev/null | { grep -o '/[^ ]*' || true; } | xargs -r cp --parents -L -t "$root/bundle/rootfs"
done
tar -C "$root/bundle/rootfs" --sort=name --mtime=@0 -cf "$root/layer.tar" .
jq -nc --argjson cmd "$cmd" --arg diff "sha256:$(sha256sum "$root/layer.tar" | cut -d' ' -f1)" '{
	architecture: "amd64", os: "linux", rootfs: { type: "layers", diff_ids: [ $diff ] },
	config: { Cmd: $cmd, Env: [ "PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin" ] }
}' > "$root/config.json"
jq -nc --arg name "$name" '[ { Config: "config.json", RepoTags: [ $name ], Layers: [ "layer.tar" ] } ]' \
	> "$root/manifest.json"
tar -C "$root" -cf "$file" manifest.json config.json layer.tar
