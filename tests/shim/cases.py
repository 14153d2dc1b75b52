# SPDX-License-Identifier: Apache-2.0
"""cases.py NAME: one test of the shim's ttrpc interface in the current directory. Fails by an assertion."""
import concurrent.futures
import json
import os
import signal
import socket
import subprocess
import sys

import wire
from shim import BUILD, CREATED, PAUSED, RUNNING, SANDBOX, STOPPED, Shim, make_bundle, pids_of
from wire import Closed, Connection, first, frame, msg, parse, text

HERE = os.getcwd()


def info():
    """What the shim tells a containerd of itself: mounts that it makes itself, what it knows of the specification."""
    done = subprocess.run([os.path.join(BUILD, "containerd-shim-kata-v2"), "-info"], stdin=subprocess.DEVNULL,
                          stdout=subprocess.PIPE, check=True)
    mounts, features = first(done.stdout, 5), first(done.stdout, 4)
    assert (text(mounts, 1), text(mounts, 2)) == ("containerd.io/runtime-allow-mounts", "mkdir/*,format/*,erofs")
    assert text(features, 1) == "types.containerd.io/opencontainers/runtime-spec/1/features/Features"
    known = json.loads(text(features, 2))
    assert "rro" in known["mountOptions"]
    assert known["linux"]["mountExtensions"]["idmap"]["enabled"] is False


def garbage():
    """What is no ttrpc ends its own connection; what is a bad call is told so, and its connection lives."""
    with Shim(HERE, "garbage", ["sleep", "1000"]) as shim:
        bad = Connection(shim.address)
        bad.socket.sendall(b"GET / HTTP/1.1\r\n\r\n" * 10)
        try:
            while True:
                bad.read_frame()
        except Closed:
            pass
        for part in (b"\0", frame(1, wire.REQUEST, b"x" * 100)[:50], frame(1, wire.RESPONSE, b"")):
            cut = Connection(shim.address)
            cut.socket.sendall(part)
            cut.close()
        conn = Connection(shim.address)
        shim.fails(wire.UNIMPLEMENTED, "Fly", conn=conn, words="Fly")
        shim.fails(wire.UNIMPLEMENTED, "State", conn=conn, service="containerd.task.v9.Task")
        shim.fails(wire.INVALID_ARGUMENT, "State", b"\x0a\x7f", conn=conn)
        shim.fails(wire.INVALID_ARGUMENT, "Create", msg((1, "../up"), (2, "/b")), conn=conn)
        shim.fails(wire.NOT_FOUND, "State", msg((1, "none")), conn=conn, words="none")
        # Too long: refused by its header, the rest is thrown away, the connection goes on.
        conn.socket.sendall(frame(1001, wire.REQUEST, b"\0" * ((4 << 20) + 1)))
        assert conn.receive(1001).code == wire.RESOURCE_EXHAUSTED
        conn.socket.sendall(frame(1002, wire.REQUEST, wire.request(shim.service, "Connect")))
        assert conn.receive(1002).code == wire.INVALID_ARGUMENT, "an even stream id"
        conn.socket.sendall(frame(1003, wire.REQUEST, b"\xff\xff"))
        assert conn.receive(1003).code == wire.INVALID_ARGUMENT, "no request"
        conn.socket.sendall(frame(1005, wire.DATA, b"x"))
        assert conn.receive(1005).code == wire.INVALID_ARGUMENT, "data of no stream"
        for byte in frame(1007, wire.REQUEST, wire.request(shim.service, "Connect", msg((1, shim.id)))):
            conn.socket.sendall(bytes([byte]))
        assert first(conn.receive(1007).payload, 1) == shim.pid
        conn.close()
        shim.ok("Connect", msg((1, shim.id)))
        shim.shutdown()


def lost_create():
    """containerd is restarted while a container is made: what it kills then ends as soon as it is made."""
    with Shim(HERE, "lost", ["sleep", "1000"]) as shim:
        name, lost = msg((1, shim.id)), Connection(shim.address)
        lost.send(shim.service, "Create", shim.create_request())
        wire.wait_until(lambda: shim.call("State", name).code == wire.OK, "the container")
        lost.close()
        assert not pids_of(shim.ok("Pids", name)), "containerd would not clean up"
        shim.ok("Kill", msg((1, shim.id), (3, int(signal.SIGKILL))))
        assert first(shim.ok("Wait", name), 1) == 128 + signal.SIGKILL
        shim.events.wait("/tasks/exit", shim.id)
        shim.ok("Delete", name)
        shim.shutdown()


