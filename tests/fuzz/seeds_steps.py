# SPDX-License-Identifier: Apache-2.0
"""Conversations, as lists of steps of the fuzzers: the proxy with guest and clients, names, sockets of the host."""

import struct

from seedbox import seed


def vsock_seeds():
    scribble, give, send, connect, use, establish, restart, fault, hurry, come, watch, text = (
        0,
        1,
        3,
        5,
        6,
        7,
        9,
        10,
        12,
        13,
        14,
        15,
    )
    twice = 0x80
    request, response, rst, shutdown, rw, credit, ask = 1, 2, 3, 4, 5, 6, 7

    def be(value):
        return struct.pack(">H", value)

    def packet(op, port=0, flags=0, length=0, alloc=0x1000, fwd=0, odd=b"\0", head=0):
        return bytes([send | twice, head, op, port, flags]) + (be(length) if op == rw else b"") + be(alloc) + be(fwd) + odd

    def buffers(at=0, n=1, length=0x1000):
        return bytes([give | twice, at, n - 1]) + (be(0x8000) + be(length)) * n

    room = b"".join(buffers(i) for i in range(8))
    est = bytes([establish | twice, 0])
    for event_idx in (0, 1):
        begin = bytes([event_idx])
        base = begin + bytes([watch | 16])
        # The guest dials; bytes both ways; every end.
        for op in range(9):
            for flags in range(4):
                seed(
                    base
                    + est
                    + packet(op, 0, flags, 100)
                    + room
                    + packet(op, 0, flags, 100)
                    + bytes([use, 0x20])
                    + be(500)
                    + bytes([use, 0x18])
                    + packet(rst)
                )
            seed(base + packet(op, 0x85) + room)
            seed(
                base
                + packet(op, 0, odd=b"\xff\x02")
                + room
                + packet(op, 0, odd=b"\xfe\x05")
                + packet(op, 0, odd=b"\xfd\x00\x05", length=100)
            )
        # Clients dial: by descriptor and by the socket; the guest answers, refuses, is silent.
        for way in (bytes([connect | twice, 0]), None):
            for kind in (1, 9, 0x12):
                enter = (
                    bytes([connect | twice, 0, kind]) + (b"CONNECT 4294967295\nxxxxxxxxxxxxxxxx" if kind & 16 else b"")
                    if way
                    else bytes([come | twice, 0, text | twice, 0, 10])
                    + (b"CONNECT 7\n" if kind == 1 else b"CONNECT 7 wait\n"[:10] if kind == 9 else b"CONNECT 7 x\n"[:10])
                )
                if not way and kind != 1:
                    enter += bytes([text | twice, 0, 5]) + (b"wait\n" if kind == 9 else b"0 x\n\n")
                for answer in range(9):
                    seed(
                        base
                        + room
                        + enter
                        + packet(answer)
                        + room
                        + packet(rw, length=50)
                        + bytes([use, 0x20])
                        + be(50)
                        + packet(shutdown, flags=3)
                        + room
                    )
                    seed(base + enter + packet(answer) + packet(answer) + room)
                    seed(
                        base
                        + room
                        + enter
                        + packet(rst)
                        + bytes([hurry | 16])
                        + packet(rst)
                        + bytes([scribble | twice, 0, 0, 0] * 3)
                    )
                seed(base + bytes([hurry | 16]) + enter + bytes([scribble | twice, 0, 0, 0]) * 3)
                seed(base + room + bytes([hurry | 16]) + enter + bytes([scribble | twice, 0, 0, 0]) * 3)
                seed(
                    base
                    + room
                    + enter
                    + bytes([hurry | 16])
                    + packet(response)
                    + bytes([use, 0])
                    + room
                    + bytes([scribble | twice, 0, 0, 0]) * 3
                )
                seed(
                    base
                    + room
                    + enter
                    + packet(response)
                    + bytes([hurry | 16, use | twice, 0])
                    + room
                    + bytes([scribble | twice, 0, 0, 0]) * 3
                    + packet(rw, length=9)
                    + packet(shutdown, flags=1)
                    + packet(rst)
                )
                seed(base + room + enter + bytes([hurry | 16]) + packet(rst) + bytes([scribble | twice, 0, 0, 0] * 3))
                seed(base + enter + bytes([use | twice, 0]) + room)
                for n in range(0, 12):
                    seed(base + room + bytes([fault, n]) + enter + packet(response) + bytes([use, 0x20]) + be(9) + room)
                    seed(base + room + enter + bytes([fault, n]) + packet(response) + packet(rw, length=9))
                    seed(base + room + enter + bytes([fault, n]) + packet(rst))
                    seed(base + room + enter + packet(response) + bytes([fault, n, use | twice, 0]) + room)
        for word in (
            b"CONNECT\n",
            b"connect 1\n",
            b"CONNECT x\n",
            b"CONNECT 1\0\n",
            b"CONNECT " + b"1" * 40,
            b"CONN",
            b"CONNECT 1 later\n",
        ):
            seed(base + bytes([come | twice, 0, text | twice, 0, len(word)]) + word + bytes([text | twice, 0, 3]) + b"abc")
        seed(base + bytes([come, 0, come, 1, come, 2, come | twice, 3]) + est * 4 + bytes([connect, 0, 1, connect, 1, 1]))
        for head in (event_idx | 2, event_idx | 4, event_idx | 0xC, 0x10, 0x30, 0x40):
            seed(
                bytes([head])
                + est * 4
                + bytes([come | twice, 0, come | twice, 1, come | twice, 2])
                + packet(rw, length=60)
                + bytes([connect | twice, 3, 1, connect | twice, 2, 1])
            )
        for n in range(0, 24):
            seed(bytes([0x80, n]) + est)
            seed(base + bytes([hurry | 16, fault, n, come | twice, 0, scribble | twice, 0, 0, 0]))
        for n in range(0, 10):
            seed(base + bytes([fault, n]) + est + packet(rw, length=60) + packet(rst))
            seed(base + bytes([fault, n, come | twice, 0]) + bytes([scribble | twice, 0, 0, 0]) * 4)
            seed(base + est + bytes([fault, n]) + packet(shutdown, flags=3) + room)
            seed(base + est + bytes([fault, n]) + packet(rw, length=600) + bytes([use, 0x18]))
            seed(base + bytes([hurry | 16, fault, n]) + est + bytes([use | twice, 0]) + room)
        # A window that is full, a client that does not read, and goes.
        for n in (20, 60):
            seed(
                base
                + est
                + packet(rw, length=0x3FFF) * n
                + bytes([use, 0x18] * 4)
                + packet(shutdown, flags=3)
                + bytes([use, 0x18] * 4)
                + packet(rst)
            )
            seed(base + est + packet(rw, length=0x3FFF) * n + packet(rst) + bytes([use | twice, 0x18] * 6) + bytes([use, 0]))
            seed(base + est + packet(rw, length=0x3FFF) * n + bytes([use | twice, 8]) + bytes([use | twice, 0]) + packet(rst))
            seed(
                base
                + est
                + room
                + bytes([use, 0x20])
                + be(0x8000)
                + bytes([use, 0])
                + room
                + packet(shutdown, flags=1)
                + packet(rw, length=9)
                + packet(rst)
            )
        # Rings that are wrong: descriptor 0 of the transmit ring, its indirect tables, its indexes.
        tx = 0x4000

        def write(at, data):
            return b"".join(
                bytes([scribble]) + be(at + i) + bytes([len(data[i : i + 31])]) + data[i : i + 31]
                for i in range(0, len(data), 31)
            )

        def desc(addr, length, flags, nxt):
            return struct.pack("<QIHH", addr, length, flags, nxt)

        offer = write(tx + 0x1002, struct.pack("<HH", 1, 0)) + bytes([scribble | twice]) + be(tx + 1) + b"\0"
        for d in (
            desc(0x10000, 44, 1, 20),
            desc(0x10000, 44, 1, 0),
            desc(0x10000, 44, 4, 0),
            desc(0x1000, 16, 4, 0),
            desc(0x1000, 17, 4, 0),
            desc(0x1001, 16, 4, 0),
            desc(0x1000, 0, 4, 0),
            desc(0x1000, 16, 5, 0),
            desc(1 << 40, 16, 4, 0),
            desc(1 << 40, 44, 0, 0),
            desc(0x1BFF0, 0x2000, 0, 0),
            desc(0x10000, 44, 3, 1),
            desc(0x10000, 20, 0, 0),
            desc(0x1000, 16 * 2000, 4, 0),
            desc(0x1000, 64, 4, 0),
        ):
            for table in (
                desc(0x10000, 44, 0, 0),
                desc(0x10000, 44, 4, 0),
                desc(0x10000, 44, 1, 9),
                desc(0x10000, 44, 1, 0),
                desc(1 << 40, 44, 0, 0),
                desc(0x10000, 44, 3, 1) + desc(0x10000, 44, 1, 0),
            ):
                seed(base + write(0x1000, table) + write(tx, d + desc(0x10000, 44, 0, 0)) + offer)
                if d[12] != 4:
                    break
        seed(
            base
            + write(tx + 0x1002, struct.pack("<H", 100))
            + bytes([scribble | twice])
            + be(tx + 1)
            + b"\0"
            + bytes([restart | 16])
            + est
            + bytes([restart | 32])
            + est
            + bytes([restart | 16 | 32])
            + room
        )
        seed(base + write(0x1002, struct.pack("<H", 100)) + est + bytes([use, 0x20]) + be(50) + bytes([restart]) + est)
        seed(base + b"".join(packet(op % 9, 0x80 + op % 64) for op in range(200)))


