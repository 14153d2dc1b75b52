# SPDX-License-Identifier: Apache-2.0
"""Messages of protocols: protobuf, ttrpc, QMP, vhost-user."""

import struct

from seedbox import seed


def pb_seeds():
    for index in range(260):
        head = struct.pack(">H", index)
        for how in (0x11, 0x1D, 0x26, 0x17, 0x10, 0x1F, 0x13):
            seed(head + b"\1" + bytes([how]) * 60)
        seed(head + b"\1" + bytes([0x11, 0x00, 0x22, 0x1A, 0x00, 0x15]) * 20)
    for index in (0, 40):
        for over in (0xF1, 0xF3):
            seed(struct.pack(">H", index) + bytes([over]) + b"\x11" * 8)
    for index in range(0, 260, 8):
        head = struct.pack(">H", index) + b"\0"
        for data in (
            b"\x0b",
            b"\x00",
            b"\x0a\xff\xff\xff\xff\xff\xff\xff\xff\xff\x01",
            b"\x0d\1",
            b"\x09\1",
            b"\x0a\x05a",
            b"\x0a\1\0",
            b"\x08" + b"\xff" * 11,
            b"\x08\xff",
            b"\x0f",
            b"\xff\xff\xff\xff\xff\x0f",
        ):
            seed(head + data)


def frame(stream, kind, payload, length=None):
    return struct.pack(">IIBB", len(payload) if length is None else length, stream, kind, 0) + payload


def frame_seeds():
    request = b"\x0a\x04grpc\x12\x04Call\x1a\x03abc\x20\x05"
    for portion in (0, 5, 255):
        for data in (
            frame(1, 1, request) * 3,
            frame(1, 2, b"\x12\1x"),
            frame(3, 3, b""),
            frame(1, 0, b""),
            frame(1, 4, b""),
            frame(1, 1, b"x" * 100, 5 << 20),
            frame(1, 1, b"", 0xFFFFFFFF) + b"y" * 50,
            frame(1, 1, b"z" * 5000) + frame(3, 1, request),
            frame(1, 1, request)[:-3],
            b"",
            frame(1, 1, b"z" * 3000) + frame(3, 1, b"w" * 3000)[:-10] + b"1234567890",
        ):
            seed(bytes([portion]) + data)


def qmp_seeds():
    ready = bytes([0x80, 0, 0, 0x81, 1, 1])  # the greeting, the answer to qmp_capabilities
    for text in (
        '{"QMP":{}}\n{"return":{},"id":1}\n{"event":"STOP","data":{}}\n',
        '{"QMP":{}}\n{"return":{},"id":2}\n',
        '{"event":"X"}\n',
        '{"QMP":{}}\n{"error":{},"id":1}\n',
        "x\n",
        "[]\n",
    ):
        seed(bytes([2]) + text.encode())
    for text in (
        '{"event":"STOP","data":{}}\n',
        '{"event":1}\n',
        '{"event":"STOP","data":1}\n',
        '{"id":1}\n',
        "{}\n",
        '{"id":0,"return":1}\n',
        '{"id":9,"return":1}\n',
        '{"id":"x"}\n',
    ):
        seed(bytes([128 + 20]) + text.encode())
    say, begin, send, take, fault, end, later = 0, 2, 4, 5, 6, 7, 0x80
    for how in (0x00, 0x01, 0x02, 0x03, 0x05, 0x07, 0x0B, 0x0F, 0x40, 0x43, 0xFF):
        for answer in range(14):
            seed(bytes([1]) + ready + bytes([begin | later, how, take, say | later, answer, 2, say | later, answer | 0x80, 2]))
        for n in range(1, 14):
            seed(
                bytes([1])
                + ready
                + bytes([fault, n, begin | later, how, say | later, 1 + n % 2, 2, begin | later, how, end | 8 | 16 | later])
            )
        seed(bytes([1]) + ready + bytes([begin, how] * 6 + [end | 8 | later, begin, how, end]))
        seed(
            bytes([1])
            + ready
            + bytes([begin, how] * 20 + [take | later, take | later, take, end | 8 | 16 | later, begin, how, begin, 0x80])
        )
    for order in ([begin, 0x80], [begin, 0xC0]):
        seed(bytes([1] + order) + ready + bytes(order))
        seed(bytes([1, end | 8 | later] + order + [later | end]))
    seed(bytes([1, begin | later, 0, end | 8 | 16 | later, begin, 0]))
    seed(bytes([1]) + ready + bytes([end | 16, end, end | 16]))
    seed(bytes([1]) + ready + bytes([begin | later, 0xFF] * 6 + [end | 8 | 16 | later, begin, 0]))
    for n in range(1, 8):
        seed(bytes([1, fault, n]) + ready + bytes([end, begin | later, 3]))