def slow_reader():
    """One that sends much and reads nothing harms only itself, and loses nothing."""
    with Shim(HERE, "slow", ["sleep", "1000"]) as shim:
        lazy = Connection(shim.address)
        lazy.socket.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        lazy.socket.settimeout(1)
        data, sent, stream = b"", 0, 1
        try:
            while stream < 40000:
                data = frame(stream, wire.REQUEST, wire.request(shim.service, "State", msg((1, "n" * 400))))
                sent = 0
                while sent < len(data):
                    sent += lazy.socket.send(data[sent:])
                stream += 2
        except socket.timeout:
            pass
        assert 100 < stream < 40000, "it is read from without end"
        before = shim.usage()
        for _ in range(20):
            shim.ok("Connect", msg((1, shim.id)))
        lazy.socket.settimeout(wire.PATIENCE)
        seen = set()
        while len(seen) < stream // 2:
            got, _, _ = lazy.read_frame()
            assert got not in seen
            seen.add(got)
        lazy.socket.sendall(data[sent:])
        lazy.read_frame()
        assert lazy.call(shim.service, "Connect", msg((1, shim.id))).code == wire.OK
        lazy.close()
        assert shim.usage()[0] <= before[0], "descriptors stay"
        shim.shutdown()


def reconnects():
    """Clients come and go in the middle of calls, the event service too; a Wait of one that has gone is forgotten."""
    with Shim(HERE, "again", ["sleep", "1000"], hang_up_first=True) as shim:
        shim.create()
        shim.ok("Start", msg((1, shim.id)))
        before = shim.usage()
        for _ in range(50):
            conn = Connection(shim.address)
            for method in ("Wait", "State", "Stats"):
                conn.send(shim.service, method, msg((1, shim.id)))
            conn.close()
        conn = Connection(shim.address)
        assert shim.state(conn=conn) == RUNNING
        waiting = conn.send(shim.service, "Wait", msg((1, shim.id)))
        assert shim.finish() == 137
        assert first(conn.receive(waiting).payload, 1) == 137
        shim.events.wait("/tasks/delete", shim.id)
        assert shim.events.topics() == ["/tasks/create", "/tasks/start", "/tasks/exit", "/tasks/delete"]
        assert shim.events.refused == 1, "the first event was not sent again"
        conn.close()
        wire.wait_until(lambda: shim.usage()[0] <= before[0], "descriptors flat: %d" % before[0])
        shim.shutdown()


def silent_config():
    """A guest whose first process never listens: busybox, asleep."""
    root = os.path.join(HERE, "initrd")
    os.makedirs(root + "/bin")
    with open(root + "/init", "w", encoding="utf-8") as f:
        f.write("#!/bin/busybox sh\nexec /bin/busybox sleep 100000\n")
    os.chmod(root + "/init", 0o755)
    busybox = next(p for p in ("/bin/busybox", "/usr/bin/busybox") if os.path.exists(p))
    assert os.system("cp %s %s/bin/busybox && cd %s && find . | cpio -o -H newc --quiet > %s/initrd.img"
                     % (busybox, root, root, HERE)) == 0
    with open(BUILD + "/configuration.toml", encoding="utf-8") as f:
        lines = [line for line in f if not line.startswith("initrd")]
    lines.insert(lines.index("[hypervisor.qemu]\n") + 1, 'initrd = "%s/initrd.img"\n' % HERE)
    with open(HERE + "/silent.toml", "w", encoding="utf-8") as f:
        f.writelines(lines)
    return HERE + "/silent.toml"


