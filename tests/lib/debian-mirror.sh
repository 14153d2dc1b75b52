#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# debian-mirror.sh SUITE: prints the mirror to make a root file system of a release of Debian from, the one that this
# machine's apt uses. Exit status 77, with the reason on stderr, when there is none or it does not answer.
set -euo pipefail
suite=$1

no_mirror() {
	echo "$*" >&2
	exit 77
}

# Of the suite, otherwise of any release of Debian, as both are in the same archive.
mirror() {
	# shellcheck disable=SC2016 # apt's variables, not the shell's
	apt-get indextargets --format '$(RELEASE) $(COMPONENT) $(REPO_URI) $(ORIGIN)' 'Created-By: Packages' |
		awk -v suite="$suite" '$2 == "main" && ($4 == "" || $4 == "Debian") && $1 !~ /-(security|updates|backports)/ {
			if ($1 == suite && !best) best = $3
			if (!any) any = $3
		}
		END { print best ? best : any }'
}

command -v debootstrap > /dev/null || no_mirror "debootstrap is not installed"
uri=$(mirror)
uri=${uri%/}
[ -n "$uri" ] || no_mirror "apt is configured with no mirror of Debian"
# debootstrap fetches with wget, which does not read apt's settings.
eval "$(apt-config shell proxy Acquire::http::Proxy)"
[ -z "${proxy:-}" ] || export http_proxy=$proxy
wget -q --timeout=20 --tries=2 -O /dev/null "$uri/dists/$suite/Release" ||
	no_mirror "the mirror $uri does not answer for $suite"
echo "$uri"
