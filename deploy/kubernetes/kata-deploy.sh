#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# kata-deploy.sh install|cleanup: puts the runtime onto a Kubernetes node and takes it away again. Runs in a privileged
# pod that sees the node's root directory and processes, or by hand on the node. Both may be repeated; cleanup leaves
# the container manager's configuration as it was, byte by byte. docs/kubernetes.md has the manifests' side.
set -eu

HOST_ROOT=${HOST_ROOT-/host}                                       # the node's root directory, empty for this one's
PREFIX=${PREFIX:-/opt/kata}                                        # what is copied, and where to
CONTAINERD_CONFIG=${CONTAINERD_CONFIG:-/etc/containerd/config.toml} # on the node
CONTAINER_RUNTIME=${CONTAINER_RUNTIME:-}                           # "containerd://1.7.2"; asked of the API if empty
RESTART=${RESTART:-}                                               # command that restarts the manager
NODE_NAME=${NODE_NAME:-}                                           # empty: no API, no label
KUBERNETES_API=${KUBERNETES_API:-https://${KUBERNETES_SERVICE_HOST:-}:${KUBERNETES_SERVICE_PORT:-443}}
SERVICE_ACCOUNT=${SERVICE_ACCOUNT:-/var/run/secrets/kubernetes.io/serviceaccount}

label=katacontainers.io/kata-runtime
dropin=/etc/containerd/conf.d/kata.toml
crio_dropin=/etc/crio/crio.conf.d/99-kata.conf
shim=$PREFIX/bin/containerd-shim-kata-v2
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT

say() {
	echo "kata-deploy: $*"
}

die() {
	say "$*" >&2
	exit 1
}

# --- the Kubernetes API ---

# node [CURL_OPTION ...]: a request about this node.
node() {
	printf 'Authorization: Bearer %s\n' "$(cat "$SERVICE_ACCOUNT/token")" |
		curl --silent --show-error --fail --max-time 30 --cacert "$SERVICE_ACCOUNT/ca.crt" --header @- "$@" \
			"$KUBERNETES_API/api/v1/nodes/$NODE_NAME"
}

# set_label true|null
set_label() {
	[ -n "$NODE_NAME" ] || return 0
	[ "$1" = null ] && value=null || value="\"$1\""
	node --request PATCH --header 'Content-Type: application/merge-patch+json' \
		--data "{\"metadata\":{\"labels\":{\"$label\":$value}}}" > "$work/answer" || die "cannot label node $NODE_NAME"
}

find_manager() {
	if [ -z "$CONTAINER_RUNTIME" ]; then
		[ -n "$NODE_NAME" ] || die "neither CONTAINER_RUNTIME nor NODE_NAME is set"
		node > "$work/node" || die "cannot read node $NODE_NAME"
		CONTAINER_RUNTIME=$(sed -n 's/.*"containerRuntimeVersion": *"\([^"]*\)".*/\1/p' "$work/node" | head -n 1)
	fi
	case $CONTAINER_RUNTIME in
	containerd://1.[6-9] | containerd://1.[6-9].* | containerd://[2-9].*) unit=containerd ;;
	cri-o://*) unit=crio ;;
	*) die "the node's container runtime is \"$CONTAINER_RUNTIME\": containerd 1.6 or newer or CRI-O is needed" ;;
	esac
}

# --- files of the node ---

# Files that may change, as they were: a manager that does not start with the new ones gets them back.
save() {
	for path in "$CONTAINERD_CONFIG" "$dropin" "$crio_dropin"; do
		[ ! -e "$HOST_ROOT$path" ] || cp -p "$HOST_ROOT$path" "$work/saved-${path##*/}"
	done
}

restore() {
	for path in "$CONTAINERD_CONFIG" "$dropin" "$crio_dropin"; do
		if [ -e "$work/saved-${path##*/}" ]; then
			cp -p "$work/saved-${path##*/}" "$HOST_ROOT$path"
		else
			rm -f "$HOST_ROOT$path"
		fi
	done
}

changed() {
	for path in "$CONTAINERD_CONFIG" "$dropin" "$crio_dropin"; do
		if [ -e "$HOST_ROOT$path" ]; then
			cmp -s "$HOST_ROOT$path" "$work/saved-${path##*/}" || return 0
		elif [ -e "$work/saved-${path##*/}" ]; then
			return 0
		fi
	done
	return 1
}

