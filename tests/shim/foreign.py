#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""foreign.py FOLDER: another project's shim drives the agent in a VM, through kata-proxy.

Only fields and calls of the upstream protocol, in the order in which upstream's shim makes them for a pod: streams go
by RPC, root file systems and volumes lie in the shared tree, namespaces and cgroups look as that shim leaves them.
Nothing here knows this project's own code but the kernel, the initrd and the proxy."""
import os
import signal
import socket
import subprocess
import sys
import time

import wire
from wire import Closed, Connection, first, msg, parse, text

REPO = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
BUILD = os.environ.get("KATA_BUILD", os.path.join(REPO, "build"))
AGENT, HEALTH = "grpc.AgentService", "grpc.Health"
SHARED = "/run/kata-containers/shared/containers/"
MAC = "02:00:00:00:00:01"
READ_MAX = 32 << 10
MEMORY_LIMIT = 64 << 20


class Guest(Connection):
    """A ttrpc connection through the text handshake of hybrid vsock."""

    def __init__(self, path):
        end = time.monotonic() + wire.PATIENCE
        while True:
            super().__init__(path)
            try:
                self.socket.sendall(b"CONNECT 1024\n")
                line = b""
                while not line.endswith(b"\n"):
                    line += self.read_full(1)
                assert line.startswith(b"OK "), line
                return
            except (Closed, BrokenPipeError, ConnectionResetError):
                self.close()
                assert time.monotonic() < end, "the agent does not listen"
                time.sleep(0.05)

    def ok(self, method, *fields, service=AGENT):
        answer = self.call(service, method, msg(*fields))
        assert answer.code == 0, "%s: %s" % (method, answer.words)
        return answer.payload

    def fails(self, code, method, *fields):
        answer = self.call(AGENT, method, msg(*fields))
        assert answer.code == code, "%s: %d %s" % (method, answer.code, answer.words)

    def read_all(self, method, container, exec_id):
        """A stream as io.Copy reads it: until there is nothing in an answer."""
        data = b""
        while True:
            part = first(self.ok(method, (1, container), (2, exec_id), (3, READ_MAX)), 1)
            if not part:
                return data.decode()
            data += part

    def write(self, container, exec_id, data):
        assert (first(self.ok("WriteStdin", (1, container), (2, exec_id), (3, data)), 1) or 0) == len(data)

    def wait(self, container, exec_id):
        return first(self.ok("WaitProcess", (1, container), (2, exec_id)), 1) or 0


class Machine:
    """QEMU and kata-proxy, and a folder that the guest sees by 9p."""

    def __init__(self, folder):
        self.folder, self.share = folder, os.path.join(folder, "share")
        self.console = os.path.join(folder, "console")
        os.mkdir(self.share)
        ours, theirs = socket.socketpair()
        self.path = os.path.join(folder, "vsock")
        listener = socket.socket(socket.AF_UNIX)
        listener.bind(self.path)
        listener.listen(16)
        self.proxy = subprocess.Popen(
            [os.path.join(BUILD, "kata-proxy"), "--vhost-fd", str(theirs.fileno()),
             "--listen-fd", str(listener.fileno()), "--cid", "3"], pass_fds=(theirs.fileno(), listener.fileno()))
        self.qemu = subprocess.Popen([
            "qemu-system-x86_64", "-nodefaults", "-no-user-config", "-display", "none", "-no-reboot",
            "-machine", "q35,memory-backend=ram,usb=off,sata=off,smbus=off", "-accel", "tcg", "-cpu", "max", "-smp", "1",
            "-m", "256M", "-object", "memory-backend-memfd,id=ram,size=256M,share=on",
            "-kernel", os.path.join(BUILD, "guest/vmlinux"), "-initrd", os.path.join(BUILD, "guest/initrd.img"),
            "-append", "console=ttyS0 panic=-1 no_timer_check cgroup_no_v1=all agent.log=info",
            "-serial", "file:" + self.console,
            "-chardev", "socket,id=vsock,fd=%d" % ours.fileno(), "-device", "vhost-user-vsock-pci,chardev=vsock",
            "-fsdev", "local,id=share,path=%s,security_model=none,multidevs=remap" % self.share,
            "-device", "virtio-9p-pci,fsdev=share,mount_tag=kataShared",
            "-netdev", "hubport,id=net,hubid=0", "-device", "virtio-net-pci,netdev=net,mac=" + MAC,
        ], pass_fds=(ours.fileno(),))
        for part in (ours, theirs, listener):
            part.close()

    def __enter__(self):
        return self

    def __exit__(self, kind, *_):
        for child in (self.qemu, self.proxy):
            child.kill()
            child.wait()
        if kind and os.path.exists(self.console):
            with open(self.console, encoding="utf-8", errors="replace") as f:
                print(f.read()[-4000:])

    def add_rootfs(self, container):
        """Where the shim puts a root file system of a shared file system."""
        bundle = os.path.join(self.folder, "bundle-" + container)
        subprocess.run([os.path.join(REPO, "tests/lib/make-bundle.sh"), bundle, "true"], check=True)
        os.mkdir(os.path.join(self.share, container))
        os.rename(os.path.join(bundle, "rootfs"), os.path.join(self.share, container, "rootfs"))

    def add_file(self, name, content):
        with open(os.path.join(self.share, name), "w", encoding="utf-8") as f:
            f.write(content)


