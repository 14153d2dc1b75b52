#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# image-archive.sh FILE NAME COMMAND [ARG ...]: writes a docker archive with one image of that name, made from the host's
# busybox-static: a manifest that names one configuration and one layer.
set -euo pipefail
file=$1
name=$2
shift 2
root=$(mktemp -d)
trap 'rm -rf "$root"' EXIT
cmd=$(printf '%s\n' "$@" | jq -R . | jq -cs .)
"$(dirname "$0")/make-bundle.sh" "$root/bundle" true
tar -C "$root/bundle/rootfs" --sort=name --mtime=@0 -cf "$root/layer.tar" .
jq -nc --argjson cmd "$cmd" --arg diff "sha256:$(sha256sum "$root/layer.tar" | cut -d' ' -f1)" '{
	architecture: "amd64", os: "linux", rootfs: { type: "layers", diff_ids: [ $diff ] },
	config: { Cmd: $cmd, Env: [ "PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin" ] }
}' > "$root/config.json"
jq -nc --arg name "$name" '[ { Config: "config.json", RepoTags: [ $name ], Layers: [ "layer.tar" ] } ]' \
	> "$root/manifest.json"
tar -C "$root" -cf "$file" manifest.json config.json layer.tar
