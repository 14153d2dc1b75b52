#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""killer.py ROUNDS [SEED [FIRST]]: pods of which something is killed or stopped (SIGSTOP) at a random moment, in the
current directory. Every call ends, with a code that fits; the end of a container is told; nothing is left. A failure names
its seed and round."""
import os
import random
import shutil
import signal
import socket
import subprocess
import sys
import threading
import time

os.environ.setdefault("KATA_TEST_NAMESPACE", "kata-test-killer")
# pylint: disable=wrong-import-position
import wire
from deadlines import DEADLINES, SLOW, write_config
from shim import BUILD, NAMESPACE, REPO, SANDBOX, STOPPED, EventService, Shim, make_bundle
from wire import Closed, Connection, NOT_FOUND, OK, any_of, first, msg, text, wait_until

HERE = os.getcwd()
VICTIMS = ("containerd-shim-kata-v2", "qemu-system", "virtiofsd", "kata-proxy", "containerd")
# What may hang instead of dying: the shim has deadlines for all of them.
HANGING = ("qemu-system", "virtiofsd", "kata-proxy")
CONFIG = os.path.join(HERE, "configuration.toml")
# What a client makes the right thing of: what it asked for is gone, has ended, or cannot be any more.
ENDED = (wire.UNAVAILABLE, wire.NOT_FOUND, wire.FAILED_PRECONDITION)
# What hangs is not answered for; that it takes a container with it is known when the VM has been ended.
HUNG = ENDED + (wire.DEADLINE_EXCEEDED, wire.INTERNAL)
# That something of the VM could not be started is the shim's own failure.
STARTING = ("Create", "StartSandbox")


class Lost(Exception):
    """The connection to the shim broke: somebody killed one of its ends."""


def processes_of(ident):
    """Program and number of the pod's processes: a shim by its arguments, the others by their parent."""
    shims, others = [], []
    for pid in map(int, filter(str.isdigit, os.listdir("/proc"))):
        try:
            program = os.path.basename(os.readlink("/proc/%d/exe" % pid))
            with open("/proc/%d/cmdline" % pid, encoding="utf-8") as f:
                args = f.read().split("\0")
            with open("/proc/%d/stat" % pid, encoding="utf-8") as f:
                parent = int(f.read().rsplit(")", 1)[1].split()[1])
        except OSError:
            continue
        if program == VICTIMS[0] and ident in args:
            shims.append((program, pid))
        else:
            others.append((program, pid, parent))
    parents = [pid for _, pid in shims]
    return shims + [(program, pid) for program, pid, parent in others if parent in parents]


