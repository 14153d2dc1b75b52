# shellcheck shell=bash
# SPDX-License-Identifier: Apache-2.0
# What build.sh and distro.sh share: an entry of the cache is a folder with a kernel,
# its configuration and its modules. Sourced, not run.

# entry_trim_lists DIR: leaves of depmod's lists those that the agent reads, as text.
entry_trim_lists() {
	find "$1" -maxdepth 1 -type f ! -name modules.dep ! -name modules.alias \
		! -name modules.builtin -delete
}

# entry_install ENTRY OUTPUT NAME...: hard links where that works: the entry and the
# build folder then share one copy. Neither is ever written in place.
entry_install() {
	local entry=$1 output=$2 name

	shift 2
	for name; do
		rm -rf "${output:?}/$name"
		cp -a -l "$entry/$name" "$output/$name" 2>/dev/null || {
			rm -rf "${output:?}/$name"
			cp -a "$entry/$name" "$output/$name"
		}
	done
	touch "$output/$1" # make compares it with the inputs
}
