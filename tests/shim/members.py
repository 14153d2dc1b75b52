#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""members.py FOLDER share|processes|shrink|cpus|fixed|local: containers of a pod that has no sandbox container share memory and, when
asked, processes; the pod's VM follows what they need, or does not when it is told; an emptyDir on a disk can be the
sandbox's own."""
import os
import sys

from shim import BUILD, RUNNING, SANDBOX, Shim, make_bundle
from wire import any_of, first, msg, wait_until


def member(shim, ident, args, mount=None, pid=None, memory=0, quota=0):
    """A member, created and started; gives its process number."""
    def edit(spec):
        if mount:
            spec["mounts"] = [m for m in spec["mounts"] if m["destination"] != mount["destination"]] + [mount]
        if memory:
            spec["linux"]["resources"]["memory"] = {"limit": memory << 20}
        if quota:
            spec["linux"]["resources"]["cpu"] = {"quota": quota, "period": 100000}
        if pid:
            for namespace in spec["linux"]["namespaces"]:
                if namespace["type"] == "pid":
                    namespace["path"] = "/proc/%d/ns/pid" % pid
    bundle = make_bundle(os.path.join(shim.folder, "bundle-" + ident), args,
                         {"io.kubernetes.cri.container-type": "container", "io.kubernetes.cri.sandbox-id": shim.id},
                         edit)
    number = first(shim.create(ident, bundle), 1)
    shim.ok("Start", msg((1, ident)))
    return number


def pin_pid(spec):
    spec["linux"]["namespaces"] = [n for n in spec["linux"]["namespaces"] if n["type"] != "pid"] + [
        {"type": "pid", "path": "/run/pinned/pidns"}]


def pinned(shim):
    """CRI-O names no number: in a pod of one container it is clear who is meant."""
    bundle = make_bundle(os.path.join(shim.folder, "bundle-pinned"), ["ps"], {
        "io.kubernetes.cri-o.ContainerType": "container", "io.kubernetes.cri-o.SandboxID": shim.id}, pin_pid)
    shim.create("pinned", bundle)
    shim.ok("Start", msg((1, "pinned")))
    assert first(shim.ok("Wait", msg((1, "pinned"))), 1) == 0
    assert "sleep 1111" in shim.output("pinned"), shim.output("pinned")
    shim.ok("Delete", msg((1, "pinned")))
    return bundle


def share(folder):
    # containerd names a tmpfs that it makes for sandboxes of its own only.
    missing = {"destination": "/dev/shm", "type": "bind", "source": os.path.join(folder, "no-such-shm"),
               "options": ["rbind", "rprivate"]}
    with Shim(folder, "members", version=3) as shim:
        shim.sandbox("CreateSandbox", (2, shim.bundle))
        shim.sandbox("StartSandbox")
        one = member(shim, "one", ["sh", "-c", "echo hello > /dev/shm/x; exec sleep 1111"], missing)
        bundle = pinned(shim)
        two = member(shim, "two", ["sh", "-c", "exec sleep 2222"], missing)
        assert one != two, "one number for two containers"
        answer = shim.call("Create", shim.create_request("pinned", bundle))
        assert "whose processes container pinned is to see" in answer.words, answer.words
        member(shim, "three", ["sh", "-c", "until cat /dev/shm/x; do sleep 0.1; done; df -k /dev/shm; ps"], missing, one)
        assert first(shim.ok("Wait", msg((1, "three"))), 1) == 0
        output = shim.output("three")
        print(output)
        assert "hello" in output and " 65536 " in output
        assert "sleep 1111" in output and "2222" not in output
        shim.sandbox("StopSandbox")
        shim.ok("ShutdownSandbox", msg((1, shim.id)), service=SANDBOX)


def processes(folder):
    """A pod whose containers share their processes outlives each of them."""
    with Shim(folder, "processes", version=3) as shim:
        shim.sandbox("CreateSandbox", (2, shim.bundle))
        pod = first(shim.sandbox("StartSandbox"), 1)
        member(shim, "one", ["sh", "-c", "sleep 1111 & exec sleep 1234"], pid=pod)
        member(shim, "two", ["sh", "-c", "(sleep 2222 &) ; exec sleep 2000"], pid=pod)
        # They are started in the background.
        wait = "until ps | grep -q 'sleep 222[2]' && ps | grep -q 'sleep 111[1]'; do sleep 0.1; done; ps"
        assert shim.run_exec("both", ["sh", "-c", wait], "two") == 0
        output = shim.output("both")
        print(output)
        assert all(words in output for words in (" pause", "sleep 1234", "sleep 2222")), "not shared"
        shim.finish("one")
        assert shim.state("two") == RUNNING
        assert shim.run_exec("left", ["ps"], "two") == 0
        output = shim.output("left")
        print(output)
        assert "sleep 1111" not in output, "a process of a container that is gone"
        assert "sleep 2222" in output
        member(shim, "three", ["sh", "-c", "kill -KILL 1; ps | grep '[s]leep 2000'"], pid=pod)
        assert first(shim.ok("Wait", msg((1, "three"))), 1) == 0
        shim.ok("Delete", msg((1, "three")))
        assert shim.state("two") == RUNNING
        shim.sandbox("StopSandbox")
        shim.ok("ShutdownSandbox", msg((1, shim.id)), service=SANDBOX)


def guest_memory(shim, exec_id):
    """MiB."""
    assert shim.run_exec(exec_id, ["grep", "MemTotal", "/proc/meminfo"], "small") == 0
    return int(shim.output(exec_id).split()[1]) >> 10


