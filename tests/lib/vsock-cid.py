#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""vsock-cid.py hold CID: takes a context id as a VM does, says so and keeps it until it is ended.
vsock-cid.py taken CID ...: exit status 1, and which, when one of them can be taken."""
import errno
import fcntl
import os
import struct
import sys
import time

VHOST_VSOCK_SET_GUEST_CID = 0x4008AF60


def take(cid):
    device = os.open("/dev/vhost-vsock", os.O_RDWR)
    fcntl.ioctl(device, VHOST_VSOCK_SET_GUEST_CID, struct.pack("Q", int(cid)))
    return device


def taken(cid):
    try:
        os.close(take(cid))
    except OSError as error:
        if error.errno == errno.EADDRINUSE:
            return True
        raise
    print(f"CID {cid} is nobody's")
    return False


if sys.argv[1] == "hold":
    take(sys.argv[2])
    print("held", flush=True)
    time.sleep(1000)
else:
    sys.exit(0 if all([taken(cid) for cid in sys.argv[2:]]) else 1)
