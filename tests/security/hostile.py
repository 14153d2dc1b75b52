#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""hostile.py [CASE ...]: the real shim and a guest that is played and lies to it, in the current directory. Prints TAP, with
what was measured. $KATA_SECURITY is how many seconds each flood lasts (2)."""
import os
import signal
import subprocess
import sys
import tempfile
import threading
import time
import traceback

os.environ.setdefault("KATA_TEST_NAMESPACE", "kata-test-security")
# pylint: disable=wrong-import-position
import played
from guest import NO_ANSWER, answer, read_protos, run
from played import Pod
from shim import REPO
from wire import Closed, Connection, OK, REQUEST, RESPONSE, any_of, first, frame, msg, varint, wait_until

PROTOS = read_protos(os.path.join(REPO, "proto"))
FLOOD = float(os.environ.get("KATA_SECURITY", "2"))
# The bounds that docs/security.md states.
MEMORY_MIB, REPLY_CPU_MS = 48, 50
MESSAGE_MAX = 4 << 20
# What a reply may have, and what any message may: one with more than the first is refused, which must not cost more.
FIELDS_MAX = {"": 1 << 16, ", beyond the limit": 1 << 18}
SCALARS = ("int32", "uint32", "int64", "uint64", "bool", "double", "sint64", "fixed64")
measured = []


def note(words):
    measured.append(words)


# --- lies about one field ---

def tagged(number, wire_type, data):
    return varint(number << 3 | wire_type) + data


def lies_about(field):
    """What a field may be that its type does not allow, or only just."""
    for value in (0, 1, 255, 256, (1 << 31) - 1, 1 << 31, (1 << 32) - 1, 1 << 32, (1 << 63) - 1, 1 << 63, (1 << 64) - 1):
        yield tagged(field.number, 0, varint(value))
    yield tagged(field.number, 0, b"\xff" * 10)  # a number without an end
    for text in (b"", b"\xff\xfe", b"a\0b", b"\x1b[2J\r\n", b"/../../etc/passwd", b"A" * 70000, b"%n%s"):
        yield tagged(field.number, 2, varint(len(text)) + text)
    yield tagged(field.number, 2, varint(100) + b"short")
    yield tagged(field.number, 2, varint((1 << 63) + 5))
    yield tagged(field.number, 1, b"\xff" * 8)
    yield tagged(field.number, 5, b"\x80" * 4)
    yield tagged(field.number, 5, b"\1")
    yield tagged(field.number, 3, b"") + tagged(field.number, 4, b"")
    yield tagged(field.number, 7, b"")
    yield tagged(field.number, 0, b"\1") * 300 + tagged(field.number, 2, b"\1A") * 300


def lies(message):
    """Each field of a message and of those in it, with every lie."""
    for field in PROTOS[message]:
        yield from lies_about(field)
        if field.kind in PROTOS and field.kind not in SCALARS:
            for inner in lies(field.kind):
                yield tagged(field.number, 2, varint(len(inner)) + inner)
    yield b""
    yield b"\xff" * 100
    yield os.urandom(1000)
    deep = b""
    for _ in range(3000):
        deep = tagged(1, 2, varint(len(deep)) + deep)
    yield deep


# Replies with fields, and what makes the shim ask for one.
ASKED = (
    ("StatsContainer", "StatsContainerResponse", lambda pod: pod.call("Stats", msg((1, pod.id)))),
    ("StatsContainer", "StatsContainerResponse", lambda pod: pod.ask("Stats", msg((1, pod.id)))),
    ("ListProcesses", "ProcessesResponse", lambda pod: pod.ask("Processes", msg((1, pod.id)))),
    ("GetMetrics", "Metrics", lambda pod: pod.ask("Metrics")),
    ("ListInterfaces", "Interfaces", lambda pod: pod.ask("ListInterfaces")),
    ("UpdateInterface", "Interface", lambda pod: pod.ask("UpdateInterface")),
    ("ListRoutes", "Routes", lambda pod: pod.ask("ListRoutes")),
    ("UpdateRoutes", "Routes", lambda pod: pod.ask("UpdateRoutes")),
    ("GetIPTables", "GetIPTablesResponse", lambda pod: pod.ask("GetIPTables")),
    ("SetIPTables", "SetIPTablesResponse", lambda pod: pod.ask("SetIPTables")),
)
# And those whose answer says nothing but that it was done.
PLAIN = (
    ("UpdateContainer", lambda pod: pod.call("Update", msg((1, pod.id), (2, any_of("t", '{"pids": {"limit": 9}}'))))),
    ("PauseContainer", lambda pod: pod.call("Pause", msg((1, pod.id)))),
    ("ResumeContainer", lambda pod: pod.call("Resume", msg((1, pod.id)))),
    ("TtyWinResize", lambda pod: pod.call("ResizePty", msg((1, pod.id), (3, 80), (4, 25)))),
    ("SignalProcess", lambda pod: pod.call("Kill", msg((1, pod.id), (3, int(signal.SIGUSR1))))),
)


def told(payload):
    return lambda guest, stream, request: answer(stream, payload)


def fields_of_replies():
    """a lie in each field of each reply with fields"""
    total = 0
    with Pod("fields") as pod:
        for method, message, ask in ASKED:
            for lie in lies(message):
                pod.guest.lies[method] = told(lie)
                ask(pod)
                total += 1
            pod.alive()
            del pod.guest.lies[method]
            assert ask(pod).code == OK, "%s after its lies" % method
        pod.leave()
    note("%d lies" % total)


def numbers_of_exits():
    """a lie in the exit status of a process, and in the event that one ran out of memory"""
    with Pod("exits") as pod:
        for i, lie in enumerate(lies("WaitProcessResponse")):
            name = "e%d" % i
            pod.add_exec(name, ["true"])
            pod.ok("Start", msg((1, pod.id), (2, name)))
            wait_until(lambda n=name: pod.id + "/" + n in pod.guest.waiting["WaitProcess"], "WaitProcess")
            pod.guest.send(answer(pod.guest.waiting["WaitProcess"].pop(pod.id + "/" + name), lie))
            status = first(pod.ok("Wait", msg((1, pod.id), (2, name))), 1)
            assert 0 <= status <= 255, status
            pod.ok("Delete", msg((1, pod.id), (2, name)))
        for lie in list(lies("OOMEvent"))[:40]:
            stream = pod.guest.waiting.get("GetOOMEvent", {}).pop("/", None)
            if stream:
                pod.guest.send(answer(stream, lie))
            pod.alive()
        pod.leave()


def codes_and_words():
    """every status and any words, for each reply"""
    words = "\x1b[2J\r\nnot so " + "w" * 100000
    calls = PLAIN + tuple((method, ask) for method, _, ask in ASKED)
    with Pod("codes") as pod:
        for method, ask in calls:
            for code in list(range(1, 18)) + [99, (1 << 31) - 1, -1, -(1 << 31)]:
                pod.guest.lies[method] = lambda guest, stream, _, c=code: answer(stream, b"", c, words)
                reply = ask(pod)
                assert reply.code != OK or method.startswith(("Resume", "Tty")), (method, code)
                assert len(reply.words) < 5000 and "\x1b" not in reply.words, "the guest's words as they are"
            del pod.guest.lies[method]
            pod.alive()
        pod.leave()


def starts():
    """each call of a start is refused, answered by rubbish, or not at all"""
    number = 0
    for method in ("SyncClock", "CreateSandbox", "CreateContainer", "StartContainer"):
        for lie in (lambda g, s, r: answer(s, b"", 13, "no"), lambda g, s, r: answer(s, b"\xff" * 50),
                    lambda g, s, r: frame(s, REQUEST, b""), lambda g, s, r: frame(s + 2, RESPONSE, b"") + b"\0" * 4000):
            number += 1
            with Pod("start%d" % number, {method: lie}, started=False) as pod:
                out = os.path.join(pod.folder, pod.id + ".out")
                reply = pod.call("Create", pod.create_request(out=out))
                if reply.code == OK:
                    pod.call("Start", msg((1, pod.id)))
                    pod.guest.lies.clear()
                    pod.call("Kill", msg((1, pod.id), (3, 9)))
                    pod.call("Delete", msg((1, pod.id)))
                assert reply.code == OK or reply.words


def clocks():
    """a clock of any value"""
    for i, value in enumerate((0, 1, (1 << 63) - 1, -(1 << 63), -1, 1 << 62)):
        lie = told(msg((1, value), (2, value)))
        with Pod("clock%d" % i, {"SyncClock": lie}, started=False) as pod:
            reply = pod.call("Create", pod.create_request())
            if reply.code == OK:
                pod.ok("Start", msg((1, pod.id)))
                pod.leave()
            else:
                assert "clock" in reply.words, reply.words


def frames():
    """frames that are cut off, too long, of another type, for nobody, or come twice"""
    good = lambda s: answer(s, b"")
    shapes = [
        lambda s: frame(s, REQUEST, b"\1"), lambda s: frame(s, 3, b"x"),
        lambda s: good(s) * 3, lambda s: good(s + 2) + good(s), lambda s: good(0) + good((1 << 32) - 1) + good(s),
        lambda s: frame(s, RESPONSE, b""), lambda s: frame(s, RESPONSE, b"\xff"),
        lambda s: frame(s, RESPONSE, b"\0" * (MESSAGE_MAX + 1)), lambda s: frame(s, RESPONSE, b"x" * MESSAGE_MAX),
        lambda s: frame(s, RESPONSE, msg((1, msg((1, 2), (2, "w" * 3000000), (3, b"\x0a\1a" * 1000))))),
        lambda s: b"".join(good(t) for t in range(1, 40001, 2)) + good(s),
    ]
    with Pod("frames") as pod:
        for shape in shapes:
            pod.guest.lies["StatsContainer"] = lambda guest, stream, _, f=shape: f(stream)
            pod.call("Stats", msg((1, pod.id)))
            pod.alive()
        del pod.guest.lies["StatsContainer"]
        assert pod.call("Stats", msg((1, pod.id))).code == OK
        pod.leave()
    for i, cut in enumerate((1, 9, 10, 11, 500, None)):
        def lie(guest, stream, _, n=cut):
            guest.send(frame(stream, RESPONSE if n else 9, b"\0" * 1000)[:n])
            guest.agents[-1].shutdown(2)
            return NO_ANSWER
        with Pod("cut%d" % i) as pod:
            pod.guest.lies["StatsContainer"] = lie
            assert pod.call("Stats", msg((1, pod.id))).code != OK
            pod.events.wait("/tasks/exit", pod.id)


def handshakes():
    """a transport that answers a dial with anything"""
    for i, line in enumerate((b"", b"\n", b"OK\n", b"OK -1\n", b"OK 99999999999\n", b"A" * 100000, b"OK 1\nrubbish" * 999)):
        with Pod("dial%d" % i, started=False) as pod:
            good = pod.guest.hello
            pod.guest.hello = lambda port, local, l=line, g=good: l if port == 1027 else g(port, local)
            run(lambda p=pod: p.call("Create", p.create_request(), timeout=8, conn=Connection(p.address)))
            wait_until(lambda p=pod: "CreateSandbox" in p.guest.calls, "the sandbox")
            time.sleep(0.2)
            pod.alive()


# --- the largest messages ---

def smallest(kind):
    return b"" if kind in PROTOS or kind in ("string", "bytes") else b"\0"


def entry(field, data):
    if field.kind in SCALARS:
        return tagged(field.number, 0, varint(1))
    return tagged(field.number, 2, varint(len(data)) + data)


def largest(message, fields_max):
    """The most of each field that can be repeated or long, as bytes of a whole message with a name for each."""
    for field in PROTOS[message]:
        name = "%s.%d" % (message, field.number)
        if field.kind in ("string", "bytes"):
            yield name + " long", entry(field, b"A" * (MESSAGE_MAX - 1000))
        if field.repeated:
            yield name + " many", entry(field, b"") * (fields_max - 10)
            if field.kind in PROTOS:
                whole = b"".join(entry(f, b"xy") for f in PROTOS[field.kind] if f.kind not in PROTOS)
                per = 1 + sum(f.kind not in PROTOS for f in PROTOS[field.kind])
                one = entry(field, whole)
                yield name + " full", one * min(MESSAGE_MAX // (len(one) + 1) - 200, fields_max // per - 2)
        if field.kind == "uint64" and field.repeated:
            packed = b"\1" * (MESSAGE_MAX - 1000)
            yield name + " packed", tagged(field.number, 2, varint(len(packed)) + packed)
        if field.kind in PROTOS:
            for inner_name, inner in largest(field.kind, fields_max):
                if len(inner) < MESSAGE_MAX - 500:
                    yield inner_name, entry(field, inner)


def largest_of_all(message):
    for words, fields_max in FIELDS_MAX.items():
        for name, payload in largest(message, fields_max):
            yield name + words, payload


def largest_messages():
    """the largest legal message of every reply type costs the shim little"""
    worst = {}
    with Pod("large") as pod:
        base = pod.memory_mib()
        for method, message, ask in ASKED:
            for name, payload in largest_of_all(message):
                pod.guest.lies[method] = told(payload)
                costs = []
                # CPU time, too, is more on a machine whose caches others use.
                while len(costs) < 8 and (not costs or min(costs) > REPLY_CPU_MS):
                    before = pod.cpu_ms()
                    ask(pod)
                    costs.append(pod.cpu_ms() - before)
                if min(costs) > worst.get(method, ("", -1))[1]:
                    worst[method] = (name, min(costs))
            del pod.guest.lies[method]
        pod.alive()
        for method, (name, cost) in worst.items():
            note("%s%s: %.1f ms of %d (%s)" % ("" if cost <= REPLY_CPU_MS else "TOO MUCH: ", method, cost, REPLY_CPU_MS, name))
        bounded(pod, base)
        pod.leave()
    assert set(worst) == {method for method, _, _ in ASKED}, "not each type of reply was measured"
    slow = [method for method, (_, cost) in worst.items() if cost > REPLY_CPU_MS]
    assert not slow, "more than %d ms of CPU time: %s" % (REPLY_CPU_MS, slow)


# --- floods ---

def bounded(pod, base):
    peak = pod.memory_mib()
    note("memory %.0f -> %.0f MiB" % (base, peak))
    assert peak - base <= MEMORY_MIB, "%.0f MiB more" % (peak - base)


def neighbour_during(pod, flood):
    """Runs a flood for some time; a pod beside it is used meanwhile. Its latencies are told, not judged."""
    base, over = pod.memory_mib(), threading.Event()
    with Pod(pod.id + "-beside") as beside:
        quiet = sorted(beside.exec_ms(i) for i in range(20))
        run(flood, over)
        end, times, cpu = time.monotonic() + FLOOD, [], pod.cpu_ms()
        while time.monotonic() < end or len(times) < 10:
            times.append(beside.exec_ms(20 + len(times)))
        over.set()
        took = FLOOD + time.monotonic() - end
        note("beside %.2f x (%.1f against %.1f ms), the shim uses %.0f %% of a CPU" % (
            sorted(times)[len(times) // 2] / quiet[10], sorted(times)[len(times) // 2], quiet[10],
            (pod.cpu_ms() - cpu) / took / 10))
        beside.leave()
    pod.alive()
    bounded(pod, base)


def pour(conn, data):
    def flood(over):
        while not over.is_set():
            conn.sendall(data)
    return flood


def console_flood():
    """the console, by lines, by one line without an end, and by zeros"""
    for i, data in enumerate((b"line of rubbish \x1b[31m\n" * 3000, b"A" * 65536, b"\0" * 65536, b"\n" * 65536)):
        with Pod("console%d" % i) as pod:
            neighbour_during(pod, pour(pod.guest.console, data))
            # It is run with -debug: then it logs what the guest says, 2000 lines of at most 1 kB and then 20 each second.
            said = os.path.getsize(pod.log)
            assert said < (3 << 20) + FLOOD * 100000, "%d bytes are in the log" % said
            note("%d kB in the log" % (said >> 10))
            pod.leave()


def output_flood():
    """a process's output, which somebody reads, and which nobody reads"""
    for read in (True, False):
        with Pod("output%d" % read, started=False) as pod:
            streams = []
            pod.guest.on_stream = streams.append
            fifo = os.path.join(os.getcwd(), pod.id + ".fifo")
            os.mkfifo(fifo)
            end = os.open(fifo, os.O_RDONLY | os.O_NONBLOCK)
            pod.ok("Create", msg((1, pod.id), (2, pod.bundle), (6, fifo)))
            pod.ok("Start", msg((1, pod.id)))
            os.set_blocking(end, True)
            if read:
                run(swallow, end)
            neighbour_during(pod, pour(streams[0], b"x" * 65536))
            streams[0].close()
            pod.leave()


