#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""rootfs.py FOLDER KIND: root file systems that a snapshotter hands over as a mount of a disk or of an image file.

KIND is "shared" (the default configuration: mounted on the host) or "plugged" (disable_block_device_use = false)."""
import os
import subprocess
import sys

from shim import BUILD, Shim
from wire import first, msg, parse, text, wait_until

SCRIPT = "grep ' / ' /proc/mounts; cat /etc/marker; echo kept > /left; touch /x || echo cannot; echo end; exec sleep 1000"


def run(*command):
    return subprocess.run(command, check=True, stdout=subprocess.PIPE).stdout.decode().strip()


def make_image(folder, name, kind="ext4"):
    """An image with what a bundle's root file system has."""
    root, image = os.path.join(folder, "image-root"), os.path.join(folder, name)
    if not os.path.exists(root):
        run(os.path.join(os.path.dirname(__file__), "../lib/make-bundle.sh"), root, "true")
        with open(os.path.join(root, "rootfs/etc/marker"), "w", encoding="utf-8") as f:
            f.write("from the image\n")
    with open(image, "wb") as f:
        f.truncate(32 << 20)
    run("mkfs." + kind, "-q", "-d", os.path.join(root, "rootfs"), image)
    return image


def disk_bytes(stats):
    """What a container read and wrote, by either version of the message."""
    data = first(stats, 2)
    if text(stats, 1) == "io.containerd.cgroups.v2.Metrics":
        return sum(first(entry, 3) + first(entry, 4) for entry in parse(first(data, 6)).get(1, []))
    return sum(first(entry, 5) for entry in parse(first(data, 5)).get(1, []) if text(entry, 1) in ("Read", "Write"))


def start(folder, ident, config, mount):
    """A container whose root is that mount; gives its shim's answer to Create and what it printed."""
    with Shim(folder, ident, ["sh", "-c", SCRIPT], config=config) as shim:
        os.rename(os.path.join(shim.bundle, "rootfs"), os.path.join(shim.bundle, "unused"))
        os.mkdir(os.path.join(shim.bundle, "rootfs"))
        out = os.path.join(folder, ident + ".out")
        os.close(os.open(out, os.O_CREAT | os.O_WRONLY, 0o600))
        answer = shim.call("Create", shim.create_request(out=out) + msg((3, mount)))
        if answer.code:
            return answer.words
        opened = {os.readlink("/proc/%d/fd/%s" % (pid, fd)) for pid in shim.children("qemu-system")
                  for fd in os.listdir("/proc/%d/fd" % pid)}
        name = msg((1, ident))
        shim.ok("Start", name)
        wait_until(lambda: "end\n" in shim.output(), "the last words")
        counted = disk_bytes(first(shim.ok("Stats", name), 1))
        shim.finish()
        return "%sread and written: %d\n%s" % (
            shim.output(), counted, "\n".join(sorted(name for name in opened if name.startswith("/"))))


def main(folder, kind):
    config = os.path.join(folder, "configuration.toml")
    with open(os.path.join(BUILD, "configuration.toml"), encoding="utf-8") as f:
        settings = f.read()
    with open(config, "w", encoding="utf-8") as f:
        f.write(settings.replace("disable_block_device_use = true",
                             "disable_block_device_use = " + ("true" if kind == "shared" else "false")))
    image = make_image(folder, "disk.img")
    loop = run("losetup", "-f", "--show", image)
    try:
        got = start(folder, "disk-" + kind, config, msg((1, "ext4"), (2, loop), (4, "rw")))
        print(got)
        assert "from the image\nend\n" in got
        assert (" / ext4 " in got) == (kind == "plugged"), "who mounted it?"
        assert (loop in got) == (kind == "plugged"), "which QEMU has it open?"
        assert ("read and written: 0\n" in got) == (kind == "shared"), "counters of the disk"
        if kind == "plugged":
            got = start(folder, "disk-ro", config, msg((1, "ext4"), (2, loop), (4, "ro")))
            assert "cannot\nend" in got, got
    finally:
        run("losetup", "-d", loop)
    assert run("debugfs", "-R", "cat /left", image) == "kept"
    got = start(folder, "file-" + kind, config, msg((1, "ext4"), (2, image), (4, "loop"), (4, "rw")))
    if kind == "plugged":
        assert "from the image\nend\n" in got and image in got, got
    else:
        assert "which needs disable_block_device_use = false" in got, got


main(*sys.argv[1:])