def dns_seeds():
    later = 0x80

    def query(how, length, ident):
        return bytes([how]) + (struct.pack(">H", length) if how & 1 else bytes([length])) + struct.pack(">H", ident)

    guest, host, raw, ask, sink, ids, refuse = 0, 2, 4, 5, 6, 7, 15
    udp, tcp, named = 0x1B, 0x1F, 0x13
    for head in (b"\0", b"\1"):
        for kind in (0, 2):
            seed(
                head
                + bytes([guest | later])
                + query(kind | 4, 20, 1)
                + bytes([later | ids, later | ids, host | later])
                + query(kind, 30, 0)
                + bytes([sink | later] * 3)
            )
            seed(
                head
                + bytes([guest | later])
                + query(kind | 4, 20, 1)
                + bytes([later | ids] * 3 + [host | later])
                + query(kind, 0, 0)
                + bytes([sink | later] * 3)
            )
            seed(
                head
                + (bytes([guest]) + query(kind | 4, 20, 1)) * 70
                + bytes([later | ids] * 5)
                + (bytes([host | later]) + query(kind, 9, 0) + bytes([ids])) * 8
            )
            seed(head + bytes([guest | later]) + query(kind | 5, 60000, 1) + bytes([guest | later]) + query(kind | 5, 0, 1))
        seed(head + bytes([ask | later, 0x10, ids | later, host | later]) + query(0, 100, 0) + bytes([ask | later, 8, ask, 0]))
        seed(head + bytes([ask | later, 0x14, ids | later, host | later]) + query(2, 100, 0) + bytes([ask | later, 0x0C, ask, 4]))
        for words in (b"\0\x05names", b"\0\0", b"\xff\xff", b"\0\x05na", b"\0\x03abc\0\x03abc"):
            seed(
                head
                + bytes([ask | later, 0x1C, len(words)])
                + words
                + bytes([ask | later, 0x1C, len(words)])
                + words
                + bytes([ids | later, ids | later, host | later])
                + query(2, 5, 0)
                + bytes([ids | later, host | later])
                + query(2, 0, 0)
                + bytes([ask | later, 0x0C, ask | later, 4])
            )
        seed(
            head
            + b"".join(bytes([ask | later, 0x1C | i, 7]) + b"\0\x05names" + bytes([ask | later, 0x04 | i]) for i in range(4)) * 8
        )
        for n in range(3):
            seed(head + bytes([refuse, n]))
        for how in (0xFF, 0xFE, 0xFD):
            seed(head + bytes([guest | later]) + query(how, 100, 3) + bytes([host | later]) + query(how, 100, 3))
        for n in range(0, 24):
            fault = 0x40
            seed(bytes([2 | head[0], n]) + bytes([guest | later]) + query(4, 9, 1))
            for kind in (4, 6):
                seed(
                    head
                    + bytes([guest | fault | later, n])
                    + query(kind, 20, 1)
                    + bytes([ids | later] * 3 + [host | later])
                    + query(kind & 2, 30, 0)
                    + bytes([sink | later])
                )
                for failing in (
                    [ids | later | fault, n, ids | later, host | later],
                    [ids | later, ids | later, host | later | fault, n],
                ):
                    seed(
                        head
                        + bytes([guest | later])
                        + query(kind, 20, 1)
                        + bytes(failing)
                        + query(kind & 2, 30, 0)
                        + bytes([sink | later])
                    )
            seed(
                head
                + bytes([ask | later | fault, n, 0x1C, 7])
                + b"\0\x05names"
                + bytes([ids | later, ids | later, host | later])
                + query(2, 5, 0)
            )
            seed(
                head
                + bytes([ask | later, 0x1C, 7])
                + b"\0\x05names"
                + bytes([ids | later | fault, n, ids | later, host | later])
                + query(2, 5, 0)
            )
        seed(
            head
            + bytes([guest | later | 0x30])
            + query(4, 20, 1)
            + bytes([later | ids] * 3)
            + bytes([ask | later, 0x1C, 1, 0]) * 3
        )
        seed(head + bytes([0x30 | ask | later, 0x1C, 7]) + b"\0\x05names" + bytes([ids | later] * 4))
        seed(head + bytes([raw | 8 | later, 3]) + b"abc" + bytes([raw | later, 3]) + b"abc")