def swallow(fd):
    while os.read(fd, 65536):
        pass


def event_flood():
    """events without end that a container ran out of memory, of one that is there and of one that is not"""
    for i, ident in enumerate(("oom0", "nobody")):
        with Pod("oom%d" % i) as pod:
            pod.guest.lies["GetOOMEvent"] = told(msg((1, ident)))
            stream = pod.guest.waiting["GetOOMEvent"].pop("/")
            before, began = pod.guest.calls.count("GetOOMEvent"), time.monotonic()
            neighbour_during(pod, lambda over, p=pod, s=stream, n=ident: p.guest.send(answer(s, msg((1, n)))))
            told_of = pod.events.topics().count("/tasks/oom")
            assert told_of <= 1, told_of
            asked = pod.guest.calls.count("GetOOMEvent") - before
            assert asked < 25 * (time.monotonic() - began), "asked for %d more" % asked
            pod.leave()


def answer_flood():
    """answers that nobody asked for"""
    with Pod("answers") as pod:
        data = b"".join(answer(s, b"x" * 100) for s in range(100001, 101001, 2))
        neighbour_during(pod, lambda over: [pod.guest.send(data) for _ in iter(over.is_set, True)])
        pod.leave()


# --- the shared tree ---

def swap(folder, outside, over):
    """What a guest can do to its root file system, without a pause."""
    names = ("proc", "dev", "etc", "sys", "tmp")
    while not over.is_set():
        for name in names:
            path, aside = os.path.join(folder, name), os.path.join(folder, "." + name)
            try:
                os.rename(path, aside)
                os.symlink(outside, path)
                os.unlink(path)
                os.mkfifo(path)
                os.unlink(path)
                os.symlink("/" + name, path)
                os.unlink(path)
                os.rename(aside, path)
            except OSError:
                pass


