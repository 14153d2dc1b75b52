# SPDX-License-Identifier: Apache-2.0
"""A VM that is played in the test's own process: QEMU's monitor and console, and the guest's agent behind the hybrid
vsock, which answers as it should unless it is told to lie."""
import json
import os
import re
import shutil
import socket
import sys
import threading
import time

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path.insert(0, os.path.join(os.path.dirname(HERE), "shim"))
# pylint: disable=wrong-import-position
from wire import RESPONSE, Closed, first, frame, msg, read_request, text

AGENT_PORT, STREAM_PORT = 1024, 1027
NO_ANSWER = object()
ENDS_AT_ONCE = "now"  # so begin the names of execs that do


def build_folder(real, folder):
    """A build folder with the real shim, whose QEMU and proxy are played."""
    os.makedirs(folder, exist_ok=True)
    shutil.copy(os.path.join(real, "containerd-shim-kata-v2"), folder)
    for name in ("kata-proxy", "qemu"):
        shutil.copy(os.path.join(HERE, "handover.py"), os.path.join(folder, name))
        os.chmod(os.path.join(folder, name), 0o755)
    with open(os.path.join(real, "configuration.toml"), encoding="utf-8") as f:
        lines = f.read()
    program = os.path.join(folder, "qemu")
    for key, value in (("path", '"%s"' % program), ("kernel", '"%s"' % program), ("initrd", '"%s"' % program),
                       ("jail", "false"), ("shared_fs", '"virtio-9p"'), ("accel", '"tcg"'),
                       ("request_timeout", "5"), ("create_container_timeout", "5"), ("enable_template", "false")):
        lines, found = re.subn("(?m)^#? ?%s = .*" % key, "%s = %s" % (key, value), lines, count=1)
        assert found == 1, key
    with open(os.path.join(folder, "configuration.toml"), "w", encoding="utf-8") as f:
        f.write(lines)


def answer(stream, payload=b"", code=0, words=""):
    status = msg((1, code), (2, words)) if code else None
    return frame(stream, RESPONSE, msg((1, status), (2, payload)))


class Guest:
    """The VM of one shim. `lies` maps a method to a function of (guest, stream, request) that gives the bytes to send, or
    NO_ANSWER; `on_stream` is called with each stream of a container."""

    def __init__(self):
        self.lies, self.calls = {}, []
        self.waiting, self.agents = {}, []
        self.console = self.on_stream = None
        self.hello = lambda port, local: b"OK %d\n" % local
        self.port, self.lock, self.streams = 1 << 20, threading.Lock(), {}

    def adopt(self, kind, fds):
        ends = [socket.socket(fileno=fd) for fd in fds]
        for end in ends:
            end.setblocking(True)
        if kind == "qemu":
            self.console = ends[1]
            run(self.serve_qmp, ends[0])
        else:
            ends[1].close()
            run(self.serve_vsock, ends[0])

    @staticmethod
    def serve_qmp(conn):
        conn.sendall(b'{"QMP": {"version": {"qemu": {"major": 7, "minor": 2, "micro": 0}}, "capabilities": []}}\n')
        for line in conn.makefile("r"):
            request = json.loads(line)
            result = [{"thread-id": 1}] if request["execute"] == "query-cpus-fast" else {}
            conn.sendall(json.dumps({"return": result, "id": request.get("id")}).encode() + b"\n")

    def serve_vsock(self, listener):
        while True:
            conn = listener.accept()[0]
            run(self.serve_connection, conn)

    def serve_connection(self, conn):
        line = b""
        while not line.endswith(b"\n"):
            byte = conn.recv(1)
            if not byte:
                return
            line += byte
        with self.lock:
            self.port += 1
            local = self.port
        port = int(line.split()[1])
        conn.sendall(self.hello(port, local))
        if port == AGENT_PORT:
            self.agents.append(conn)
            self.serve_agent(conn)
        elif port == STREAM_PORT and self.on_stream:
            self.on_stream(conn)
        elif port == STREAM_PORT:
            self.streams[local] = conn

    def serve_agent(self, conn):
        while True:
            stream, _, method, request = read_request(conn)
            self.calls.append(method)
            reply = self.reply_to(method, stream, request)
            if reply is not NO_ANSWER:
                self.send(reply, conn)

    def send(self, data, conn=None):
        with self.lock:
            (conn or self.agents[-1]).sendall(data)

    def reply_to(self, method, stream, request):
        lie = self.lies.get(method)
        if lie:
            return lie(self, stream, request)
        if method == "SyncClock":
            return answer(stream, msg((1, time.time_ns()), (2, time.monotonic_ns())))
        if method == "WaitProcess" and text(request, 2).startswith(ENDS_AT_ONCE):
            return answer(stream)
        if method == "ExecProcess" and text(request, 2).startswith(ENDS_AT_ONCE):
            for number in (5, 6, 7):
                self.close_stream(first(request, number))
        if method in ("WaitProcess", "GetOOMEvent"):
            self.waiting.setdefault(method, {})[text(request, 1) + "/" + text(request, 2)] = stream
            return NO_ANSWER
        if method == "SignalProcess" and first(request, 3) == 9:
            self.exit(text(request, 1), text(request, 2), 137)
        if method == "StatsContainer":
            return answer(stream, msg((1, msg((3, msg((1, 1)))))))
        return answer(stream)

    def close_stream(self, port):
        conn = self.streams.pop(port, None)
        if conn:
            conn.shutdown(socket.SHUT_RDWR)
            conn.close()

    def exit(self, container, exec_id, status):
        stream = self.waiting.get("WaitProcess", {}).pop(container + "/" + exec_id, None)
        if stream:
            self.send(answer(stream, msg((1, status))))


