#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""console-receiver.py SOCKET INPUT OUTPUT: what conmon does with --console-socket. Takes the terminal that arrives on
SOCKET, writes the file INPUT to it and copies what it says to the file OUTPUT until its other end closes."""
import array
import os
import socket
import sys

path, given, out = sys.argv[1:4]
listener = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
listener.bind(path)
listener.listen(1)
conn, _ = listener.accept()
fds = array.array("i")
_, ancillary, _, _ = conn.recvmsg(4096, socket.CMSG_LEN(4))
for level, kind, data in ancillary:
    if level == socket.SOL_SOCKET and kind == socket.SCM_RIGHTS:
        fds.frombytes(data[:4])
with open(given, "rb") as f:
    os.write(fds[0], f.read())
with open(out, "wb", buffering=0) as f:
    while True:
        try:
            data = os.read(fds[0], 4096)
        except OSError:
            break
        if not data:
            break
        f.write(data)