def repeated(number, values):
    return tuple((number, value) for value in values)


def process(*args, terminal=False):
    caps = repeated(1, ["CAP_KILL", "CAP_CHOWN"]) + repeated(2, ["CAP_KILL"]) + repeated(4, ["CAP_KILL"])
    return msg((1, terminal), (3, msg((1, 0), (2, 0))), *repeated(4, args), *repeated(5, ["PATH=/bin", "TERM=xterm"]),
               (6, "/"), (7, msg(*caps)), (8, msg((1, "RLIMIT_NOFILE"), (2, 1024), (3, 1024))), (9, True))


def mount(destination, source, kind, *options):
    return msg((1, destination), (2, source), (3, kind), *repeated(4, options))


def storage(driver, source, fstype, options, mount_point):
    return msg((1, driver), (3, source), (4, fstype), *repeated(5, options), (6, mount_point))


def spec(container, proc, *mounts):
    """What is left of a manager's config.json when upstream's shim has gone over it."""
    mounts = (
        mount("/proc", "proc", "proc", "nosuid", "noexec", "nodev"),
        mount("/dev", "tmpfs", "tmpfs", "nosuid", "strictatime", "mode=755", "size=65536k"),
        mount("/dev/pts", "devpts", "devpts", "nosuid", "noexec", "newinstance", "ptmxmode=0666", "mode=0620", "gid=5"),
        mount("/dev/mqueue", "mqueue", "mqueue", "nosuid", "noexec", "nodev"),
        mount("/sys", "sysfs", "sysfs", "nosuid", "noexec", "nodev", "ro"),
        mount("/sys/fs/cgroup", "cgroup", "cgroup", "nosuid", "noexec", "nodev", "relatime", "ro"),
        mount("/dev/shm", "/run/kata-containers/sandbox/shm", "bind", "rbind"),
    ) + mounts
    resources = msg((2, msg((1, MEMORY_LIMIT))), (3, msg((1, 512), (2, 50000), (3, 100000))))
    linux = msg((4, resources), (5, "/kubepods/burstable/pod1/" + container),
                *repeated(6, [msg((1, kind)) for kind in ("ipc", "uts", "mount")]),
                *repeated(10, ["/proc/kcore", "/proc/keys"]), *repeated(11, ["/proc/sys", "/proc/bus"]))
    annotations = msg((1, "io.kubernetes.cri.container-type"), (2, "container"))
    return msg((1, "1.2.0"), (2, proc), (3, msg((1, SHARED + container + "/rootfs"))), *repeated(5, mounts),
               (7, annotations), (8, linux))


def create(guest, container, proc, *mounts, storages=()):
    guest.ok("CreateContainer", (1, container), (2, container), *repeated(5, storages),
             (6, spec(container, proc, *mounts)))
    guest.ok("StartContainer", (1, container))