def configure(folder, **changes):
    """The configuration of the build with other values."""
    config = os.path.join(folder, "configuration.toml")
    with open(os.path.join(BUILD, "configuration.toml"), encoding="utf-8") as f:
        lines = f.read().splitlines()
    for key, value in changes.items():
        at = [i for i, line in enumerate(lines) if line.startswith(key + " = ")]
        lines[at[0]] = "%s = %s" % (key, value)
    with open(config, "w", encoding="utf-8") as f:
        f.write("\n".join(lines))
    return config


def shrink(folder):
    config = configure(folder, enable_virtio_mem="true", default_memory="128")
    with Shim(folder, "shrink", version=3, config=config) as shim:
        shim.sandbox("CreateSandbox", (2, shim.bundle))
        shim.sandbox("StartSandbox")
        member(shim, "small", ["sleep", "1000"], memory=32)
        before = guest_memory(shim, "before")
        member(shim, "large", ["sleep", "1000"], memory=512)
        wait_until(lambda: guest_memory(shim, "grown%d" % len(os.listdir(folder))) > 512, "more memory")
        shim.finish("large")
        wait_until(lambda: guest_memory(shim, "shrunk%d" % len(os.listdir(folder))) < before + 64, "less memory")
        shim.sandbox("StopSandbox")
        shim.ok("ShutdownSandbox", msg((1, shim.id)), service=SANDBOX)


def cpus(folder):
    """vCPUs are plugged and taken back; the quota is exact whatever number there is."""
    config = configure(folder, default_vcpus="1", default_maxvcpus="3")
    with Shim(folder, "cpus", version=3, config=config) as shim:
        def seen():
            exec_id = "see%d" % len(os.listdir(folder))
            assert shim.run_exec(exec_id, ["sh", "-c", "nproc; cat /sys/devices/system/cpu/online"], "small") == 0
            return shim.output(exec_id).split()

        def quota_of(ident):
            exec_id = "max%d" % len(os.listdir(folder))
            assert shim.run_exec(exec_id, ["cat", "/sys/fs/cgroup/cpu.max"], ident) == 0
            return shim.output(exec_id).split()[0]
        shim.sandbox("CreateSandbox", (2, shim.bundle))
        shim.sandbox("StartSandbox")
        member(shim, "small", ["sleep", "1000"], quota=30000)
        assert seen() == ["1", "0"], seen()
        member(shim, "large", ["sleep", "1000"], quota=230000)
        assert seen() == ["3", "0-2"], seen()
        assert (quota_of("small"), quota_of("large")) == ("30000", "230000")
        limits = any_of("types.containerd.io/opencontainers/runtime-spec/1/LinuxResources",
                        '{"cpu": {"quota": 150000, "period": 100000}}')
        shim.ok("Update", msg((1, "large"), (2, limits)))
        assert seen() == ["2", "0-1"], seen()
        assert quota_of("large") == "150000"
        shim.finish("large")
        assert seen() == ["1", "0"], seen()
        # In the same places again; more than the VM was made for is more than it gets, and is logged.
        member(shim, "huge", ["sleep", "1000"], quota=900000)
        assert seen() == ["3", "0-2"], seen()
        assert quota_of("huge") == "900000"
        shim.finish("huge")
        assert seen() == ["1", "0"], seen()
        shim.sandbox("StopSandbox")
        shim.ok("ShutdownSandbox", msg((1, shim.id)), service=SANDBOX)


def fixed(folder):
    config = configure(folder, static_sandbox_resource_mgmt="true", default_memory="128")
    with Shim(folder, "fixed", version=3, config=config) as shim:
        shim.sandbox("CreateSandbox", (2, shim.bundle))
        shim.sandbox("StartSandbox")
        member(shim, "small", ["sleep", "1000"], memory=32)
        before = guest_memory(shim, "before")
        member(shim, "large", ["sleep", "1000"], memory=512)
        assert guest_memory(shim, "after") == before
        shim.sandbox("StopSandbox")
        shim.ok("ShutdownSandbox", msg((1, shim.id)), service=SANDBOX)


def local(folder):
    """With a sandbox container, as containerd makes it by default: Task v2."""
    volume = os.path.join(folder, "pods/1/volumes/kubernetes.io~empty-dir/data")
    os.makedirs(volume)
    os.chown(volume, 0, 2000)
    os.chmod(volume, 0o2777)
    mount = {"destination": "/data", "type": "bind", "source": volume, "options": ["rbind", "rprivate", "rw"]}
    config = configure(folder, disable_guest_empty_dir="false")

    def be_sandbox(spec):
        spec["annotations"] = {"io.kubernetes.cri.container-type": "sandbox", "io.kubernetes.cri.sandbox-id": "local"}
        spec["root"]["readonly"] = True
    with Shim(folder, "local", ["sleep", "1000"], config=config, edit=be_sandbox) as shim:
        shim.create()
        shim.ok("Start", msg((1, shim.id)))
        member(shim, "one", ["sh", "-c", "echo hello > /data/x; stat -c '%a %g' /data"], mount)
        assert first(shim.ok("Wait", msg((1, "one"))), 1) == 0
        shim.ok("Delete", msg((1, "one")))
        assert shim.output("one") == "2777 2000\n", shim.output("one")
        member(shim, "two", ["cat", "/data/x"], mount)
        assert first(shim.ok("Wait", msg((1, "two"))), 1) == 0
        assert shim.output("two") == "hello\n", shim.output("two")
        shim.ok("Delete", msg((1, "two")))
        assert os.listdir(volume) == [], "it is on the host"
        assert os.path.exists(os.path.join(shim.bundle, "rootfs/local/data/x"))
        shim.finish()


{"cpus": cpus, "fixed": fixed, "local": local, "processes": processes, "share": share, "shrink": shrink}[sys.argv[2]](sys.argv[1])