# put FILE: standard input becomes its content, at once, with its old mode and owner.
put() {
	mkdir -p "${1%/*}"
	[ ! -L "$1" ] || die "$1 is a symbolic link: set CONTAINERD_CONFIG to the file itself"
	rm -f "$1.kata-new"
	[ ! -e "$1" ] || cp -p "$1" "$1.kata-new"
	cat > "$1.kata-new"
	mv "$1.kata-new" "$1"
}

# --- containerd ---

# The version of a configuration file's form, a key that stands before the first table.
config_version() {
	sed -n -e '/^[[:space:]]*\[/q' -e 's/^[[:space:]]*version[[:space:]]*=[[:space:]]*\([0-9][0-9]*\).*/\1/p' "$1"
}

# runtime_table VERSION: what containerd shall know of the runtime.
runtime_table() {
	type=io.containerd.kata.v2
	case $CONTAINER_RUNTIME in containerd://1.6*) type=$shim ;; esac # it knows runtime_path and does not look there
	[ "$1" -ge 3 ] && plugin="'io.containerd.cri.v1.runtime'" || plugin='"io.containerd.grpc.v1.cri"'
	cat <<-TOML
	[plugins.$plugin.containerd.runtimes.kata]
	  runtime_type = "$type"
	  runtime_path = "$shim"
	  privileged_without_host_devices = true
	  pod_annotations = ["io.katacontainers.*"]
	TOML
}

remove_from_containerd() {
	config=$HOST_ROOT$CONTAINERD_CONFIG
	rm -f "$HOST_ROOT$dropin"
	[ ! -d "$HOST_ROOT${dropin%/*}" ] || rmdir "$HOST_ROOT${dropin%/*}" 2> /dev/null || true # others may use it
	[ -e "$config" ] || return 0
	if [ "$(head -n 1 "$config")" = "# written by kata-deploy" ]; then
		rm "$config"
		return
	fi
	sed -e '/^# BEGIN kata-deploy/,/^# END kata-deploy$/d' -e '/^imports = .* # kata-deploy$/d' -e "s|\"$dropin\", ||" \
		"$config" > "$work/config"
	# The block began with the newline that the file's last line had not.
	if grep -q '^# BEGIN kata-deploy after an open line$' "$config" && [ "$(tail -n 1 "$config")" = "# END kata-deploy" ]; then
		head -c -1 "$work/config" > "$work/cut"
		mv "$work/cut" "$work/config"
	fi
	cmp -s "$work/config" "$config" || put "$config" < "$work/config"
}

# containerd 1, whose files have version 2, takes a plugin's whole configuration from the last file that mentions it: a
# file of ours would drop everything else that is set for Kubernetes, so the table goes to the end of the main file.
# There it hides the runtimes that are built in, and without the default one, runc, the plugin refuses to load.
add_block() {
	begin="# BEGIN kata-deploy"
	[ -z "$(tail -c 1 "$config")" ] || begin="
$begin after an open line"
	{
		cat "$config"
		echo "$begin"
		if ! grep -q "^[[:space:]]*\[plugins\..*\.runtimes\.[\"']\{0,1\}runc[\"']\{0,1\}\]" "$config"; then
			echo '[plugins."io.containerd.grpc.v1.cri".containerd.runtimes.runc]'
			echo '  runtime_type = "io.containerd.runc.v2"'
		fi
		runtime_table "$1"
		echo "# END kata-deploy"
	} > "$work/config"
	put "$config" < "$work/config"
}

# Tables of files with version 3 are merged, so a file of ours does, which the main file must import.
add_dropin() {
	{
		echo "version = $1"
		runtime_table "$1"
	} | put "$HOST_ROOT$dropin"
	! grep -v '^[[:space:]]*#' "$config" | grep -qF "${dropin%/*}/*.toml" || return 0
	if sed '/^[[:space:]]*\[/q' "$config" | grep -q '^[[:space:]]*imports[[:space:]]*=[[:space:]]*\['; then
		sed "1,/^[[:space:]]*\[/s|^\([[:space:]]*imports[[:space:]]*=[[:space:]]*\[\)|\1\"$dropin\", |" "$config" > "$work/config"
	else
		# Behind the first such line; the rest is printed as it is.
		sed -e '/^[[:space:]]*version[[:space:]]*=/{' -e "s|\$|\nimports = [\"$dropin\"] # kata-deploy|" -e ':rest' -e 'n' \
			-e 'b rest' -e '}' "$config" > "$work/config"
	fi
	put "$config" < "$work/config"
}