def start_sandbox(guest):
    assert first(guest.ok("Check", service=HEALTH), 1) == 1
    assert text(guest.ok("Version", service=HEALTH), 1) == "0.0.1"
    guest.fails(wire.UNIMPLEMENTED, "SetPolicy", (1, "package agent_policy"))
    address = msg((1, 0), (2, "10.88.0.2"), (3, "24"))
    answer = guest.ok("UpdateInterface", (1, msg((1, "eth0"), (2, "eth0"), (3, address), (4, 1400), (5, MAC))))
    assert text(answer, 2) == "eth0"
    guest.ok("UpdateRoutes", (1, msg((1, msg((1, "10.88.0.0/24"), (3, "eth0"), (4, "10.88.0.2"), (5, 253))),
                                     (1, msg((2, "10.88.0.1"), (3, "eth0"))))))
    neighbour = msg((1, msg((2, "10.88.0.1"))), (2, "eth0"), (3, "02:00:00:00:00:02"), (4, 128))
    guest.ok("AddARPNeighbors", (1, msg((1, neighbour))))
    shared = storage("9p", "kataShared", "9p", ["trans=virtio,version=9p2000.L,cache=mmap", "nodev", "msize=8192"], SHARED)
    shm = storage("ephemeral", "shm", "tmpfs", ["noexec", "nosuid", "nodev", "mode=1777", "size=67108864"],
                  "/run/kata-containers/sandbox/shm")
    guest.ok("CreateSandbox", (1, "pod-host"), (2, "nameserver 10.88.0.53"), (3, shared), (3, shm), (5, "pod"))
    details = guest.ok("GetGuestDetails", (1, True), (2, True))
    assert first(details, 1) > 0 and text(details, 2, 1), details
    interfaces = [text(one, 2) for one in parse(guest.ok("ListInterfaces")).get(1, [])]
    assert "eth0" in interfaces, interfaces


def run_pause(guest, machine):
    machine.add_rootfs("pod")
    create(guest, "pod", process("sleep", "100000"))


def run_app(guest, machine):
    """A container with volumes; its output and input by RPC, its status after the ends of its streams."""
    machine.add_rootfs("app")
    machine.add_file("app-0123456789abcdef-hosts", "10.88.0.2 pod-host\n")
    script = """hostname; cat /etc/hosts; ip -o -4 addr show eth0; ip route; cat /sys/fs/cgroup/memory.max
        touch /tmpfs/x /local/x && grep -c ' /tmpfs tmpfs ' /proc/mounts
        echo shared > /dev/shm/note; echo to stderr >&2; cat; exit 7"""
    local = SHARED + "pod/rootfs/local/dir"
    ephemeral = "/run/kata-containers/sandbox/ephemeral/volume"
    storages = (storage("ephemeral", "tmpfs", "tmpfs", [], ephemeral), storage("local", "local", "local", ["mode=0777"], local))
    create(guest, "app", process("sh", "-c", script),
           mount("/etc/hosts", SHARED + "app-0123456789abcdef-hosts", "bind", "rbind", "rprivate", "ro"),
           mount("/tmpfs", ephemeral, "bind", "rbind"), mount("/local", local, "bind", "rbind"), storages=storages)
    guest.write("app", "app", b"from ")
    guest.write("app", "app", b"the shim\n")
    guest.ok("CloseStdin", (1, "app"), (2, "app"))
    out = guest.read_all("ReadStdout", "app", "app")
    print(out)
    assert out.startswith("pod-host\n10.88.0.2 pod-host\n") and out.endswith("\n1\nfrom the shim\n"), out
    assert "10.88.0.2/24" in out and "default via 10.88.0.1" in out and "\n%d\n" % MEMORY_LIMIT in out
    assert guest.read_all("ReadStderr", "app", "app") == "to stderr\n"
    assert guest.wait("app", "app") == 7
    guest.fails(wire.NOT_FOUND, "WaitProcess", (1, "app"), (2, "app"))
    # What the shim sends at a container's end, whether it has ended or not.
    guest.call(AGENT, "SignalProcess", msg((1, "app"), (3, int(signal.SIGKILL))))
    guest.ok("RemoveContainer", (1, "app"))
    assert os.path.exists(os.path.join(machine.share, "pod/rootfs/local/dir/x"))