def silent_guest():
    """The agent never comes: Create ends by its deadline, all else is answered meanwhile, Shutdown ends the wait."""
    with Shim(HERE, "silent", ["true"], config=silent_config()) as shim:
        create = shim.conn.send(shim.service, "Create", shim.create_request(), timeout=3)
        conn = Connection(shim.address)
        shim.fails(wire.NOT_FOUND, "State", msg((1, shim.id)), conn=conn)
        assert first(shim.ok("Connect", msg((1, shim.id)), conn=conn), 1) == shim.pid
        shim.fails(wire.NOT_FOUND, "Stats", msg((1, shim.id)), conn=conn)
        second = conn.send(shim.service, "Create", shim.create_request("other"), timeout=2)
        wire.wait_until(lambda: shim.children("qemu"), "QEMU")
        answer = conn.receive(second)
        assert answer.code == wire.DEADLINE_EXCEEDED, answer.words
        answer = shim.conn.receive(create)
        assert answer.code == wire.DEADLINE_EXCEEDED, answer.words
        third = conn.send(shim.service, "Create", shim.create_request("third"))
        # Nobody has to wait for the end of the start's own time.
        shim.ok("Shutdown", msg((1, shim.id), (2, True)), timeout=20)
        answer = conn.receive(third)
        assert answer.code not in (wire.OK, wire.DEADLINE_EXCEEDED), answer.code
        wire.wait_until(lambda: not os.path.exists("/proc/%d" % shim.pid), "the end of the shim")


def stopped_guest():
    """A guest that answered once and then no more: every call ends by its own deadline."""
    with Shim(HERE, "stopped", ["sleep", "1000"]) as shim:
        name = msg((1, shim.id))
        shim.create()
        shim.ok("Start", name)
        qemu = shim.children("qemu")[0]
        os.kill(qemu, signal.SIGSTOP)
        try:
            resources = wire.any_of("types.containerd.io/opencontainers/runtime-spec/1/LinuxResources",
                                    '{"pids":{"limit":100}}')
            shim.add_exec("e1", ["true"])  # asks nothing of the guest
            pending = {}
            for method, payload in (("Stats", name), ("Wait", name), ("Kill", msg((1, shim.id), (3, 15))),
                                    ("Pause", name), ("Update", msg((1, shim.id), (2, resources))),
                                    ("Start", msg((1, shim.id), (2, "e1"))),
                                    ("ResizePty", msg((1, shim.id), (3, 80), (4, 24)))):
                pending[method] = shim.conn.send(shim.service, method, payload, timeout=1.5)
            conn = Connection(shim.address)
            assert shim.state(conn=conn) == RUNNING
            assert shim.state(conn=conn, exec_id="e1") == CREATED
            assert pids_of(shim.ok("Pids", name, conn=conn))
            shim.ok("Connect", name, conn=conn)
            codes = {method: shim.conn.receive(stream).code for method, stream in pending.items()}
            assert codes.pop("ResizePty") != wire.OK, "it has no terminal"
            assert set(codes.values()) == {wire.DEADLINE_EXCEEDED}, codes
            conn.close()
        finally:
            os.kill(qemu, signal.SIGCONT)
        # TERM was on its way; the first process of a container ignores it.
        assert shim.finish() == 137
        shim.shutdown()


