# SPDX-License-Identifier: Apache-2.0
"""A pod of the real shim whose VM is played in this process; `begin()` first. The real programs are in $KATA_BUILD."""
import os
import time

REAL = os.environ.get("KATA_BUILD", os.path.join(os.path.dirname(os.path.abspath(__file__)), "../../build"))
FOLDER = os.path.join(os.getcwd(), "played")
os.environ["KATA_BUILD"] = FOLDER
# pylint: disable=wrong-import-position
from guest import ENDS_AT_ONCE, Hypervisor, build_folder
from shim import NAMESPACE, Shim
from wire import Connection, first, msg

ADMIN = "kata.admin.v1.Admin"
machines = []


def begin():
    build_folder(REAL, FOLDER)
    machines.append(Hypervisor(FOLDER))


class Pod(Shim):
    """A shim with a container that runs in a played VM."""

    def __init__(self, ident, lies=None, started=True):
        self.admin = None
        super().__init__(os.getcwd(), ident, ["sleep", "1000"])
        self.guest = machines[0].guest(self.pid)
        self.guest.lies.update(lies or {})
        if not started:
            return
        self.create()
        self.ok("Start", msg((1, ident)))
        self.admin = Connection("/run/kata/ns/%s/%s/admin.sock" % (NAMESPACE, ident))

    def ask(self, method, payload=b""):
        """A call of the admin service."""
        return self.admin.call(ADMIN, method, payload)

    def alive(self):
        assert first(self.ok("Connect", msg((1, self.id))), 1) == self.pid

    def cpu_ms(self):
        """Of all threads, in milliseconds."""
        total = 0
        for thread in os.listdir("/proc/%d/task" % self.pid):
            with open("/proc/%d/task/%s/schedstat" % (self.pid, thread), encoding="utf-8") as f:
                total += int(f.read().split()[0])
        return total / 1e6

    def memory_mib(self):
        """The most it ever had."""
        with open("/proc/%d/status" % self.pid, encoding="utf-8") as f:
            lines = dict(line.split(":", 1) for line in f)
        return int(lines["VmHWM"].split()[0]) / 1024

    def exec_ms(self, number):
        name, began = "%s%d" % (ENDS_AT_ONCE, number), time.monotonic()
        self.add_exec(name, ["true"])
        self.ok("Start", msg((1, self.id), (2, name)))
        self.ok("Wait", msg((1, self.id), (2, name)))
        self.ok("Delete", msg((1, self.id), (2, name)))
        return (time.monotonic() - began) * 1000

    def leave(self):
        self.finish()
        self.shutdown()
