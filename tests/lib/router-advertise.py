#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Sends one IPv6 router advertisement (RFC 4861) to all nodes of a link, from this network namespace.

router-advertise.py INTERFACE LIFETIME [PREFIX VALID PREFERRED]...

LIFETIME is the router's as a default router in seconds, 0 for "not (any more)"; prefixes are /64 ones, on link, to make
addresses from.
"""

import ipaddress
import socket
import struct
import sys

ICMPV6_ROUTER_ADVERTISEMENT = 134
PREFIX_INFORMATION = 3
ON_LINK, AUTONOMOUS = 0x80, 0x40
ALL_NODES = "ff02::1"


def main():
    interface, lifetime = sys.argv[1], int(sys.argv[2])
    # The kernel fills the checksum in. No hop limit, no times: the host keeps its own.
    message = struct.pack("!BBHBBHII", ICMPV6_ROUTER_ADVERTISEMENT, 0, 0, 0, 0, lifetime, 0, 0)
    for prefix, valid, preferred in zip(*[iter(sys.argv[3:])] * 3):
        message += struct.pack("!BBBBIII", PREFIX_INFORMATION, 4, 64, ON_LINK | AUTONOMOUS, int(valid), int(preferred), 0)
        message += ipaddress.IPv6Address(prefix).packed
    index = socket.if_nametoindex(interface)
    with socket.socket(socket.AF_INET6, socket.SOCK_RAW, socket.IPPROTO_ICMPV6) as sock:
        sock.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_MULTICAST_HOPS, 255)
        sock.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_MULTICAST_IF, index)
        sock.sendto(message, (ALL_NODES, 0, 0, index))


main()