def every_method(version):
    """The life of a container, each method once, and what each answers."""
    with Shim(HERE, "v%d" % version, ["sh", "-c", "echo up; read x; exec sleep 1000"], version=version) as shim:
        name, ev = msg((1, shim.id)), shim.events
        assert first(shim.create(), 1) > 0
        shim.fails(wire.ALREADY_EXISTS, "Create", shim.create_request())
        assert shim.state() == CREATED
        pid = first(shim.ok("Start", name), 1)
        state = shim.ok("State", name)
        assert (text(state, 1), text(state, 2)) == (shim.id, shim.bundle)
        assert (first(state, 3), first(state, 4)) == (pid, RUNNING)
        out = os.path.join(HERE, shim.id + ".out")
        assert (text(state, 5), text(state, 6), text(state, 7)) == ("", out, out)
        connect = shim.ok("Connect", name)
        assert (first(connect, 1), first(connect, 2)) == (shim.pid, pid)
        wire.wait_until(lambda: "up" in shim.output(), "output")
        shim.ok("CloseIO", msg((1, shim.id), (3, True)))
        shim.fails(wire.FAILED_PRECONDITION, "Delete", name)
        assert pid in pids_of(shim.ok("Pids", name))
        shim.add_exec("listed", ["sleep", "1000"])
        assert len(pids_of(shim.ok("Pids", name))) == 1, "it does not run yet"
        shim.ok("Start", msg((1, shim.id), (2, "listed")))
        listed = parse(shim.ok("Pids", name))[1]
        assert len(listed) == 2, listed
        assert text(listed[1], 2, 1) == "containerd.runc.v1.ProcessDetails", listed
        assert b"listed" in listed[1], listed
        shim.ok("Kill", msg((1, shim.id), (2, "listed"), (3, 9)))
        shim.ok("Wait", msg((1, shim.id), (2, "listed")))
        shim.ok("Delete", msg((1, shim.id), (2, "listed")))
        assert len(pids_of(shim.ok("Pids", name))) == 1
        # An exec with a terminal, and one that fails.
        shim.add_exec("tty", ["sh", "-c", "sleep 0.3; stty size; exit 7"], terminal=True)
        shim.fails(wire.ALREADY_EXISTS, "Exec", msg((1, shim.id), (2, "tty"), (7, wire.any_of("x", "{}"))))
        exec_name = msg((1, shim.id), (2, "tty"))
        shim.ok("ResizePty", msg((1, shim.id), (2, "tty"), (3, 99), (4, 33)))
        shim.ok("Start", exec_name)
        assert first(shim.ok("Wait", exec_name), 1) == 7
        assert "33 99" in shim.output("tty"), shim.output("tty")
        assert shim.state(exec_id="tty") == STOPPED
        assert first(shim.ok("Delete", exec_name), 2) == 7
        shim.fails(wire.NOT_FOUND, "State", exec_name)
        shim.add_exec("none", ["/no/such/program"])
        answer = shim.call("Start", msg((1, shim.id), (2, "none")))
        assert answer.code != wire.OK and "/no/such/program" in answer.words, answer.words
        shim.ok("Pause", name)
        assert shim.state() == PAUSED
        assert shim.call("Pause", name).code != wire.OK
        shim.ok("Resume", name)
        resources = '{"memory":{"limit":268435456},"pids":{"limit":321}}'
        shim.ok("Update", msg((1, shim.id), (2, wire.any_of(
            "types.containerd.io/opencontainers/runtime-spec/1/LinuxResources", resources))))
        check_stats(shim, name)
        shim.fails(wire.UNIMPLEMENTED, "Checkpoint", name, words="not supported")
        shim.ok("Shutdown", name)  # says nothing while there are containers
        assert shim.finish() == 137
        shim.fails(wire.NOT_FOUND, "State", name)
        exit_event = ev.wait("/tasks/exit", shim.id)
        assert (text(exit_event.data, 1), first(exit_event.data, 3), first(exit_event.data, 4)) == (shim.id, pid, 137)
        ev.wait("/tasks/delete", shim.id)
        assert ev.topics(shim.id) == ["/tasks/create", "/tasks/start", "/tasks/paused", "/tasks/resumed", "/tasks/exit",
                                      "/tasks/delete"], ev.topics()
        assert ev.topics("listed") == ["/tasks/exec-added", "/tasks/exec-started", "/tasks/exit"], ev.topics()
        assert ev.topics("tty") == ["/tasks/exec-added", "/tasks/exec-started", "/tasks/exit"], ev.topics()
        shim.shutdown()


def metrics_of(stats):
    """Memory in use, its limit, processes allowed, interfaces, in either version of the message."""
    kind, data = text(stats, 1), first(stats, 2)
    if kind == "io.containerd.cgroups.v2.Metrics":
        return first(data, 4, 32), first(data, 4, 33), first(data, 1, 2), parse(data).get(9, [])
    assert kind == "io.containerd.cgroups.v1.Metrics", kind
    return first(data, 4, 33, 2), first(data, 4, 33, 1), first(data, 2, 2), parse(data).get(7, [])


def check_stats(shim, name):
    stats = first(shim.ok("Stats", name), 1)
    v2 = os.path.exists("/sys/fs/cgroup/cgroup.controllers")
    assert text(stats, 1) == "io.containerd.cgroups.v%d.Metrics" % (2 if v2 else 1)
    usage, limit, pids, _ = metrics_of(stats)
    assert usage > 50000, usage
    # What the VM itself needs is on top.
    assert limit == 256 << 20, limit
    assert pids == 321, pids


def task_v2():
    every_method(2)


def task_v3():
    every_method(3)