def tree():
    """links and renames in a root file system while containers on it start and stop"""
    outside = tempfile.mkdtemp(dir=os.getcwd())
    with open(os.path.join(outside, "canary"), "w", encoding="utf-8") as f:
        f.write("untouched")
    over, rounds = threading.Event(), 0
    end = time.monotonic() + 2 * FLOOD
    while time.monotonic() < end or rounds < 3:
        rounds += 1
        with Pod("tree%d" % rounds, started=False) as pod:
            over.clear()
            run(swap, os.path.join(pod.bundle, "rootfs"), outside, over)
            if pod.call("Create", pod.create_request()).code == OK:
                pod.call("Start", msg((1, pod.id)))
                with open("/proc/%d/mountinfo" % pod.pid, encoding="utf-8") as f:
                    assert outside not in f.read(), "mounted outside"
                pod.call("Kill", msg((1, pod.id), (3, 9)))
                pod.call("Wait", msg((1, pod.id)))
                pod.call("Delete", msg((1, pod.id)))
            over.set()
            time.sleep(0.05)
        assert os.listdir(outside) == ["canary"], os.listdir(outside)
    note("%d containers" % rounds)


CASES = (fields_of_replies, numbers_of_exits, codes_and_words, starts, clocks, frames, handshakes, largest_messages,
         console_flood, output_flood, event_flood, answer_flood, tree)


def main(names):
    played.begin()
    chosen = [case for case in CASES if not names or case.__name__ in names]
    failed = 0
    print("1..%d" % len(chosen))
    for number, case in enumerate(chosen, 1):
        del measured[:]
        began, ok = time.monotonic(), True
        try:
            case()
        except (AssertionError, Closed, OSError, subprocess.SubprocessError, KeyError) as e:
            ok = False
            failed += 1
            print("# " + "\n# ".join(traceback.format_exc().splitlines()[-12:]), e)
        print("%sok %d - a hostile guest: %s" % ("" if ok else "not ", number, case.__doc__))
        for line in measured + ["%.1f s" % (time.monotonic() - began)]:
            print("#   " + line, flush=True)
    sys.exit(failed > 0)


main(sys.argv[1:])