add_to_containerd() {
	config=$HOST_ROOT$CONTAINERD_CONFIG
	remove_from_containerd
	case $CONTAINER_RUNTIME in containerd://1.*) version=2 ;; *) version=3 ;; esac
	[ -e "$config" ] || printf '# written by kata-deploy\nversion = %s\n' "$version" | put "$config"
	version=$(config_version "$config")
	[ "${version:-1}" -ge 2 ] || die "$CONTAINERD_CONFIG has no line \"version = 2\" or newer: convert it first"
	! grep -q "^[[:space:]]*\[plugins\..*\.runtimes\.[\"']\{0,1\}kata[\"']\{0,1\}[].]" "$config" ||
		die "$CONTAINERD_CONFIG has a runtime \"kata\" that is not ours: remove it first"
	if [ "$version" -eq 2 ]; then add_block "$version"; else add_dropin "$version"; fi
}

# --- CRI-O ---

add_to_crio() {
	put "$HOST_ROOT$crio_dropin" <<-TOML
	[crio.runtime.runtimes.kata]
	runtime_path = "$shim"
	runtime_type = "vm"
	runtime_root = "/run/vc"
	privileged_without_host_devices = true
	TOML
}

# --- the two verbs ---

restart() {
	if [ -n "$RESTART" ]; then
		sh -c "$RESTART"
	else
		nsenter --target 1 --mount --uts --ipc --net --pid systemctl restart "$unit"
	fi
}

restart_if_changed() {
	changed || return 0
	say "restarting $unit"
	restart && return
	restore
	restart || die "$unit does not start, not even with its old configuration"
	die "$unit did not start with the new configuration and runs with its old one again"
}

# Each folder at once, so that a pod that starts meanwhile finds whole files. PREFIX itself may be a mount point.
copy() {
	target=$HOST_ROOT$PREFIX
	[ "$target" != "$PREFIX" ] || return 0
	own=share/defaults/kata-containers/config.d
	rm -rf "$target/.new" "$target/.old"
	mkdir -p "$target/.new" "$target/.old"
	cp -a "$PREFIX/." "$target/.new"
	for file in "$target/$own"/*.toml; do # the administrator's stay
		[ ! -e "$file" ] || [ -e "$target/.new/$own/${file##*/}" ] || cp -p "$file" "$target/.new/$own"
	done
	for path in "$target"/.new/*; do
		name=${path##*/}
		[ ! -e "$target/$name" ] || mv "$target/$name" "$target/.old"
		mv "$path" "$target"
	done
	rm -rf "$target/.new" "$target/.old"
}

install() {
	copy
	chroot "$HOST_ROOT/" "$PREFIX/bin/kata-runtime" check || die "this node cannot run pods in VMs: see above"
	save
	if [ "$unit" = crio ]; then add_to_crio; else add_to_containerd; fi
	restart_if_changed
	set_label true
	say "installed for $CONTAINER_RUNTIME"
}

# A shim's starter, and who makes a template, are the same program.
nr_shims() {
	for exe in /proc/[0-9]*/exe; do
		case $(cat "${exe%/exe}/comm" 2> /dev/null) in kata-starter | kata-template) continue ;; esac
		case $(readlink "$exe" 2> /dev/null) in "$PREFIX"*/containerd-shim-kata-v2*) echo "$exe" ;; esac
	done | wc -l
}

cleanup() {
	set_label null
	nr=$(nr_shims)
	[ "$nr" -eq 0 ] || die "$nr pods of this runtime still run on the node: delete them first"
	save
	if [ "$unit" = crio ]; then rm -f "$HOST_ROOT$crio_dropin"; else remove_from_containerd; fi
	restart_if_changed
	if [ -n "$HOST_ROOT" ]; then
		rm -rf "$HOST_ROOT${PREFIX:?}"/*
		rmdir "$HOST_ROOT$PREFIX" 2> /dev/null || true # it may be a mount point
	fi
	say "removed"
}

case ${1:-} in
install | cleanup)
	find_manager
	"$1"
	;;
*)
	echo "usage: kata-deploy.sh install|cleanup" >&2
	exit 2
	;;
esac