def sandbox_api():
    """A pod without a pause container, in a network namespace with one interface; Task v3 inside."""
    netns = sys.argv[2]
    with Shim(HERE, "pod", version=3) as shim:
        pod_events = shim.events
        shim.netns = netns
        shim.fails(wire.NOT_FOUND, "SandboxStatus", msg((1, shim.id)), service=SANDBOX)
        shim.sandbox("CreateSandbox", (2, shim.bundle), (5, netns))
        shim.fails(wire.ALREADY_EXISTS, "CreateSandbox", msg((1, shim.id), (2, shim.bundle)), service=SANDBOX)
        assert text(shim.sandbox("SandboxStatus"), 3) == "SANDBOX_NOTREADY"
        shim.fails(wire.FAILED_PRECONDITION, "Create", shim.create_request("c0", member(shim, "c0", ["true"])))
        platform = shim.sandbox("Platform")
        assert text(platform, 1, 1) == "linux"
        started = shim.sandbox("StartSandbox")
        assert first(started, 1) in shim.children("qemu")
        assert text(started, 3, 1) == "types.containerd.io/opencontainers/runtime-spec/1/Spec"
        spec = json.loads(first(started, 3, 2))
        assert {"type": "network", "path": netns} in spec["linux"]["namespaces"], spec
        assert spec["annotations"]["io.kubernetes.cri.container-type"] == "sandbox", spec
        shim.sandbox("PingSandbox")
        status = shim.sandbox("SandboxStatus", (2, True))
        assert (text(status, 1), text(status, 3)) == (shim.id, "SANDBOX_READY")
        assert first(status, 2) in shim.children("qemu")
        waiting = shim.conn.send(SANDBOX, "WaitSandbox", msg((1, shim.id)))
        assert run_member(shim, "c1", ["sh", "-c", "ip -o addr show dev eth0; exit 6"]) == 6
        assert "198.51.100.2/24" in shim.output("c1"), shim.output("c1")
        assert pod_events.topics("c1") == ["/tasks/create", "/tasks/start", "/tasks/exit", "/tasks/delete"]
        strangers(shim, netns)
        shared_memory(shim)
        network(shim)
        forwarded_ports(shim, os.path.basename(netns))
        shim.ok("Shutdown", msg((1, "c1")))  # containerd says so after each container; the pod goes on
        shim.sandbox("PingSandbox")
        out_of_memory(shim)
        shim.sandbox("StopSandbox", (2, 10))
        assert first(shim.conn.receive(waiting).payload, 1) == 0
        assert text(shim.sandbox("SandboxStatus"), 3) == "SANDBOX_NOTREADY"
        assert shim.call("PingSandbox", msg((1, shim.id)), service=SANDBOX).code != wire.OK
        shim.sandbox("StopSandbox")
        shim.sandbox("ShutdownSandbox")
        wire.wait_until(lambda: not os.path.exists("/proc/%d" % shim.pid), "the end of the shim")


def put_network(spec, path):
    for ns in spec["linux"]["namespaces"]:
        if ns["type"] == "network":
            ns["path"] = path


def member(shim, ident, args, edit=None):
    """As containerd makes it: in the pod's network namespace."""
    def edit_all(spec):
        put_network(spec, shim.netns)
        if edit:
            edit(spec)
    bundle = os.path.join(HERE, "bundle-" + ident)
    return make_bundle(bundle, args, {"io.kubernetes.cri.container-type": "container",
                                      "io.kubernetes.cri.sandbox-id": shim.id}, edit_all)


def strangers(shim, netns):
    """The annotations of a member open no VM to a container in another network namespace, or in a new one."""
    def leave_network(spec):
        spec["linux"]["namespaces"] = [ns if ns["type"] != "network" else {"type": "network"}
                                       for ns in spec["linux"]["namespaces"]]
    for ident, edit in (("stranger1", lambda spec: put_network(spec, netns + "-peer")), ("stranger2", leave_network)):
        shim.fails(wire.PERMISSION_DENIED, "Create", shim.create_request(ident, member(shim, ident, ["true"], edit)),
                   "container %s may not join sandbox %s" % (ident, shim.id))


def run_member(shim, ident, args, edit=None):
    name = msg((1, ident))
    shim.create(ident, member(shim, ident, args, edit))
    shim.ok("Start", name)
    status = first(shim.ok("Wait", name), 1)
    shim.ok("Delete", name)
    shim.events.wait("/tasks/delete", ident)
    return status


def join_ipc(spec):
    for ns in spec["linux"]["namespaces"]:
        if ns["type"] == "ipc":
            ns["path"] = "/proc/self/ns/ipc"


def shared_memory(shim):
    """Nobody has made the pod's /dev/shm on the host: containers that share its IPC share it all the same."""
    assert run_member(shim, "shm1", ["sh", "-c", "echo shared > /dev/shm/x"], join_ipc) == 0
    assert run_member(shim, "shm2", ["cat", "/dev/shm/x"], join_ipc) == 0, shim.output("shm2")
    assert run_member(shim, "shm3", ["cat", "/dev/shm/x"]) != 0, "it has an IPC namespace of its own"