def socket_seeds():
    later, fault, hurry, end = 0x80, 0x40, 0x30, 0x20
    call, visit, client, accept, send, take, close, answer = range(8)
    come = bytes([client | later, 0])
    for ident in (0, 1, 2, 0x21, 0x41, 0xC1):
        for first in (b"", bytes([visit | later, 0]), bytes([visit | later, 0]) + come):
            seed(
                first
                + bytes([call | later, ident, accept | later, answer | later, 5])
                + b"hello"
                + bytes([send | 8 | 0x10 | later, 3])
                + b"abc"
                + bytes([close | 8 | later])
            )
            seed(
                first
                + come
                + bytes([visit | later, 0x40 | ident & 15, client | later, 0, 5])
                + b"hello"
                + bytes([take | later | 0x10, close | 0x10 | later, client | later, 4])
            )
            seed(first + come + bytes([send | later, 4, 0, 0, 0, ident, take, close | later, client | later, 4]))
    host = bytes([visit | later, 0])
    for n in range(0, 24):
        seed(host + bytes([answer | 0x48 | later, n, 0]) + come)
        seed(host + bytes([client | later | fault, n, 0]) + bytes([visit | later, 0x41, client, 4]))
        seed(host + come + bytes([visit | later | fault, n, 0x41, client | later, 0, 3]) + b"abc")
        seed(bytes([call | later | fault, n, 1, accept | later, answer | later, 2]) + b"ab")
        seed(bytes([call | later | fault | hurry, n, 1, accept | later]))
    seed(bytes([call | later | hurry, 1, accept | later]))
    seed(bytes([visit | later | hurry, 0x20, visit | later, 0]))
    seed(host + come * 4 + bytes([close | later]))
    seed(host + bytes([client | later, 0, client | later, 1, client | later, 2]) + host + bytes([visit | later, 0x21]))
    seed(bytes([call, 1]) * 40 + bytes([call | later, 2]) * 5)
    seed((bytes([call, 1, call, 2, call, 3, call | later, 4])) * 70)


MAKERS = {"fuzz-vsock": vsock_seeds, "fuzz-dns": dns_seeds, "fuzz-socket": socket_seeds}