def run(function, *args):
    def quietly():
        try:
            function(*args)
        except (Closed, OSError, IndexError, ValueError):
            pass  # the shim has ended, or was lied to
    threading.Thread(target=quietly, daemon=True).start()


class Hypervisor:
    """Takes what the stand-ins of the programs hand over, and gives each shim's to its guest."""

    def __init__(self, folder):
        self.guests, self.changed = {}, threading.Condition()
        self.listener = socket.socket(socket.AF_UNIX)
        path = os.path.join(folder, "peer.sock")
        self.listener.bind(path)
        self.listener.listen(16)
        run(self.accept)

    def accept(self):
        while True:
            run(self.take, self.listener.accept()[0])

    def take(self, conn):
        data, fds, _, _ = socket.recv_fds(conn, 256, 4)
        kind, pid = data.decode().split()
        self.guest(int(pid)).adopt(kind, fds)
        while conn.recv(1):  # until its program has ended
            pass

    def guest(self, pid):
        with self.changed:
            return self.guests.setdefault(pid, Guest())


# --- messages, as the protocol files write them ---

class Field:
    def __init__(self, number, kind, repeated=False):
        self.number, self.kind, self.repeated = number, kind, repeated


def read_protos(folder):
    """Of what the agent speaks: message name (without its package) -> fields."""
    messages = {}
    for name in ("agent.proto", "agent_extra.proto", "admin.proto", "types.proto"):
        with open(os.path.join(folder, name), encoding="utf-8") as f:
            source = re.sub(r"//[^\n]*", "", f.read())
        read_messages(source, messages)
    return messages


def read_messages(source, messages):
    for match in re.finditer(r"message\s+(\w+)\s*\{", source):
        end = match.end()
        depth = 1
        while depth:
            depth += {"{": 1, "}": -1}.get(source[end], 0)
            end += 1
        messages[match.group(1)] = read_fields(source[match.end():end - 1], messages, match.group(1))


def read_fields(body, messages, owner):
    fields = []
    for field in re.finditer(r"(repeated\s+)?(map\s*<\s*(\w+)\s*,\s*([\w.]+)\s*>|[\w.]+)\s+\w+\s*=\s*(\d+)", body):
        number, kind = int(field.group(5)), field.group(2).split(".")[-1]
        if field.group(3):
            kind = "%s.entry%d" % (owner, number)
            messages[kind] = [Field(1, field.group(3)), Field(2, field.group(4).split(".")[-1])]
        fields.append(Field(number, kind, bool(field.group(1) or field.group(3))))
    return fields


__all__ = ["Guest", "Hypervisor", "ENDS_AT_ONCE", "NO_ANSWER", "answer", "build_folder", "read_protos", "run"]