def network(shim):
    """Bytes that the pod sends are counted where the client's host looks for them."""
    shim.create("net", member(shim, "net", ["sleep", "1000"]))
    shim.ok("Start", msg((1, "net")))
    assert shim.run_exec("ping", ["ping", "-c", "3", "-s", "1000", "198.51.100.1"], "net") == 0, shim.output("ping")
    _, _, _, interfaces = metrics_of(first(shim.ok("Stats", msg((1, "net"))), 1))
    by_name = {text(i, 1): i for i in interfaces}
    eth0 = by_name["eth0"]
    assert first(eth0, 2) > 3000 and first(eth0, 6) > 3000, (first(eth0, 2), first(eth0, 6))
    assert first(eth0, 3) >= 3 and first(eth0, 7) >= 3
    metric = first(shim.sandbox("SandboxMetrics"), 1)
    assert text(metric, 2) == shim.id
    usage, _, _, interfaces = metrics_of(first(metric, 3))
    assert usage > 50000 and "eth0" in [text(i, 1) for i in interfaces]
    shim.finish("net")


GET = b"GET /passwd HTTP/1.0\r\n\r\n"


def dial(netns, address, data=b""):
    """As PortForward does it: from inside of the namespace. Status, what came back and what socat says."""
    done = subprocess.run(["ip", "netns", "exec", netns, "timeout", "60", "socat", "-d", "-t", "30", "-", address],
                          input=data, stdout=subprocess.PIPE, stderr=subprocess.PIPE, check=False)
    return done.returncode, done.stdout, done.stderr


def forwarded_ports(shim, netns):
    """The namespace's loopback leads to listeners on the guest's, in either family; other addresses are left alone."""
    shim.create("web", member(shim, "web", ["sleep", "1000"]))
    shim.ok("Start", msg((1, "web")))
    shim.add_exec("v4", ["httpd", "-f", "-p", "127.0.0.1:8080", "-h", "/etc"], "web")
    shim.add_exec("v6", ["httpd", "-f", "-p", "[::1]:8081", "-h", "/etc"], "web")
    shim.add_exec("echo", ["nc", "-ll", "-p", "8082", "-e", "cat"], "web")
    for name in ("v4", "v6", "echo"):
        shim.ok("Start", msg((1, "web"), (2, name)))
    before = shim.usage()
    wire.wait_until(lambda: dial(netns, "TCP4:127.0.0.1:8082", b"x") [:2] == (0, b"x"), "the listener")
    for address in ("TCP4:127.0.0.1:8080", "TCP6:[::1]:8080", "TCP4:127.0.0.1:8081", "TCP6:[::1]:8081"):
        assert b"root:x:0" in dial(netns, address, GET)[1], address
    much = os.urandom(1 << 20)
    assert dial(netns, "TCP4:127.0.0.1:8082", much) [:2] == (0, much)
    with concurrent.futures.ThreadPoolExecutor(8) as pool:
        answers = list(pool.map(lambda _: dial(netns, "TCP4:127.0.0.1:8080", GET), range(24)))
    assert all(b"root:x:0" in out for _, out, _ in answers), answers
    assert b"reset" in dial(netns, "TCP4:127.0.0.1:9999")[2], "nobody listens there"
    assert b"refused" in dial(netns, "TCP4:127.0.0.11:8080")[2], "another address is not ours"
    wire.wait_until(lambda: shim.usage()[:2] == before[:2], "descriptors as before: %s" % (before,))
    shim.finish("web")


def limit_memory(spec):
    spec["linux"]["resources"]["memory"] = {"limit": 32 << 20}


def limit_memory_as_crio(spec):
    limit_memory(spec)
    spec["annotations"] = {"io.kubernetes.cri-o.ContainerType": "container",
                           "io.kubernetes.cri-o.SandboxID": spec["annotations"]["io.kubernetes.cri.sandbox-id"]}


