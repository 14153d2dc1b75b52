#!/usr/bin/python3 -ES
# SPDX-License-Identifier: Apache-2.0
"""Stands for QEMU or for kata-proxy: hands the descriptors that the shim gave it to the test, which plays both, and
stays until the shim ends it. The test listens on peer.sock beside this file, which is a copy."""
import array
import os
import re
import signal
import socket
import sys

ME = os.path.abspath(sys.argv[0])
LINE = " ".join(sys.argv)


def numbers(*patterns):
    return [int(re.search(pattern, LINE).group(1)) for pattern in patterns]


def main():
    if os.path.basename(ME) == "kata-proxy":
        fds = numbers(r"--listen-fd (\d+)", r"--vhost-fd (\d+)")
    else:
        fds = numbers(r"id=qmp,fd=(\d+)", r"id=console,fd=(\d+)")
    test = socket.socket(socket.AF_UNIX)
    test.connect(os.path.join(os.path.dirname(ME), "peer.sock"))
    test.sendmsg([b"%s %d" % (os.path.basename(ME).encode(), os.getppid())],
                 [(socket.SOL_SOCKET, socket.SCM_RIGHTS, array.array("i", fds))])
    for fd in fds:
        os.close(fd)
    while True:
        signal.pause()


main()
