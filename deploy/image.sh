#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# image.sh ARCHIVE|DIRECTORY/ [MAKE-VARIABLE=VALUE ...]: the image that deploy/kubernetes runs on every node, as an OCI
# archive, or its root directory only. It has what bundle.sh collects (the variables are its), busybox, curl and the
# installer. No registry and no container manager is needed; packages are: busybox-static, curl, patchelf.
set -euo pipefail
[ $# -ge 1 ] || { sed -n '3,5s/^# //p' "$0" >&2; exit 2; }
output=$1
shift
here=$(cd "$(dirname "$0")" && pwd)
name=$(sed -n 's/^ *image: //p' "$here/kubernetes/install.yaml")
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT

# root DIRECTORY [MAKE-VARIABLE=VALUE ...]
root() {
	local applet library busybox=/bin/busybox
	"$here/bundle.sh" "$@"
	mkdir -p "$1"/{bin,proc,root,sys,tmp,usr/bin,usr/local/bin}
	! ldd "$busybox" > /dev/null 2>&1 || { echo "$busybox is not static: install busybox-static" >&2; return 1; }
	cp "$busybox" "$1/bin/busybox"
	for applet in $("$busybox" --list); do
		[ -e "$1/bin/$applet" ] || ln -s busybox "$1/bin/$applet"
	done
	cp -L "$(command -v curl)" "$1/usr/bin/curl"
	ldd "$1/usr/bin/curl" | grep -o '/[^ )]*' | while read -r library; do
		install -D -m 755 "$library" "$1/$library"
	done
	install -m 755 "$here/kubernetes/kata-deploy.sh" "$1/usr/local/bin"
}

# blob FILE: moves it into the layout, under its digest, and prints its descriptor's digest and size.
blob() {
	local digest
	digest=$(sha256sum "$1" | cut -d' ' -f1)
	printf '"digest":"sha256:%s","size":%s' "$digest" "$(stat -c %s "$1")"
	mv "$1" "$work/layout/blobs/sha256/$digest"
}

archive() {
	local diff layer config manifest oci=application/vnd.oci.image
	mkdir -p "$work/layout/blobs/sha256"
	tar -C "$work/root" --sort=name --mtime=@0 --owner=0 --group=0 --numeric-owner -cf "$work/layer" .
	diff=$(sha256sum "$work/layer" | cut -d' ' -f1)
	gzip -n "$work/layer"
	layer=$(blob "$work/layer.gz")
	printf '{"architecture":"amd64","os":"linux","rootfs":{"type":"layers","diff_ids":["sha256:%s"]},"config":{%s,%s}}' \
		"$diff" '"Entrypoint":["kata-deploy.sh"]' \
		'"Env":["PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"]' > "$work/config"
	config=$(blob "$work/config")
	printf '{"schemaVersion":2,"mediaType":"%s","config":{"mediaType":"%s",%s},"layers":[{"mediaType":"%s",%s}]}' \
		"$oci.manifest.v1+json" "$oci.config.v1+json" "$config" "$oci.layer.v1.tar+gzip" "$layer" > "$work/manifest"
	manifest=$(blob "$work/manifest")
	printf '{"schemaVersion":2,"manifests":[{"mediaType":"%s",%s,"annotations":{"%s":"%s","%s":"%s"}}]}' \
		"$oci.manifest.v1+json" "$manifest" io.containerd.image.name "$name" \
		org.opencontainers.image.ref.name "${name##*:}" > "$work/layout/index.json"
	printf '{"imageLayoutVersion":"1.0.0"}' > "$work/layout/oci-layout"
	tar -C "$work/layout" --sort=name --mtime=@0 --owner=0 --group=0 --numeric-owner -cf "$work/image" .
	mv "$work/image" "$1"
}

case $output in
*/) root "${output%/}" "$@" ;;
*)
	root "$work/root" "$@"
	archive "$output"
	echo "$output: $name, $(stat -c %s "$output") bytes"
	;;
esac