def run_execs(guest):
    """Execs run at once; one of each kind in a container whose exit is awaited all the time."""
    pending = guest.send(AGENT, "WaitProcess", msg((1, "long"), (2, "long")))
    guest.ok("ExecProcess", (1, "long"), (2, "e1"), (4, process("sh", "-c", "read x; echo got $x; cat /dev/shm/note; exit 3")))
    guest.write("long", "e1", b"a line\n")
    guest.write("long", "e1", b"")
    assert guest.read_all("ReadStdout", "long", "e1") == "got a line\nshared\n"
    assert guest.read_all("ReadStderr", "long", "e1") == ""
    assert guest.wait("long", "e1") == 3
    guest.ok("ExecProcess", (1, "long"), (2, "tty"), (4, process("sh", "-c", "read x; stty size; exit 0", terminal=True)))
    guest.ok("TtyWinResize", (1, "long"), (2, "tty"), (3, 33), (4, 44))
    guest.write("long", "tty", b"\n")
    assert "33 44" in guest.read_all("ReadStdout", "long", "tty")
    assert guest.wait("long", "tty") == 0
    guest.ok("ExecProcess", (1, "long"), (2, "e2"), (4, process("sleep", "100000")))
    waiting = guest.send(AGENT, "WaitProcess", msg((1, "long"), (2, "e2")))
    guest.ok("SignalProcess", (1, "long"), (2, "e2"), (3, int(signal.SIGTERM)))
    assert first(guest.receive(waiting).payload, 1) == 128 + signal.SIGTERM
    guest.fails(wire.NOT_FOUND, "SignalProcess", (1, "long"), (2, "e2"), (3, int(signal.SIGTERM)))
    return pending


def run_long(guest, machine):
    machine.add_rootfs("long")
    create(guest, "long", process("sh", "-c", "while :; do sleep 1; done"))
    pending = run_execs(guest)
    stats = first(guest.ok("StatsContainer", (1, "long")), 1)
    assert first(stats, 1, 1, 1) > 0 and first(stats, 2, 2, 1) > 0 and first(stats, 3, 1) > 0
    assert first(stats, 2, 2, 4) == MEMORY_LIMIT
    guest.fails(wire.INVALID_ARGUMENT, "StatsContainer", (1, "nobody"))
    guest.ok("UpdateContainer", (1, "long"), (2, msg((2, msg((1, 2 * MEMORY_LIMIT))))))
    stats = first(guest.ok("StatsContainer", (1, "long")), 1)
    assert first(stats, 2, 2, 4) == 2 * MEMORY_LIMIT
    guest.ok("PauseContainer", (1, "long"))
    guest.ok("ResumeContainer", (1, "long"))
    assert first(guest.ok("Check", service=HEALTH), 1) == 1
    guest.ok("SignalProcess", (1, "long"), (3, int(signal.SIGKILL)))
    assert first(guest.receive(pending).payload, 1) == 128 + signal.SIGKILL
    guest.ok("RemoveContainer", (1, "long"))
    guest.ok("RemoveStaleVirtiofsShareMounts")


def copy_file(guest, machine):
    """How a volume comes into a guest that shares no files: piece by piece."""
    for offset, part in ((0, b"first "), (6, b"second")):
        guest.ok("CopyFile", (1, SHARED + "copied/file"), (2, 12), (3, 0o100640), (4, 0o40755), (5, 12), (6, 34),
                 (7, offset), (8, part))
    path = os.path.join(machine.share, "copied/file")
    with open(path, "rb") as f:
        assert f.read() == b"first second"
    assert (os.stat(path).st_mode, os.stat(path).st_uid, os.stat(path).st_gid) == (0o100640, 12, 34)


def main(folder):
    with Machine(folder) as machine:
        guest = Guest(machine.path)
        start_sandbox(guest)
        oom = guest.send(AGENT, "GetOOMEvent")
        run_pause(guest, machine)
        run_app(guest, machine)
        run_long(guest, machine)
        copy_file(guest, machine)
        assert "kata_agent" in text(guest.ok("GetMetrics"), 1)
        guest.ok("SignalProcess", (1, "pod"), (3, int(signal.SIGKILL)))
        assert guest.wait("pod", "pod") == 128 + signal.SIGKILL
        guest.ok("RemoveContainer", (1, "pod"))
        guest.ok("DestroySandbox")
        assert guest.receive(oom).code != 0
        assert machine.qemu.wait(wire.PATIENCE) == 0, "the VM is not switched off"


main(*sys.argv[1:])