def vhost_seeds():
    fd1, sensible, event, raw, version, ack = 1, 0x20, 0x40, 0x10, 1, 8
    sizes = {2: 8, 16: 8, 8: 8, 10: 8, 11: 8, 12: 8, 13: 8, 14: 8, 18: 8, 9: 40, 37: 40, 38: 40, 5: 40, 24: 20, 25: 20}

    def msg(request, shape=version, fds=0, payload=None):
        n = sizes.get(request, 0)
        return bytes([request, shape, fds]) + (b"\0" * n if payload is None and not shape & raw else payload or b"")

    def u64(value):
        return struct.pack("<Q", value)

    def state(index, num):
        return struct.pack("<II", index, num)

    def region(gpa, size, uva, offset):
        return struct.pack("<QQQQQ", 0, gpa, size, uva, offset)

    features = msg(16, payload=u64(0x8209))
    start = bytes([0]) + msg(3) + features + msg(2, payload=u64(0x170000000)) + msg(5, version | sensible, 1)
    rings = b"".join(
        msg(8, payload=state(i, 64))
        + msg(9, version | sensible, i << 2)
        + msg(10, payload=state(i, 0))
        + msg(12, version | event, 1, u64(i))
        + msg(13, version | event, 1, u64(i))
        + msg(14, version | event, 1, u64(i))
        + msg(18, payload=state(i, 1))
        for i in range(2)
    )
    seed(start + rings + msg(13, version | event, 1, u64(0)) + msg(11, payload=state(0, 0)) + msg(11, payload=state(1, 0)))
    seed(start + rings + msg(37, version | sensible, 5) + msg(38, version | sensible, 5) + msg(4) + msg(3))
    for request in range(0, 42):
        for flags in (version, version | ack):
            for shape, fds, payload in (
                (0, 0, None),
                (0, 1, None),
                (sensible, 1, None),
                (event, 1, None),
                (raw, 0, b"\x04abcd"),
                (raw, 3, b"\x28" + b"\xff" * 40),
                (0, 15, None),
                (raw, 0, b"\0"),
                (0, 0, b"\xff" * 40),
                (event, 1, b"\xff" * 40),
                (event, 0, u64(0x100)),
                (event, 1, u64(0x100)),
                (event, 0, state(1, 1)),
                (0, 0, state(0, 0x10000)),
                (0, 0, state(0, 3)),
                (0, 0, state(5, 64)),
            ):
                seed(start + msg(request, flags | shape, fds, payload))
    for request in (8, 9, 10, 12, 13, 14, 18):
        seed(start + rings + msg(request, version | ack, 0, state(0, 64) + b"\0" * (sizes[request] - 8)))
        seed(start + rings + msg(request, version | event, 1, state(0, 64) + b"\0" * (sizes[request] - 8)))
    big = 0x20000
    for flags in (version, version | ack):
        for bad in (
            (0, 0, 0x100000, 0),
            (1 << 20, 2**64 - 1, 1 << 30, 0),
            (1 << 20, big, 2**64 - 16, 0),
            (1 << 20, 4096, 1 << 30, 2**64 - 16),
            (1 << 20, 4096, 1 << 30, 8),
            (16, big, 1 << 30, 0),
            (1 << 30, big, 0x100010, 0),
            (1 << 30, 4 * big, 1 << 31, 0),
            (1 << 30, big, 1 << 31, 2 * big),
            (1 << 30, 4096, 1 << 31, 16),
        ):
            seed(start + msg(37, flags, 1, region(*bad)))
            seed(start + msg(38, flags, 1, region(*bad)))
            seed(start + msg(5, flags | raw, 1, b"\x28" + struct.pack("<II", 1, 0) + region(*bad)[8:]))
    seed(
        start
        + b"".join(msg(37, version, 1, region((1 << 30) + i * big, 4096, (1 << 40) + i * big, 0)) for i in range(520))
        + msg(38, version, 1, region((1 << 30), 4096, 1 << 40, 0))
    )
    seed(
        start
        + msg(
            5,
            version | raw,
            2,
            b"\x48" + struct.pack("<II", 2, 0) + region(0, 4096, 1 << 30, 0)[8:] + region(4096, 4096, (1 << 30) + 4096, 4096)[8:],
        )
    )
    seed(
        start
        + msg(
            5,
            version | raw,
            2,
            b"\x48" + struct.pack("<II", 2, 0) + region(0, 4096, 1 << 30, 0)[8:] + region(0, 4096, 1 << 31, 4096)[8:],
        )
    )
    for n in range(1, 12):
        fault = bytes([0xFE, n, 0])
        seed(start + fault + msg(37, version | sensible, 5))
        seed(start[:1] + fault + start[1:] + rings)
        seed(start + fault + rings)
    for offset, size in ((0, 8), (4, 4), (8, 0), (9, 0), (0, 9), (0, 255)):
        seed(start + msg(24, version, 0, struct.pack("<III", offset, size, 0) + b"\0" * 8))
    whole = b"".join(struct.pack("<III", r, 1, 0) for r in (3, 1, 15, 17, 36)) + struct.pack("<III", 99, 1, 0)
    for step in (0x1F, 0x5F, 0x02):
        seed(
            bytes([1])
            + b"".join(bytes([step]) + whole[i : i + (step & 0x3F) + 1] for i in range(0, len(whole), (step & 0x3F) + 1))
        )


def console_seeds():
    for size, step in ((0, 0), (10, 1), (255, 20)):
        for text in (
            b"a line\n",
            b"\x1b[31mred\x1b[0m\r\n",
            b"x" * 700,
            b"\n\n\n",
            b"\0\7\x7f\tx\n",
            b"\xc2\x85\xff\n",
            b"one\ntwo\nthree",
        ):
            seed(bytes([size, step]) + text * 3)


MAKERS = {
    "fuzz-ttrpc-message": pb_seeds,
    "fuzz-ttrpc-frame": frame_seeds,
    "fuzz-qmp": qmp_seeds,
    "fuzz-vhost-user": vhost_seeds,
    "fuzz-console": console_seeds,
}
