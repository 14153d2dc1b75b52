# SPDX-License-Identifier: Apache-2.0
"""A real shim process, started as containerd starts it, with an event service and bundles."""
import collections
import json
import os
import shutil
import signal
import socket
import subprocess
import threading

from wire import (Closed, Connection, OK, PATIENCE, RESPONSE, any_of, first, frame, msg, parse, read_request, text,
                  wait_until)

NAMESPACE = os.environ.get("KATA_TEST_NAMESPACE", "kata-test-shim")
REPO = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
BUILD = os.environ.get("KATA_BUILD", os.path.join(REPO, "build"))
EVENTS = "containerd.services.events.ttrpc.v1.Events"
SANDBOX = "containerd.runtime.sandbox.v1.Sandbox"
CREATED, RUNNING, STOPPED, PAUSED = 1, 2, 3, 4

Event = collections.namedtuple("Event", "topic id data")


class EventService:
    """Collects events. It hangs up on the first one when it is told to, as a containerd that restarts does."""

    def __init__(self, path, hang_up_first=False, known=None):
        self.events, self.hang_up, self.refused = known or [], hang_up_first, 0
        self.connections = []
        self.path = path
        self.listener = socket.socket(socket.AF_UNIX)
        self.listener.bind(path)
        self.listener.listen(8)
        threading.Thread(target=self.accept, daemon=True).start()

    def accept(self):
        while True:
            try:
                conn = self.listener.accept()[0]
            except OSError:
                return  # stopped
            self.connections.append(conn)
            threading.Thread(target=self.serve, args=(conn,), daemon=True).start()

    def stop(self):
        """As when containerd is killed."""
        os.unlink(self.path)
        for end in [self.listener] + self.connections:
            try:
                end.shutdown(socket.SHUT_RDWR)
            except OSError:
                pass  # it has hung up

    def serve(self, conn):
        try:
            while True:
                stream, service, method, payload = read_request(conn)
                assert (service, method) == (EVENTS, "Forward"), (service, method)
                if self.hang_up:
                    self.hang_up = False
                    self.refused += 1
                    conn.close()
                    return
                envelope = first(payload, 1)
                assert text(envelope, 2) == NAMESPACE
                topic, event = text(envelope, 3), first(envelope, 4, 2)
                ident = text(event, 2 if topic in ("/tasks/exit", "/tasks/exec-added", "/tasks/exec-started") else 1)
                self.events.append(Event(topic, ident, event))
                conn.sendall(frame(stream, RESPONSE, msg((1, b""), (2, b""))))
        except (Closed, OSError):
            conn.close()

    def topics(self, *idents):
        return [e.topic for e in self.events if not idents or e.id in idents]

    def wait(self, topic, ident):
        found = []

        def look():
            found[:] = [e for e in self.events if (e.topic, e.id) == (topic, ident)]
            return found
        wait_until(look, "event %s of %s" % (topic, ident))
        return found[0]


def make_bundle(path, args, annotations=None, edit=None):
    subprocess.run([os.path.join(REPO, "tests/lib/make-bundle.sh"), path] + args, check=True)
    name = os.path.join(path, "config.json")
    with open(name, encoding="utf-8") as f:
        spec = json.load(f)
    spec["annotations"] = annotations or {}
    if edit:
        edit(spec)
    with open(name, "w", encoding="utf-8") as f:
        json.dump(spec, f)
    return path