class Pod(Shim):
    """A pod that loses its victim after some time, if it has one. What has been killed is in `killed`."""

    def __init__(self, ident, with_sandbox, victim, delay, signo=signal.SIGKILL):
        self.id, self.with_sandbox, self.victim, self.delay, self.signo = ident, with_sandbox, victim, delay, signo
        self.killed, self.over, self.conn = None, False, None
        self.member = "member-" + ident if with_sandbox else ident
        self.killer = threading.Thread(target=self.kill_later, daemon=True)
        self.killer.start()
        try:
            super().__init__(HERE, ident, None if with_sandbox else ["sleep", "1000"], version=3 if with_sandbox else 2,
                             config=CONFIG)
        except (AssertionError, Closed, OSError):
            if not self.killed:
                raise

    def __exit__(self, kind, *_):
        self.over = True
        self.killer.join()
        if kind:
            with open(self.log, encoding="utf-8") as f:
                print(f.read()[-4000:])
        if self.conn:
            self.conn.close()
        self.events.stop()
        subprocess.run(self.command + ["-bundle", self.bundle, "delete"], cwd=self.bundle, stdout=subprocess.DEVNULL,
                       timeout=wire.PATIENCE, check=True)
        wait_until(lambda: not processes_of(self.id), "the end of all processes")
        shutil.rmtree(self.bundle)

    def kill_later(self):
        """After the delay, or as soon as there is something to kill."""
        time.sleep(self.delay)
        while self.victim and not self.over and not self.kill():
            time.sleep(0.02)

    def kill(self):
        """Return: was there something?"""
        if self.victim == "containerd":
            if self.conn:
                self.killed = self.victim
                self.lose_containerd()
            return bool(self.conn)
        for program, pid in processes_of(self.id):
            if program.startswith(self.victim):
                self.killed = self.victim
                os.kill(pid, self.signo)
                return True
        return False

    def ask(self, method, payload, service=None, timeout=None):
        """A call that may fail because of what was killed, and then says so. Gives the answer."""
        try:
            answer = self.call(method, payload, service=service, timeout=timeout)
        except (Closed, BrokenPipeError, ConnectionError) as e:
            assert self.killed in ("containerd", VICTIMS[0]), "%s: the connection broke" % method
            raise Lost from e
        assert answer.code == OK or self.killed, "%s: %d %s" % (method, answer.code, answer.words)
        fits = ENDED + (wire.INTERNAL,) if method in STARTING else ENDED
        fits = HUNG if self.signo == signal.SIGSTOP else fits
        assert answer.code == OK or (answer.code in fits and answer.words), "%s: %d %s" % (
            method, answer.code, answer.words)
        return answer

    def begin(self):
        """Up to a container that runs. Return: does it?"""
        bundle = self.bundle
        if self.with_sandbox:
            bundle = make_bundle(os.path.join(HERE, "bundle-" + self.id), ["sleep", "1000"], {
                "io.kubernetes.cri.container-type": "container", "io.kubernetes.cri.sandbox-id": self.id})
            for method, fields in (("CreateSandbox", (2, self.bundle)), ("StartSandbox", (3, None))):
                if self.ask(method, msg((1, self.id), fields), SANDBOX).code != OK:
                    return False
        out = os.path.join(HERE, self.member + ".out")
        os.close(os.open(out, os.O_CREAT | os.O_WRONLY, 0o600))
        if self.ask("Create", self.create_request(self.member, bundle, out)).code != OK:
            return False
        return self.ask("Start", msg((1, self.member))).code == OK

    def work(self):
        for i in range(2):
            name = msg((1, self.member), (2, "e%d" % i))
            if first(self.ask("State", msg((1, self.member))).payload, 4) == STOPPED:
                return
            try:
                self.add_exec("e%d" % i, ["sleep", "0.2"], self.member)
            except AssertionError:
                assert self.killed
                return
            except (Closed, ConnectionError) as e:
                raise Lost from e
            self.ask("Start", name)
            # What hangs ends no process, and a Wait has no deadline of its own; Kill has, and ends what hangs.
            self.ask("Wait", name, timeout=DEADLINES["request_timeout"] * SLOW if self.signo == signal.SIGSTOP else None)
            self.ask("Delete", name)

        self.ask("Update", msg((1, self.member), (2, any_of("t", '{"pids": {"limit": 50}}'))))

    def end(self):
        """As containerd ends a task, whatever state it is in; then the shim."""
        name = msg((1, self.member))
        if self.ask("State", name).code != NOT_FOUND:
            self.ask("Kill", msg((1, self.member), (3, int(signal.SIGKILL))))
            self.ask("Wait", name)
            if "/tasks/create" in self.events.topics(self.member):
                self.events.wait("/tasks/exit", self.member)
            assert self.ask("Delete", name).code == OK, "Delete"
        if self.with_sandbox:
            for method in ("StopSandbox", "ShutdownSandbox"):
                answer = self.ask(method, msg((1, self.id)), SANDBOX)
                assert answer.code in (OK, NOT_FOUND), "%s: %d %s" % (method, answer.code, answer.words)
        else:
            self.ask("Shutdown", msg((1, self.id), (2, True)))
        wait_until(lambda: not os.path.exists("/proc/%d" % self.pid), "the end of the shim")

    def live(self):
        try:
            if not self.conn:
                raise Lost()
            if self.begin():
                self.work()
            self.end()
        except Lost:
            if self.killed == "containerd":
                self.conn = Connection(self.address)
                self.end()
            else:
                self.cleaned_by_delete()

    def cleaned_by_delete(self):
        """The shim is gone. containerd learns from `delete` how its task ended, and makes the event itself."""
        done = subprocess.run(self.command + ["-bundle", self.bundle, "delete"], cwd=self.bundle, check=False,
                              stdout=subprocess.PIPE, timeout=wire.PATIENCE)
        assert done.returncode == 0, done
        assert first(done.stdout, 2) == 128 + signal.SIGKILL and first(done.stdout, 3), done.stdout

    def lose_containerd(self):
        """It is started again, at the same places."""
        self.events.stop()
        self.conn.socket.shutdown(socket.SHUT_RDWR)
        self.events = EventService(self.ttrpc_address, known=self.events.events)


def leaks():
    scope = "%s/|/run/kata/ns/%s|/sys/fs/cgroup/.*%s" % (BUILD, NAMESPACE, NAMESPACE)
    done = subprocess.run([os.path.join(REPO, "tests/lib/leaks.sh")], env=dict(os.environ, KATA_TEST_SCOPE=scope),
                          stdout=subprocess.PIPE, check=False)
    assert done.returncode == 0, done.stdout.decode()


def one_round(number, seed, span):
    """Return: how long it took when nothing was killed."""
    rng = random.Random("%d-%d" % (seed, number))
    victim = rng.choice(VICTIMS) if span else None
    delay, with_sandbox = rng.uniform(0, span), rng.random() < 0.5
    signo = signal.SIGSTOP if victim in HANGING and rng.random() < 0.3 else signal.SIGKILL
    print("seed %d round %d: %s to %s after %.2f s, %s" % (
        seed, number, signo.name, victim or "nobody", delay, "a sandbox" if with_sandbox else "a container"), flush=True)
    began = time.monotonic()
    with Pod("k%d" % number, with_sandbox, victim, delay, signo) as pod:
        pod.live()
        took = time.monotonic() - began
    leaks()
    return took


def main(rounds, seed=None, begin=1):
    write_config(BUILD, CONFIG)
    seed = int(seed) if seed else random.SystemRandom().randrange(1 << 32)
    span = one_round(0, seed, 0)
    for number in range(int(begin), int(begin) + int(rounds)):
        one_round(number, seed, span)


main(*sys.argv[1:])
