# SPDX-License-Identifier: Apache-2.0
"""endurance.py PODS PODS_AT_ONCE EXECS PROBE_ROUNDS: what a shim holds after much work, in the current directory. Prints
a table; fails when descriptors or threads stay."""
import concurrent.futures
import os
import sys
import time

import wire
from shim import Shim, make_bundle
from wire import Connection, first, msg

HERE = os.getcwd()
PROBED = 20  # containers


def row(what, value, remark=""):
    print("  %-46s %12s  %s" % (what, value, remark), flush=True)


def cpu_ms(shim):
    with open("/proc/%d/stat" % shim.pid, encoding="utf-8") as f:
        ticks = f.read().rsplit(")", 1)[1].split()[11:13]
    return sum(map(int, ticks)) * 1000 // os.sysconf("SC_CLK_TCK")


def span(values):
    return "%d-%d" % (min(values), max(values)) if min(values) < max(values) else str(values[0])


def one_pod(name):
    """The life of a pod; what its shim holds in the middle of it."""
    with Shim(HERE, name, ["sleep", "1000"]) as shim:
        shim.create()
        shim.ok("Start", msg((1, name)))
        assert shim.run_exec("e", ["true"]) == 0
        usage = shim.usage()
        shim.finish()
        shim.shutdown()
    return usage


def report_pods(what, usages):
    fds, threads, rss = zip(*usages)
    row(what + ": shim's descriptors", span(fds))
    row(what + ": shim's threads", span(threads))
    row(what + ": shim's RSS, KiB", span(rss))
    assert len(set(threads)) == 1, threads


def pods(number, at_once):
    began = time.monotonic()
    report_pods("%d pods in a row" % number, [one_pod("row%d" % i) for i in range(number)])
    row("%d pods in a row: each, ms" % number, int((time.monotonic() - began) * 1000 / number))
    with concurrent.futures.ThreadPoolExecutor(at_once) as pool:
        report_pods("%d pods at once" % at_once, list(pool.map(lambda i: one_pod("par%d" % i), range(at_once))))


def compare(what, shim, before, after, work):
    row(what + ": shim's descriptors", "%d -> %d" % (before[0], after[0]))
    row(what + ": shim's threads", "%d -> %d" % (before[1], after[1]))
    row(what + ": shim's RSS, KiB", "%d -> %d" % (before[2], after[2]))
    row(what + ": shim's CPU time per exec, ms", "%.2f" % work)
    assert before[:2] == after[:2], "something stays open"


def settled(shim, before):
    """Descriptors of the last streams are closed a moment after the last answer."""
    wire.wait_until(lambda: shim.usage()[0] <= before[0], "descriptors as before: %d" % before[0])
    return shim.usage()


def execs(number):
    with Shim(HERE, "execs", ["sleep", "100000"]) as shim:
        shim.create()
        shim.ok("Start", msg((1, shim.id)))
        for i in range(10):
            assert shim.run_exec("w%d" % i, ["true"]) == 0
        before, cpu = shim.usage(), cpu_ms(shim)
        for i in range(number):
            assert shim.run_exec("e%d" % i, ["sh", "-c", "echo $$; exit 3"]) == 3
            os.unlink("e%d.out" % i)
        compare("%d execs" % number, shim, before, settled(shim, before), (cpu_ms(shim) - cpu) / number)
        shim.finish()
        shim.shutdown()


def probe(shim, container, rounds, tag):
    """What kubelet's exec probe is for the shim: a client of its own, an exec with its output, Delete."""
    conn = Connection(shim.address)
    out = os.path.join(HERE, container + ".probe")
    with open(out, "w", encoding="utf-8"):
        pass
    spec = wire.any_of("types.containerd.io/opencontainers/runtime-spec/1/Process",
                       '{"args":["test","-e","/proc/1"],"cwd":"/","env":["PATH=/bin"],"user":{"uid":0,"gid":0}}')
    for i in range(rounds):
        name = "%s%d" % (tag, i)
        both = msg((1, container), (2, name))
        shim.ok("Exec", msg((1, container), (2, name), (5, out), (6, out), (7, spec)), conn=conn)
        shim.ok("Start", both, conn=conn)
        assert first(shim.ok("Wait", both, conn=conn), 1) == 0
        shim.ok("Delete", both, conn=conn)
    conn.close()


def probe_all(shim, names, rounds, tag):
    with concurrent.futures.ThreadPoolExecutor(len(names)) as pool:
        list(pool.map(lambda name: probe(shim, name, rounds, tag), names))


def probes(rounds):
    with Shim(HERE, "probed", ["sleep", "100000"], edit=lambda spec: spec["annotations"].update(
            {"io.kubernetes.cri.container-type": "sandbox", "io.kubernetes.cri.sandbox-id": "probed"})) as shim:
        shim.create()
        shim.ok("Start", msg((1, shim.id)))
        names = ["p%d" % i for i in range(PROBED)]
        for name in names:
            bundle = make_bundle(os.path.join(HERE, "bundle-" + name), ["sleep", "100000"], {
                "io.kubernetes.cri.container-type": "container", "io.kubernetes.cri.sandbox-id": shim.id})
            shim.create(name, bundle)
            shim.ok("Start", msg((1, name)))
        probe_all(shim, names, 1, "w")
        before, cpu, began = shim.usage(), cpu_ms(shim), time.monotonic()
        probe_all(shim, names, rounds, "x")
        what = "%d probes of %d containers" % (rounds * PROBED, PROBED)
        row(what + ": each, ms", "%.1f" % ((time.monotonic() - began) * 1000 / rounds / PROBED))
        compare(what, shim, before, settled(shim, before), (cpu_ms(shim) - cpu) / rounds / PROBED)
        for name in names:
            shim.finish(name)
        shim.finish()
        shim.shutdown()


if __name__ == "__main__":
    pods(int(sys.argv[1]), int(sys.argv[2]))
    execs(int(sys.argv[3]))
    probes(int(sys.argv[4]))
