#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""inject.py ROUNDS [SEED [FIRST]]: pods of which one system call of the shim fails (strace's injection), in the current
directory, before a VM that is played; then pods with a state directory on a disk that is full. Every call ends; what
started is told to have ended; `delete` leaves nothing; a pod beside lives. A failure names its seed and round."""
import collections
import glob
import os
import random
import re
import signal
import subprocess
import sys
import time

os.environ.setdefault("KATA_TEST_NAMESPACE", "kata-test-inject")
# pylint: disable=wrong-import-position
import played
from played import Pod
from shim import NAMESPACE, RUNNING
from wire import Closed, NOT_FOUND, OK, any_of, msg, wait_until

FAULTS = (
    ("ENOSPC", "openat,mkdirat,mkdir,renameat,renameat2,write,pwrite64,ftruncate,symlinkat,linkat,fallocate".split(",")),
    ("EMFILE", "openat,socket,socketpair,pipe2,eventfd2,timerfd_create,memfd_create,dup,fcntl,pidfd_open,accept4,"
     "epoll_ctl,openat2,open_tree,fsopen".split(",")),
    ("ENOMEM", "mmap,brk,clone,clone3,mprotect,mount,move_mount,unshare,setns,sendmsg,epoll_ctl".split(",")),
    ("EIO", "openat,read,write,pread64,getdents64,mount,umount2,newfstatat,statx,statfs,readlink,readlinkat,unlink,"
     "unlinkat,rename,sendmsg,recvmsg,fsync".split(",")),
)
ALL = {call for _, calls in FAULTS for call in calls}
STATE = "/run/kata/ns/" + NAMESPACE


class Tracer:
    """One fault of one process: the call of that number fails. Without one the calls are only written down."""

    def __init__(self, pid, error, call, when):
        inject = ["-e", "inject=%s:error=%s:when=%d" % (call, error, when)] if error else []
        self.process = subprocess.Popen(
            ["strace", "-f", "-qq", "-o", "trace", "-e", "trace=" + (call or ",".join(sorted(ALL)))] + inject +
            ["-p", str(pid)], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        wait_until(lambda: traced(pid), "strace")

    def end(self):
        """Return: the line of the call that failed."""
        self.process.terminate()
        self.process.wait()
        with open("trace", encoding="utf-8", errors="replace") as f:
            return [line.strip() for line in f if "(INJECTED)" in line]


def traced(pid):
    with open("/proc/%d/status" % pid, encoding="utf-8") as f:
        return "TracerPid:\t0\n" not in f.read()


class Life(Pod):
    """Any of its calls may fail, with words."""

    def ask(self, method, payload=b"", **more):
        reply = self.call(method, payload, timeout=20, **more)
        assert reply.code == OK or reply.words, "%s: %d without a word" % (method, reply.code)
        return reply.code

    def live(self):
        """Return: did it run?"""
        name = msg((1, self.id))
        created = self.ask("Create", self.create_request()) == OK
        started = created and self.ask("Start", name) == OK
        if started:
            spec = any_of("t", '{"args": ["true"], "cwd": "/", "user": {"uid": 0, "gid": 0}}')
            one = msg((1, self.id), (2, "now"))
            if self.ask("Exec", msg((1, self.id), (2, "now"), (7, spec))) == OK:
                self.ask("Start", one)
                self.ask("Kill", msg((1, self.id), (2, "now"), (3, 9)))
                self.ask("Delete", one)
            self.ask("Update", msg((1, self.id), (2, any_of("t", '{"pids": {"limit": 9}}'))))
            self.ask("Stats", name)
            self.ask("Pids", name)
        if created:
            self.ask("Kill", msg((1, self.id), (3, int(signal.SIGKILL))))
            self.ask("Wait", name)
            assert self.ask("Delete", name) in (OK, NOT_FOUND), "Delete"
        self.ask("Shutdown", msg((1, self.id), (2, True)))
        return started


def live(ident, error=None, call="", when=0, trace=True):
    """Return: what failed."""
    failed = []
    with Life(ident, started=False) as pod:
        tracer = Tracer(pod.pid, error, call, when) if trace else None
        try:
            started = pod.live()
        except (Closed, ConnectionError):
            started = False
            # The connection is what the fault was in, or the shim had to end: it is not to crash.
            with open(pod.log, encoding="utf-8", errors="replace") as f:
                words = f.read()
            assert not any(mark in words for mark in ("AddressSanitizer", "runtime error", "stack smashing")), words[-3000:]
        finally:
            failed = tracer.end() if tracer else []
        assert not crash_lines(pod.pid), crash_lines(pod.pid)
        if started and not failed:
            pod.events.wait("/tasks/exit", pod.id)
    return failed


def crash_lines(pid):
    """What strace saw of a shim that ended by its own fault; its children are other programs most of the time."""
    if not os.path.exists("trace"):
        return []
    with open("trace", encoding="utf-8", errors="replace") as f:
        return [line for line in f if re.match(r"%d +\+\+\+ killed by SIG(SEGV|ABRT|BUS|FPE|ILL)" % pid, line)]


def record():
    """Return: how often the shim makes each call in a life without a fault."""
    counts = collections.Counter()
    live("inject-recorded")
    with open("trace", encoding="utf-8", errors="replace") as f:
        for line in f:
            found = re.match(r"(\d+) +(\w+)\(", line)
            if found:
                counts[found.groups()] += 1
    return {call: max(n for (_, c), n in counts.items() if c == call) for _, call in counts}


def held():
    """What there is of ours: processes, state directories, mounts, cgroups."""
    found = set(glob.glob(STATE + "/*") + glob.glob("/sys/fs/cgroup/*/kata/inject*") + glob.glob("/sys/fs/cgroup/kata/inject*"))
    with open("/proc/self/mountinfo", encoding="utf-8") as f:
        found.update(line for line in f if STATE in line)
    for pid in filter(str.isdigit, os.listdir("/proc")):
        try:
            with open("/proc/%s/cmdline" % pid, encoding="utf-8", errors="replace") as f:
                if played.FOLDER in f.read():
                    found.add(pid)
        except OSError:
            pass  # it has ended
    return found


def one_round(number, seed, beside, counts):
    rng = random.Random("%d-%d" % (seed, number))
    error, calls = rng.choice(FAULTS)
    call = rng.choice([call for call in calls if call in counts])
    when = 1 + int(rng.random() * counts[call])
    print("seed %d round %d: %s of call %d of %s" % (seed, number, error, when, call), flush=True)
    failed = live("inject%d" % number, error, call, when)
    print("#   " + (failed[0][:150] if failed else "was not reached"), flush=True)
    assert beside.state() == RUNNING, "the pod beside"
    return bool(failed)


def fill(path, left):
    with open(path, "wb") as f:
        try:
            f.write(b"\0" * (256 << 10))
        except OSError:
            pass
    os.truncate(path, (64 - left) << 12)


def live_on_full_disk(ident):
    pod = Life.__new__(Life)
    try:
        pod.__init__(ident, started=False)
    except AssertionError as e:
        # It could not even be started, and `start` says so; containerd cleans up then.
        assert "No space left" in str(e), e
        subprocess.run(pod.command + ["-bundle", pod.bundle, "delete"], cwd=pod.bundle, stdout=subprocess.DEVNULL, check=True)
        return
    with pod:
        pod.live()


def full_disks(beside):
    """The state directory is on a disk with that many pages left, in this process's mount namespace."""
    subprocess.run(["mount", "--make-rprivate", "/"], check=True)
    for left in (0, 1, 2, 3, 4, 6, 8, 12):
        print("full disk: %d pages are left" % left, flush=True)
        os.makedirs(STATE, exist_ok=True)
        subprocess.run(["mount", "-t", "tmpfs", "-o", "size=256k", "tmpfs", STATE], check=True)
        try:
            fill(STATE + "/filler", left)
            live_on_full_disk("inject-full%d" % left)
        finally:
            subprocess.run(["umount", "-l", STATE], check=True)
        assert beside.state() == RUNNING, "the pod beside"


def main(rounds, seed=1, begin=1):
    seed, reached = int(seed), 0
    played.begin()
    with Pod("inject-beside") as beside:
        before, counts = held(), record()
        print("# " + ", ".join("%s %d" % pair for pair in sorted(counts.items())), flush=True)
        for number in range(int(begin), int(begin) + int(rounds)):
            began = time.monotonic()
            reached += one_round(number, seed, beside, counts)
            print("#   %.1f s" % (time.monotonic() - began), flush=True)
            wait_until(lambda: held() <= before, "nothing is left: %s" % (held() - before), 10)
        print("# %d of %d faults were reached" % (reached, int(rounds)))
        if os.environ.get("KATA_FULL_DISK", "1") == "1":
            full_disks(beside)
        beside.leave()


main(*sys.argv[1:])