class Shim:
    """`with Shim(dir, id) as shim:` ends with nothing left of it, whatever happened."""

    def __init__(self, folder, ident, args=None, version=2, config=None, edit=None, **events):
        self.folder, self.id, self.version = folder, ident, version
        self.netns = None  # of the pod, where a test gave it one
        self.bundle = os.path.join(folder, ident)
        os.makedirs(self.bundle)
        if args is not None:
            make_bundle(self.bundle, args, edit=edit)
        # containerd makes a fifo; a file keeps what is said for whoever looks why a test failed.
        self.log = os.path.join(self.bundle, "log")
        os.close(os.open(self.log, os.O_CREAT | os.O_WRONLY, 0o600))
        self.config = config or os.path.join(BUILD, "configuration.toml")
        self.service = "containerd.task.v%d.Task" % version
        self.ttrpc_address = os.path.join(folder, ident + ".ttrpc")
        self.events = EventService(self.ttrpc_address, **events)
        self.command = [os.path.join(BUILD, "containerd-shim-kata-v2"), "-namespace", NAMESPACE, "-address",
                        os.path.join(folder, "containerd.sock"), "-publish-binary", "/bin/false", "-debug", "-id", ident]
        self.address = self.start()
        self.conn = Connection(self.address)
        self.pid = first(self.ok("Connect", msg((1, ident))), 1)

    def start(self):
        env = dict(os.environ, TTRPC_ADDRESS=self.ttrpc_address)
        options = any_of("runtimeoptions.v1.Options", msg((2, self.config)))
        done = subprocess.run(self.command + ["start"], cwd=self.bundle, env=env, input=options, stdout=subprocess.PIPE,
                              stderr=subprocess.STDOUT, timeout=PATIENCE, check=False)
        assert done.returncode == 0, done.stdout
        assert done.stdout.startswith(b"unix:///"), done.stdout
        return done.stdout.decode()[len("unix://"):]

    def __enter__(self):
        return self

    def __exit__(self, kind, *_):
        self.conn.close()
        if kind:
            with open(self.log, encoding="utf-8") as f:
                print(f.read()[-4000:])
        subprocess.run(self.command + ["-bundle", self.bundle, "delete"], cwd=self.bundle, stdout=subprocess.DEVNULL,
                       timeout=PATIENCE, check=True)
        wait_until(lambda: not os.path.exists("/proc/%d" % self.pid), "the end of the shim")
        assert not os.path.exists(self.address), "the socket stays"
        shutil.rmtree(self.bundle)

    # Calls. The plain name gives the whole answer, ok() asserts success and gives the payload.

    def call(self, method, payload=b"", timeout=None, conn=None, service=None):
        return (conn or self.conn).call(service or self.service, method, payload, timeout)

    def ok(self, method, payload=b"", **more):
        answer = self.call(method, payload, **more)
        assert answer.code == OK, "%s: %d %s" % (method, answer.code, answer.words)
        return answer.payload

    def fails(self, code, method, payload=b"", words="", **more):
        answer = self.call(method, payload, **more)
        assert answer.code == code, "%s: %d %s" % (method, answer.code, answer.words)
        assert words in answer.words, answer.words
        return answer.words

    def sandbox(self, method, *fields):
        return self.ok(method, msg((1, self.id), *fields), service=SANDBOX)

    def create(self, ident=None, bundle=None, **more):
        ident = ident or self.id
        out = os.path.join(self.folder, ident + ".out")
        os.close(os.open(out, os.O_CREAT | os.O_WRONLY, 0o600))
        return self.ok("Create", self.create_request(ident, bundle, out), **more)

    def create_request(self, ident=None, bundle=None, out=""):
        return msg((1, ident or self.id), (2, bundle or self.bundle), (6, out), (7, out))

    def output(self, ident=None):
        with open(os.path.join(self.folder, (ident or self.id) + ".out"), encoding="utf-8") as f:
            return f.read()

    def add_exec(self, exec_id, args, ident=None, terminal=False):
        # It is the call that says whether there is a terminal: CRI-O's process object is the container's.
        process = {"args": args, "cwd": "/", "env": ["PATH=/bin"], "user": {"uid": 0, "gid": 0}}
        out = os.path.join(self.folder, exec_id + ".out")
        os.close(os.open(out, os.O_CREAT | os.O_WRONLY, 0o600))
        spec = any_of("types.containerd.io/opencontainers/runtime-spec/1/Process", json.dumps(process))
        return self.ok("Exec", msg((1, ident or self.id), (2, exec_id), (3, terminal), (5, out),
                                   (6, "" if terminal else out), (7, spec)))

    def run_exec(self, exec_id, args, ident=None):
        """Exit status of a whole exec, which is deleted."""
        name = msg((1, ident or self.id), (2, exec_id))
        self.add_exec(exec_id, args, ident)
        self.ok("Start", name)
        status = first(self.ok("Wait", name), 1)
        assert first(self.ok("Delete", name), 2) == status
        return status

    def state(self, ident=None, exec_id="", conn=None):
        return first(self.ok("State", msg((1, ident or self.id), (2, exec_id)), conn=conn), 4)

    def finish(self, ident=None):
        """Kill, wait for the end, delete; gives the exit status."""
        name = msg((1, ident or self.id))
        self.ok("Kill", msg((1, ident or self.id), (3, int(signal.SIGKILL))))
        status = first(self.ok("Wait", name), 1)
        assert first(self.ok("Delete", name), 2) == status
        return status

    def shutdown(self):
        self.ok("Shutdown", msg((1, self.id)))
        wait_until(lambda: not os.path.exists("/proc/%d" % self.pid), "the end of the shim after Shutdown")

    def children(self, program):
        found = []
        for pid in filter(str.isdigit, os.listdir("/proc")):
            try:
                with open("/proc/%s/stat" % pid, encoding="utf-8") as f:
                    parent = int(f.read().rsplit(")", 1)[1].split()[1])
                if parent == self.pid and os.path.basename(os.readlink("/proc/%s/exe" % pid)).startswith(program):
                    found.append(int(pid))
            except OSError:
                pass
        return found

    def usage(self):
        """Open descriptors, threads, resident KiB."""
        with open("/proc/%d/status" % self.pid, encoding="utf-8") as f:
            lines = dict(line.split(":", 1) for line in f)
        return len(os.listdir("/proc/%d/fd" % self.pid)), int(lines["Threads"]), int(lines["VmRSS"].split()[0])


def pids_of(payload):
    return [first(info, 1) for info in parse(payload).get(1, [])]
