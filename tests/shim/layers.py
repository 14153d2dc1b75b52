#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""layers.py FOLDER: root file systems of erofs layers, in the forms in which containerd's erofs snapshotter hands them
over; the guest stacks them. FOLDER is on a file system that has white-outs and trusted attributes."""
import hashlib
import os
import shutil
import subprocess
import sys

from shim import REPO, SANDBOX, Shim, make_bundle
from wire import OK, first, msg, wait_until

SCRIPT = """exec 2>&1; cat /etc/marker /dir/a /dir/b /chunked | cut -c1-60; xattr /etc/marker user.kind; echo $(ls /opaque)
ls /gone; grep ' / ' /proc/mounts; file-check /work && echo checked
echo changed > /etc/marker; rm /dir/a; mkdir /new && touch /new/x; echo $(cat /etc/marker; ls /dir /new); sync
echo $(ls /sys/block | grep -c vd) disks"""
EXPECTED = ["base", "two of a", "one of b", "c" * 60, "a kind", "new", "checked", "changed /dir: b /new: x"]


def run(*command):
    return subprocess.run(command, check=True, stdout=subprocess.PIPE, stderr=subprocess.STDOUT).stdout.decode()


def write(path, content):
    os.makedirs(os.path.dirname(path), exist_ok=True)
    with open(path, "w", encoding="utf-8") as f:
        f.write(content)


def make_layers(folder):
    """Files, the uppermost layer first."""
    trees = [os.path.join(folder, name) for name in ("base", "one", "two")]
    base, one, two = trees
    run(os.path.join(REPO, "tests/lib/make-bundle.sh"), os.path.join(folder, "busybox"), "true")
    os.rename(os.path.join(folder, "busybox/rootfs"), base)
    for tool in ("xattr", "file-check"):
        run("cc", "-static", "-O1", "-o", os.path.join(base, "bin", tool), os.path.join(REPO, "tests/lib", tool + ".c"))
    os.mkdir(os.path.join(base, "work"))
    for name, content in (("etc/marker", "base\n"), ("dir/a", "a\n"), ("dir/b", "b\n"), ("gone", "gone\n"),
                       ("opaque/old", "old\n")):
        write(os.path.join(base, name), content)
    os.setxattr(os.path.join(base, "etc/marker"), "trusted.kind", b"not for containers")
    os.setxattr(os.path.join(base, "etc/marker"), "user.kind", b"a kind")
    write(os.path.join(one, "dir/b"), "one of b\n")
    write(os.path.join(one, "dir/a"), "one of a\n")
    os.mknod(os.path.join(one, "gone"), 0o20000, os.makedev(0, 0))
    write(os.path.join(one, "opaque/new"), "new\n")
    os.setxattr(os.path.join(one, "opaque"), "trusted.overlay.opaque", b"y")
    write(os.path.join(two, "dir/a"), "two of a\n")
    write(os.path.join(two, "chunked"), "c" * 60 + "\n" + "." * 300000)
    files = []
    for tree in trees:
        image = tree + ".erofs"
        # What is merged has its data in files of its own.
        more = ["--blobdev=" + tree + ".blob", "--chunksize=4096"] if tree == two else ["-zlz4"]
        run("mkfs.erofs", "--quiet", *more, image, tree)
        files.append(image)
    return files[::-1]


def digests(files):
    found = {}
    for name in files:
        with open(name, "rb") as f:
            found[name] = hashlib.sha256(f.read()).hexdigest()
    return found


def mount(kind, source, *options):
    return (3, msg((1, kind), (2, source), *((4, option) for option in options)))


def lower(layers, blob):
    return [mount("erofs", name, "ro", "loop", *(["device=" + blob] if name == layers[0] else [])) for name in layers]


def in_file(image, layers, blob):
    """With default_size: the upper layer is an ext4 image."""
    with open(image, "wb") as f:
        f.truncate(16 << 20)
    run("mkfs.ext4", "-q", image)
    return [mount("ext4", image, "rw", "loop"), *lower(layers, blob),
            mount("format/mkdir/overlay", "overlay", "X-containerd.mkdir.path={{ mount 0 }}/upper:0755",
                  "X-containerd.mkdir.path={{ mount 0 }}/work:0755", "workdir={{ mount 0 }}/work",
                  "upperdir={{ mount 0 }}/upper", "lowerdir={{ overlay 1 %d }}" % len(layers))]


def in_memory(folder, layers, blob, name="fs"):
    """Without: it is a directory of the host, for other runtimes."""
    upper, work = os.path.join(folder, name), os.path.join(folder, "work")
    for path in (upper, work):
        os.makedirs(path, exist_ok=True)
    return [*lower(layers, blob), mount("format/mkdir/overlay", "overlay", "workdir=" + work, "upperdir=" + upper,
                                        "lowerdir={{ overlay 0 %d }}" % (len(layers) - 1), "index=off")]


def request(shim, ident, args, mounts, edit=None):
    bundle = make_bundle(os.path.join(shim.folder, "bundle-" + ident), args,
                         {"io.kubernetes.cri.container-type": "container", "io.kubernetes.cri.sandbox-id": shim.id}, edit)
    shutil.rmtree(os.path.join(bundle, "rootfs"))
    os.mkdir(os.path.join(bundle, "rootfs"))
    out = os.path.join(shim.folder, ident + ".out")
    os.close(os.open(out, os.O_CREAT | os.O_WRONLY, 0o600))
    return shim.create_request(ident, bundle, out) + msg(*mounts)


def start(shim, ident, script, mounts, edit=None):
    shim.ok("Create", request(shim, ident, ["sh", "-c", script.replace("\n", "; ")], mounts, edit))
    shim.ok("Start", msg((1, ident)))


def end(shim, ident):
    """Of a container that ends by itself: its lines."""
    assert first(shim.ok("Wait", msg((1, ident))), 1) == 0, shim.output(ident)
    shim.ok("Delete", msg((1, ident)))
    return shim.output(ident).splitlines()


def plugged(shim, folder):
    """Files of ours that the VM has open, each as often as it has."""
    names = []
    for pid in shim.children("qemu-system"):
        for fd in os.listdir("/proc/%d/fd" % pid):
            name = os.readlink("/proc/%d/fd/%s" % (pid, fd))
            if name.startswith(folder + "/") and name.rsplit(".", 1)[-1] in ("erofs", "blob", "img"):
                names.append(os.path.basename(name))
    return sorted(names)


def refused(shim, mounts, words):
    answer = shim.call("Create", request(shim, "refused", ["true"], mounts))
    assert answer.code != OK and words in answer.words, answer
    print(answer.words)
    shutil.rmtree(os.path.join(shim.folder, "bundle-refused"))
    os.unlink(os.path.join(shim.folder, "refused.out"))


def check(lines, disks):
    print("\n".join(lines))
    rest = list(lines)
    for line in EXPECTED:
        assert line in rest, line
        rest = rest[rest.index(line) + 1:]
    assert any("overlay / overlay rw" in line for line in lines), "what is the root?"
    assert not any(line.startswith("/gone") or "not ok" in line for line in lines)
    assert "%d disks" % disks in lines, "disks of the VM"


def main(folder):
    layers = make_layers(folder)
    blob = layers[0].replace(".erofs", ".blob")
    before = digests([*layers, blob])
    os.mkdir(os.path.join(folder, "more"))
    image, everything = os.path.join(folder, "rw.img"), {"base.erofs", "one.erofs", "two.blob", "two.erofs"}
    with Shim(folder, "layers", version=3) as shim:
        shim.sandbox("CreateSandbox", (2, shim.bundle))
        shim.sandbox("StartSandbox")
        start(shim, "stays", "cat /etc/marker; sleep 1000", in_memory(folder, layers, blob))
        once = plugged(shim, folder)
        assert set(once) == everything, once
        start(shim, "file", SCRIPT, in_file(image, layers, blob))
        check(end(shim, "file"), 5)
        start(shim, "memory", SCRIPT, in_memory(folder, layers, blob))
        check(end(shim, "memory"), 4)
        wait_until(lambda: plugged(shim, folder) == once, "one disk for each layer, however many have it")
        # Others of which no disk can be had any more: they are shared as files.
        more = [shutil.copy(name, os.path.join(folder, "more")) for name in [*layers, blob]]
        start(shim, "files", SCRIPT, in_memory(folder, more[:-1], more[-1]))
        check(end(shim, "files"), 4)
        assert shim.output("stays") == "base\n"
        assert os.listdir(os.path.join(folder, "fs")) == []

        def read_only(spec):
            spec["root"]["readonly"] = True
        # Views: one layer, and several that are merged into one.
        start(shim, "view", "exec 2>&1; cat /etc/marker; grep ' / ' /proc/mounts; touch /x", [lower(layers, blob)[2]], read_only)
        first(shim.ok("Wait", msg((1, "view"))), 1)
        print(shim.output("view"))
        assert shim.output("view").startswith("base\n") and " / erofs ro" in shim.output("view")
        shim.ok("Delete", msg((1, "view")))
        start(shim, "bound", "exec 2>&1; cat /etc/marker; grep ' / ' /proc/mounts",
              [lower(layers, blob)[2], mount("format/bind", "{{ mount 0 }}", "ro", "rbind")], read_only)
        assert "/ erofs ro" in "".join(end(shim, "bound"))

        write(os.path.join(folder, "used/left"), "left\n")
        refused(shim, in_memory(folder, layers, blob, "used"), "is not empty")
        verity = mount("erofs", layers[2], "ro", "loop", "X-containerd.dmverity=" + layers[2])
        refused(shim, [verity], "not supported in a VM: mount option X-containerd.dmverity")
        refused(shim, [mount("format/mkdir/overlay", "overlay", "lowerdir={{ mount 0 }}")], "cannot be filled in")
        refused(shim, [*lower(layers, blob), mount("format/overlay", "overlay", "lowerdir=/usr:{{ source 0 }}")],
                "cannot be filled in")
        refused(shim, [mount("erofs", layers[2] + ".no", "ro")], "No such file")
        refused(shim, [mount("erofs", os.path.join(folder, "used/left"), "ro")], "storage ")
        shim.finish("stays")
        wait_until(lambda: plugged(shim, folder) == [], "the end of the disks")
        shim.sandbox("StopSandbox")
        shim.ok("ShutdownSandbox", msg((1, shim.id)), service=SANDBOX)
    assert digests([*layers, blob]) == before, "the host's files have changed"
    assert "changed" in run("debugfs", "-R", "cat /upper/etc/marker", image)


main(*sys.argv[1:])
