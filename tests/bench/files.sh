#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# Files of a container beside other runtimes', in its root file system and in a volume: fio's throughput, BENCH_FILES
# (5000) small ones, and a git clone of as many files as this project has.
set -uo pipefail
. "$(dirname "$0")/lib.sh"
rounds=${BENCH_FILE_ROUNDS:-3}
seconds=${BENCH_FILE_SECONDS:-3}
files=${BENCH_FILES:-5000}
started=()
declare -A places=([root]=/root [volume]=/volume)
declare -A jobs=(
	[read]="--rw=read --bs=1M" [write]="--rw=write --bs=1M --end_fsync=1"
	[randread]="--rw=randread --bs=4k" [randwrite]="--rw=randwrite --bs=4k"
)
# One after another, in a directory that the first makes: $1 is it, $2 the number.
# shellcheck disable=SC2016 # expanded in the container
declare -A small=(
	[create]='mkdir $1 && i=0; while [ $i -lt $2 ]; do echo hello > $1/$i; i=$((i + 1)); done'
	[read]='i=0; while [ $i -lt $2 ]; do read -r x < $1/$i || exit 1; i=$((i + 1)); done'
	[look]='i=0; while [ $i -lt $2 ]; do [ -e $1/$i ] || exit 1; i=$((i + 1)); done'
	[remove]='rm -r $1'
)

# in_it NAME COMMAND...: in the container of that runtime
in_it() {
	local name=$1
	shift
	runtime "$name" exec bench-files "$@"
}

fio_in() {
	local name=$1 place=$2 job=$3
	# shellcheck disable=SC2086 # several words
	in_it "$name" fio --name="$job" --filename="${places[$place]}/data" --size=64M --ioengine=psync \
		--runtime="$seconds" --time_based --output-format=json ${jobs[$job]}
}

one_round() {
	local name=$1 place job
	for place in root volume; do
		for job in read write randread randwrite; do
			measure fio_in "$name" "$place" "$job"
			sample "$place.$job.$name" "$(jq '.jobs[0] | [.read.bw, .write.bw] | max' "$WORK/out")"
		done
		for job in create read look remove; do
			measure in_it "$name" sh -c "${small[$job]}" sh "${places[$place]}/d" "$files"
			sample "$place.small-$job.$name" "$TOOK"
		done
		[ -d "$WORK/project.git" ] || continue
		measure in_it "$name" git -c safe.directory=* clone --quiet --no-local --template= /project.git "${places[$place]}/c"
		sample "$place.clone.$name" "$TOOK"
		measure in_it "$name" rm -r "${places[$place]}/c"
	done
}

# The files of this project as a repository of one commit, whether the checkout has one or not.
make_project() {
	command -v git > /dev/null || { echo "git clone: skipped, there is no git" && return; }
	git init --quiet --bare "$WORK/project.git"
	git -c core.bare=false --git-dir="$WORK/project.git" --work-tree="$REPO" add -- src include guest tests docs
	git -c core.bare=false --git-dir="$WORK/project.git" --work-tree="$REPO" -c user.name=bench -c user.email=bench@localhost commit --quiet -m files
}

# add_git BUNDLE: its helpers are the program itself by other names
add_git() {
	local bundle=$1 helper
	[ -d "$WORK/project.git" ] || return 0
	add_program git
	mkdir -p "$bundle/rootfs$(git --exec-path)"
	for helper in git git-upload-pack git-index-pack git-unpack-objects git-rev-list; do
		ln -sf "$(command -v git)" "$bundle/rootfs$(git --exec-path)/$helper"
	done
	cp -r "$WORK/project.git" "$bundle/rootfs/project.git"
}

start() {
	local bundle=$WORK/bundle-$1
	"$REPO/tests/lib/make-bundle.sh" "$bundle" sleep 1000
	mkdir -p "$WORK/volume-$1"
	jq --arg from "$WORK/volume-$1" '.mounts += [{ destination: "/volume", type: "bind", source: $from, options: ["rbind", "rw"] }]' \
		"$bundle/config.json" > "$WORK/c" && cp "$WORK/c" "$bundle/config.json"
	add_program fio
	add_git "$bundle"
	if ! runtime "$1" run --detach --bundle "$bundle" bench-files < /dev/null > /dev/null 2> "$WORK/err"; then
		echo "$1 did not start: $(tail -1 "$WORK/err" | cut -c1-120)" >&2
		return
	fi
	CLEANUP+=("runtime $1 delete --force bench-files")
	started+=("$1")
}

# show TITLE SAMPLES UNIT: a table of all that were started
show() {
	heading "$1, $rounds alternating rounds"
	table "$base"
	for name in "${started[@]}"; do
		report "$name" "$2.$name" "$3" "$2.$base"
	done
}

command -v fio > /dev/null || { echo "files: skipped, there is no fio" && exit 0; }
make_project
for name in $(runtimes); do
	start "$name"
done
for ((i = 0; i < rounds; i++)); do
	for name in "${started[@]}"; do
		one_round "$name"
	done
done
base=$(yardstick)
for place in root volume; do
	for job in read write randread randwrite; do
		show "Files, $place, fio ${jobs[$job]}, 64 MiB, through the page cache" "$place.$job" KiB/s
	done
	for job in create read look remove; do
		show "Files, $place, $files of 6 bytes: $job" "$place.small-$job" ms
	done
	[ ! -d "$WORK/project.git" ] || show "Files, $place, git clone" "$place.clone" ms
done
