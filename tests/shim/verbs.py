#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""verbs.py ROUNDS [SEED [FIRST]]: the life of a container by the command line, in the current directory, in which at a
point of one verb something is killed or stopped (SIGSTOP): the shim, QEMU, virtiofsd, the proxy, the stand-in, the guest's
agent, or the command itself. Every verb ends, a failure has words, `delete --force` leaves nothing, and a container
beside lives on. The points: every victim at every verb is one round of a cycle; the seed chooses how far into the verb.
A failure names its seed and round."""
import json
import os
import random
import shutil
import signal
import subprocess
import sys
import threading
import time

from deadlines import SLOW, write_config

HERE = os.getcwd()
REPO = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
BUILD = os.environ.get("KATA_BUILD", os.path.join(REPO, "build"))
ROOT, CONFIG = os.path.join(HERE, "state"), os.path.join(HERE, "configuration.toml")
KATA = [os.path.join(BUILD, "kata-runtime"), "--config", CONFIG, "--root", ROOT]
# Longer than the deadlines of what a verb does one after the other; reached only when a test fails.
PATIENCE = 120 * SLOW
VERBS = ("create", "start", "exec", "update", "kill", "delete")
PROGRAMS = {"shim": "containerd-shim-kata-v2", "QEMU": "qemu-system", "virtiofsd": "virtiofsd", "proxy": "kata-proxy"}
# The agent can be killed where a container runs: its kernel has no PID 1 then.
VICTIMS = tuple(PROGRAMS) + ("stand-in", "command", "agent")
HANGING = ("QEMU", "virtiofsd", "proxy")
POINTS = [(victim, verb) for verb in VERBS for victim in VICTIMS
          if victim != "agent" or verb not in ("create", "start")]


def stat_of(pid):
    """Parent and program of a process, or None."""
    try:
        with open("/proc/%d/stat" % pid, encoding="utf-8", errors="replace") as f:
            parent = int(f.read().rsplit(")", 1)[1].split()[1])
        return parent, os.path.basename(os.readlink("/proc/%d/exe" % pid))
    except OSError:
        return None


def shim_of(ident):
    try:
        with open(os.path.join(ROOT, ident, "shim.pid"), encoding="utf-8") as f:
            return int(f.read().split()[0])
    except (OSError, ValueError, IndexError):
        return 0


def state_of(pid):
    """The state directory that a shim was given as a descriptor."""
    try:
        return os.readlink("/proc/%d/fd/3" % pid)
    except OSError:
        return ""


def standin_of(ident):
    try:
        with open(os.path.join(HERE, ident + ".pid"), encoding="utf-8") as f:
            pid = int(f.read())
    except (OSError, ValueError):
        return []
    return [pid] if (stat_of(pid) or (0, ""))[1] == "kata-runtime" else []


def find(victim, ident, command):
    """Return: numbers of the processes."""
    if victim == "command":
        return [command.pid] if command and command.poll() is None else []
    found = [(pid, stat_of(pid)) for pid in map(int, filter(str.isdigit, os.listdir("/proc")))]
    if victim == "stand-in":
        # Before create has ended it is the command's child.
        return standin_of(ident) or [pid for pid, stat in found if stat == (command.pid, "kata-runtime")]
    shim = shim_of(ident)
    if victim == "shim":
        return [shim] if shim else []
    return [pid for pid, stat in found if shim and stat and stat[0] == shim and stat[1].startswith(PROGRAMS[victim])]


class Life:
    """One container, and what is to happen to it: nothing, where @verb is None."""

    def __init__(self, ident, victim=None, verb=None, after=0.0, signo=signal.SIGKILL):
        self.id, self.victim, self.verb, self.after, self.signo = ident, victim, verb, after, signo
        self.bundle = os.path.join(HERE, "bundle-" + ident)
        self.hit, self.took = False, {}
        subprocess.run([os.path.join(REPO, "tests/lib/make-bundle.sh"), self.bundle, "sleep", "1000"], check=True)
        with open(self.bundle + "/config.json", encoding="utf-8") as f:
            spec = json.load(f)
        # For the agent's end: the guest's kernel is told to panic.
        spec["linux"]["maskedPaths"], spec["linux"]["readonlyPaths"] = [], []
        with open(self.bundle + "/config.json", "w", encoding="utf-8") as f:
            json.dump(spec, f)

    def strike(self, command):
        time.sleep(self.after)
        if self.victim == "agent":
            subprocess.run(KATA + ["exec", "-d", self.id, "sh", "-c", "echo c > /proc/sysrq-trigger"], check=False,
                           stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, timeout=PATIENCE)
            self.hit = True
            return
        for pid in find(self.victim, self.id, command):
            try:
                os.kill(pid, self.signo)
                self.hit = True
            except ProcessLookupError:
                pass

    def await_end(self, command, verb):
        """Return: the exit status. An exec has no deadline: where the VM hangs it is the user who ends it."""
        if verb != "exec" or self.signo != signal.SIGSTOP:
            return command.wait(PATIENCE)
        try:
            return command.wait(20 * SLOW)
        except subprocess.TimeoutExpired:
            command.kill()
            return command.wait()

    def run(self, verb, *args):
        """Return: did it work? Where nothing was hit it must."""
        log = os.path.join(HERE, self.id + ".err")
        began = time.monotonic()
        with open(log, "wb") as err:
            # A file: stand-ins keep it open.
            command = subprocess.Popen(KATA + [verb] + list(args), stdin=subprocess.DEVNULL, stdout=err, stderr=err)
            striker = threading.Thread(target=self.strike, args=(command,))
            if verb == self.verb:
                striker.start()
            try:
                status = self.await_end(command, verb)
            finally:
                if verb == self.verb:
                    striker.join()
        self.took[verb] = time.monotonic() - began
        with open(log, encoding="utf-8", errors="replace") as f:
            words = f.read()
        assert status == 0 or self.hit, "%s: %d %s" % (verb, status, words)
        assert status == 0 or words.strip() or status < 0 or verb == "exec", "%s: %d without a word" % (verb, status)
        assert "Sanitizer" not in words and "runtime error" not in words, words
        return status == 0

    def live(self):
        pid_file = os.path.join(HERE, self.id + ".pid")
        if (self.run("create", "--bundle", self.bundle, "--pid-file", pid_file, self.id) and self.run("start", self.id)):
            self.run("exec", self.id, "sleep", "0.5")
            self.run("update", "--pids-limit", "50", self.id)
            if self.verb != "delete":  # which has something to end then
                self.run("kill", self.id, "KILL")
        self.run("delete", "--force", self.id)
        if self.hit:
            # Whatever was killed, even in `delete`: once more, undisturbed.
            self.verb = None
            assert self.run("delete", "--force", self.id), "delete --force"
        shutil.rmtree(self.bundle)


def leaks(beside):
    """Nothing is left but what is of the container beside."""
    end = time.monotonic() + 10 * SLOW
    while True:
        left = [e for e in os.listdir(ROOT) if e != beside.id and not e.startswith(".")]
        shims = [pid for pid in map(int, filter(str.isdigit, os.listdir("/proc")))
                 if (stat_of(pid) or (0, ""))[1] == PROGRAMS["shim"] and ROOT in state_of(pid) and beside.id not in state_of(pid)]
        groups = [p for p, dirs, _ in os.walk("/sys/fs/cgroup") if os.path.basename(p).startswith("verbs-%d-" % os.getpid())]
        if not left and not shims and not groups:
            break
        assert time.monotonic() < end, "left: %s, shims %s, %s" % (left, shims, groups)
        time.sleep(0.1)
    done = subprocess.run(KATA + ["state", beside.id], stdout=subprocess.PIPE, check=True, timeout=PATIENCE)
    assert json.loads(done.stdout)["status"] == "running", "the container beside"


def one_round(number, seed, usual, beside):
    rng = random.Random("%d-%d" % (seed, number))
    victim, verb = POINTS[(number - 1) % len(POINTS)]
    signo = signal.SIGSTOP if victim in HANGING and rng.random() < 0.2 else signal.SIGKILL
    # Late in these there is little left to hit.
    after = rng.random() * usual[verb] * (0.2 if verb in ("kill", "delete") else 1)
    print("seed %d round %d: %s to the %s %.2f s into %s" % (seed, number, signo.name, victim, after, verb), flush=True)
    life = Life("verbs-%d-%d" % (os.getpid(), number), victim, verb, after, signo)
    life.live()
    print("#   %s" % ("hit" if life.hit else "there was none yet"), flush=True)
    leaks(beside)


def main(rounds, seed=1, begin=1):
    write_config(BUILD, CONFIG)
    os.makedirs(ROOT, mode=0o700)
    beside = Life("beside-%d" % os.getpid())
    try:
        beside.run("create", "--bundle", beside.bundle, "--pid-file", os.path.join(HERE, beside.id + ".pid"), beside.id)
        beside.run("start", beside.id)
        usual = Life("verbs-%d-0" % os.getpid())
        usual.live()
        for number in range(int(begin), int(begin) + int(rounds)):
            one_round(number, int(seed), usual.took, beside)
    finally:
        beside.run("delete", "--force", beside.id)


main(*sys.argv[1:])
