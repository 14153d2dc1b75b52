#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""members.py FOLDER: containers of a pod that has no sandbox container share memory and, when asked, processes."""
import os
import sys

from shim import SANDBOX, Shim, make_bundle
from wire import first, msg


def member(shim, ident, args, mount=None, pid=None):
    """A member, created and started; gives its process number."""
    def edit(spec):
        spec["mounts"] = [m for m in spec["mounts"] if m["destination"] != "/dev/shm"]
        spec["mounts"].append(mount)
        if pid:
            for namespace in spec["linux"]["namespaces"]:
                if namespace["type"] == "pid":
                    namespace["path"] = "/proc/%d/ns/pid" % pid
    bundle = make_bundle(os.path.join(shim.folder, "bundle-" + ident), args,
                         {"io.kubernetes.cri.container-type": "container", "io.kubernetes.cri.sandbox-id": shim.id},
                         edit)
    number = first(shim.create(ident, bundle), 1)
    shim.ok("Start", msg((1, ident)))
    return number


def main(folder):
    # containerd names a tmpfs that it makes for sandboxes of its own only.
    missing = {"destination": "/dev/shm", "type": "bind", "source": os.path.join(folder, "no-such-shm"),
               "options": ["rbind", "rprivate"]}
    with Shim(folder, "members", version=3) as shim:
        shim.sandbox("CreateSandbox", (2, shim.bundle))
        shim.sandbox("StartSandbox")
        one = member(shim, "one", ["sh", "-c", "echo hello > /dev/shm/x; exec sleep 1111"], missing)
        two = member(shim, "two", ["sh", "-c", "exec sleep 2222"], missing)
        assert one != two, "one number for two containers"
        member(shim, "three", ["sh", "-c", "until cat /dev/shm/x; do sleep 0.1; done; df -k /dev/shm; ps"], missing, one)
        assert first(shim.ok("Wait", msg((1, "three"))), 1) == 0
        output = shim.output("three")
        print(output)
        assert "hello" in output and " 65536 " in output
        assert "sleep 1111" in output and "2222" not in output
        shim.sandbox("StopSandbox")
        shim.ok("ShutdownSandbox", msg((1, shim.id)), service=SANDBOX)


main(*sys.argv[1:])
