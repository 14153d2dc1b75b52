#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# cni.sh DIR SUBNET: a CNI network for pods in DIR/cni. Nothing outside of the host is reached.
set -euo pipefail
mkdir -p "$1/cni"
cat > "$1/cni/10-kata.conflist" <<-JSON
	{ "cniVersion": "0.4.0", "name": "kata-test-$$", "plugins": [
	  { "type": "ptp", "ipMasq": false,
	    "ipam": { "type": "host-local", "dataDir": "$1/ipam",
	      "ranges": [ [ { "subnet": "$2" } ] ], "routes": [ { "dst": "0.0.0.0/0" } ] } } ] }
JSON
