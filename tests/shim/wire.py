# SPDX-License-Identifier: Apache-2.0
"""Protobuf and ttrpc with the standard library only: what a test needs to be a containerd, also a bad one."""
import os
import socket
import struct
import time

REQUEST, RESPONSE, DATA = 1, 2, 3
OK, CANCELLED, INVALID_ARGUMENT, DEADLINE_EXCEEDED, NOT_FOUND, ALREADY_EXISTS = 0, 1, 3, 4, 5, 6
RESOURCE_EXHAUSTED, FAILED_PRECONDITION, UNIMPLEMENTED, INTERNAL, UNAVAILABLE = 8, 9, 12, 13, 14
PATIENCE = 60 * int(os.environ.get("KATA_TEST_SLOW", "1"))  # seconds; reached only when a test fails


def varint(n):
    n &= (1 << 64) - 1
    out = bytearray()
    while n > 127:
        out.append(n & 127 | 128)
        n >>= 7
    out.append(n)
    return bytes(out)


def msg(*fields):
    """A message of (number, value) pairs: int or bool, str, bytes. None and empty values are left out."""
    out = b""
    for number, value in fields:
        if value is None or value == "" or value is False:
            continue
        if isinstance(value, int):
            out += varint(number << 3) + varint(int(value))
        else:
            data = value.encode() if isinstance(value, str) else value
            out += varint(number << 3 | 2) + varint(len(data)) + data
    return out


def any_of(type_url, value):
    return msg((1, type_url), (2, value.encode() if isinstance(value, str) else value))


def read_varint(data, at):
    n = shift = 0
    while True:
        n |= (data[at] & 127) << shift
        at += 1
        if data[at - 1] < 128:
            return n, at
        shift += 7


def parse(data):
    """Field number -> list of values; nested messages stay bytes."""
    fields, at = {}, 0
    while at < len(data):
        key, at = read_varint(data, at)
        if key & 7 == 0:
            value, at = read_varint(data, at)
        elif key & 7 == 2:
            size, at = read_varint(data, at)
            value, at = data[at:at + size], at + size
        elif key & 7 == 1:
            value, at = struct.unpack_from("<d", data, at)[0], at + 8
        else:
            raise ValueError("wire type %d" % (key & 7))
        fields.setdefault(key >> 3, []).append(value)
    return fields


def first(data, *path):
    """The value at a path of field numbers: 0 for what is absent."""
    for number in path:
        data = parse(data or b"").get(number, [b"" if number != path[-1] else 0])[0]
    return data


def text(data, *path):
    return (first(data, *path) or b"").decode()


def frame(stream, kind, payload, flags=0):
    return struct.pack(">IIBB", len(payload), stream, kind, flags) + payload


def request(service, method, payload=b"", timeout=None):
    nano = int(timeout * 1e9) if timeout else None
    return msg((1, service), (2, method), (3, payload), (4, nano))


class Closed(Exception):
    """The other side has hung up."""


class Answer:
    def __init__(self, data):
        fields = parse(data)
        status = fields.get(1, [b""])[0]
        self.code = first(status, 1)
        self.words = text(status, 2)
        self.payload = fields.get(2, [b""])[0]


class Connection:
    """One ttrpc connection; answers may come in any order."""

    def __init__(self, path):
        self.socket = socket.socket(socket.AF_UNIX)
        self.socket.settimeout(PATIENCE)
        self.socket.connect(path)
        self.next_stream = 1
        self.answers = {}

    def close(self):
        self.socket.close()

    def send(self, service, method, payload=b"", timeout=None):
        stream = self.next_stream
        self.next_stream += 2
        self.socket.sendall(frame(stream, REQUEST, request(service, method, payload, timeout)))
        return stream

    def read_full(self, size):
        data = b""
        while len(data) < size:
            try:
                more = self.socket.recv(min(size - len(data), 1 << 16))
            except ConnectionResetError:
                more = b""
            if not more:
                raise Closed()
            data += more
        return data

    def read_frame(self):
        size, stream, kind, _ = struct.unpack(">IIBB", self.read_full(10))
        return stream, kind, self.read_full(size)

    def receive(self, stream):
        while stream not in self.answers:
            got, kind, data = self.read_frame()
            assert kind == RESPONSE, kind
            assert got not in self.answers, "answered twice"
            self.answers[got] = Answer(data)
        return self.answers.pop(stream)

    def call(self, service, method, payload=b"", timeout=None):
        return self.receive(self.send(service, method, payload, timeout))


def read_request(sock):
    """For servers: stream, service, method and payload of the next request."""
    data = b""
    while len(data) < 10 or len(data) < 10 + struct.unpack(">I", data[:4])[0]:
        more = sock.recv(10 if len(data) < 10 else 10 + struct.unpack(">I", data[:4])[0] - len(data))
        if not more:
            raise Closed()
        data += more
    body = data[10:]
    return struct.unpack(">I", data[4:8])[0], text(body, 1), text(body, 2), first(body, 3) or b""


def wait_until(condition, what, seconds=PATIENCE):
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end, "still not: " + what
        time.sleep(0.02)