def out_of_memory(shim):
    """TaskOOM, also when an exec was the glutton, and in the right order; the file that CRI-O looks for."""
    eat = "x=$(head -c 100000000 /dev/zero | tr '\\0' x); echo ${#x}"
    assert run_member(shim, "oom1", ["sh", "-c", "exec " + glutton()], limit_memory_as_crio) == 137
    assert os.path.exists(os.path.join(HERE, "bundle-oom1", "oom"))
    topics = shim.events.topics("oom1")
    assert topics.count("/tasks/oom") == 1 and topics.index("/tasks/oom") < topics.index("/tasks/delete"), topics
    shim.create("oom2", member(shim, "oom2", ["sleep", "1000"], limit_memory))
    shim.ok("Start", msg((1, "oom2")))
    assert shim.run_exec("eater", ["sh", "-c", eat], "oom2") != 0
    shim.events.wait("/tasks/oom", "oom2")
    assert not os.path.exists(os.path.join(HERE, "bundle-oom2", "oom"))
    shim.finish("oom2")


def hook_network():
    """A new network namespace that a hook fills, which finds it by the process number in the state: nerdctl, docker."""
    script = ("pid=$(jq .pid); ip link add kt%d type veth peer name eth0 netns $pid; nsenter --net=/proc/$pid/ns/net "
              "sh -c 'ip address add 198.51.100.9/24 dev eth0; ip link set eth0 up'" % os.getpid())
    hook = {"path": "/bin/sh", "args": ["sh", "-c", script], "env": ["PATH=" + os.environ["PATH"]]}

    def edit(spec):
        spec["hooks"] = {"createRuntime": [hook]}
    with Shim(HERE, "hook", ["sh", "-c", "ip -o address show dev eth0"], edit=edit) as shim:
        shim.create()
        shim.ok("Start", msg((1, shim.id)))
        assert first(shim.ok("Wait", msg((1, shim.id))), 1) == 0, shim.output()
        assert "198.51.100.9/24" in shim.output(), shim.output()
        shim.ok("Delete", msg((1, shim.id)))
        shim.shutdown()


def glutton():
    return "tail /dev/zero"


def killed():
    """delete cleans up after a shim that was killed, and runs the poststop hooks that it owed, each once."""
    said = os.path.join(HERE, "poststop")

    def hook(spec):
        spec["hooks"] = {"poststop": [{"path": "/bin/sh", "args": ["sh", "-c", "cat >> %s; echo >> %s" % (said, said)]}]}

    def of_sandbox(spec):
        hook(spec)
        put_network(spec, sys.argv[2])
        spec["annotations"] = {"io.kubernetes.cri.container-type": "sandbox", "io.kubernetes.cri.sandbox-id": "killed"}

    def delete(ident, bundle):
        subprocess.run(shim.command[:-1] + [ident, "-bundle", bundle, "delete"], cwd=bundle, stdout=subprocess.DEVNULL,
                       timeout=wire.PATIENCE, check=True)

    with Shim(HERE, "killed", ["sleep", "1000"], edit=of_sandbox) as shim:
        shim.netns = sys.argv[2]
        shim.create()
        shim.ok("Start", msg((1, shim.id)))
        assert run_member(shim, "deleted", ["true"], hook) == 0
        bundle = member(shim, "left", ["sleep", "1000"], hook)
        shim.create("left", bundle)
        delete("left", bundle)  # by mistake: the shim lives
        os.kill(shim.pid, signal.SIGKILL)
        wire.wait_until(lambda: not os.path.exists("/proc/%d" % shim.pid), "the end of the shim")
        for _ in range(2):
            delete("left", bundle)
        for _ in range(2):
            delete(shim.id, shim.bundle)
    with open(said, encoding="utf-8") as f:
        states = [json.loads(line) for line in f.read().replace("\n", "").replace("}{", "}\n{").splitlines()]
    assert [(s["id"], s["status"]) for s in states] == [(i, "stopped") for i in ("deleted", "left", "killed")], states


def flat():
    """Execs leave nothing behind in the shim."""
    with Shim(HERE, "flat", ["sleep", "1000"]) as shim:
        shim.create()
        shim.ok("Start", msg((1, shim.id)))
        for i in range(5):
            assert shim.run_exec("w%d" % i, ["true"]) == 0
        before = shim.usage()
        for i in range(30):
            assert shim.run_exec("e%d" % i, ["sh", "-c", "exit 3"]) == 3
        wire.wait_until(lambda: shim.usage()[:2] == before[:2], "descriptors and threads as before: %s" % (before,))
        shim.finish()
        shim.shutdown()


if __name__ == "__main__":
    globals()[sys.argv[1]]()
