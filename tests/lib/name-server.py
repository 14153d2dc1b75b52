#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""name-server.py NETNS READY: answers A queries on 127.0.0.11:53 of a network namespace while it lives outside of it.

By UDP every answer is cut; by TCP it has 200 addresses, 10.53.0.1 and up. READY is made when it listens.
"""
import ctypes
import os
import select
import socket
import struct
import sys

ADDRESSES = b"".join(b"\xc0\x0c\0\1\0\1\0\0\0\1\0\4" + bytes([10, 53, 0, i]) for i in range(1, 201))


def enter(namespace):
    if ctypes.CDLL(None, use_errno=True).setns(namespace.fileno(), 0):
        raise OSError(ctypes.get_errno(), "setns")


def answer(query, cut):
    end = 12
    while query[end]:
        end += 1 + query[end]
    kind = struct.unpack_from(">H", query, end + 1)[0]
    records = b"" if cut or kind != 1 else ADDRESSES
    flags = 0x8180 | (0x0200 if cut else 0)
    return query[:2] + struct.pack(">HHHHH", flags, 1, len(records) // 16, 0, 0) + query[12:end + 5] + records


def exactly(conn, n):
    data = b""
    while len(data) < n:
        part = conn.recv(n - len(data))
        if not part:
            raise EOFError
        data += part
    return data


def serve(conn):
    with conn:
        try:
            while True:
                reply = answer(exactly(conn, struct.unpack(">H", exactly(conn, 2))[0]), False)
                conn.sendall(struct.pack(">H", len(reply)) + reply)
        except (EOFError, ConnectionError):
            pass


def listen():
    udp = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    tcp = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
    for sock in udp, tcp:
        sock.bind(("127.0.0.11", 53))
    tcp.listen()
    return udp, tcp


def main():
    with open("/proc/self/ns/net", "rb") as own, open(sys.argv[1], "rb") as namespace:
        enter(namespace)
        udp, tcp = listen()
        enter(own)
    os.close(os.open(sys.argv[2], os.O_CREAT | os.O_WRONLY, 0o644))
    while True:
        for sock in select.select([udp, tcp], [], [])[0]:
            if sock is tcp:
                serve(tcp.accept()[0])
            else:
                query, peer = udp.recvfrom(4096)
                udp.sendto(answer(query, True), peer)


main()
