# SPDX-License-Identifier: Apache-2.0
"""abandoned.py NAME: who asked the shim for something goes before the answer, as a containerd that is killed, and comes
again or not, in the current directory. What nobody knows of ends by itself. Fails by an assertion."""
import os
import signal
import subprocess
import sys

import wire
from cases import member as make_member, put_network
from shim import CREATED, SANDBOX, Shim
from wire import Connection, first, msg

HERE = os.getcwd()
# How long a shim stays that has nothing and whose client has gone.
LONELY_SECONDS = 5
POD = {"io.kubernetes.cri.container-type": "sandbox", "io.kubernetes.cri.sandbox-id": "pod"}


def ended(shim):
    wire.wait_until(lambda: not os.path.exists("/proc/%d" % shim.pid), "the end of a shim that nobody knows of")
    assert not shim.children("qemu-system"), "its VM"


def begin_create(shim):
    """Return: the connection that asked."""
    asking = Connection(shim.address)
    asking.send(shim.service, "Create", shim.create_request())
    return asking


def while_it_boots():
    """containerd dies while the VM starts, and comes again. It finds no container, and forgets the shim."""
    with Shim(HERE, "boots", ["sleep", "1000"]) as shim:
        asking = begin_create(shim)
        wire.wait_until(lambda: shim.children("qemu-system"), "the VM")
        asking.close()
        shim.conn.close()
        again = Connection(shim.address)
        try:
            again.call(shim.service, "Connect", msg((1, shim.id)))
            assert again.call(shim.service, "State", msg((1, shim.id))).code == wire.NOT_FOUND
        except (wire.Closed, ConnectionError):
            pass  # it has ended already
        ended(shim)
        again.close()
        assert "/tasks/create" not in shim.events.topics(), "it is told of"


def while_it_is_made():
    """The same, while the guest makes the container, which nobody asks for."""
    with Shim(HERE, "made", ["sleep", "1000"]) as shim:
        asking = begin_create(shim)
        wire.wait_until(lambda: shim.call("Pids", msg((1, shim.id))).code == wire.OK, "the container")
        os.kill(shim.children("qemu-system")[0], signal.SIGSTOP)
        asking.close()
        shim.ok("Connect", msg((1, shim.id)))
        os.kill(shim.children("qemu-system")[0], signal.SIGCONT)
        ended(shim)
        assert "/tasks/create" not in shim.events.topics(), "it is told of"


def known():
    """A client that has come again was told that there is a container: so there is one."""
    with Shim(HERE, "known", ["sleep", "1000"]) as shim:
        asking = begin_create(shim)
        wire.wait_until(lambda: shim.call("State", msg((1, shim.id))).code == wire.OK, "the container")
        asking.close()
        shim.events.wait("/tasks/create", shim.id)
        assert shim.state() == CREATED
        shim.ok("Start", msg((1, shim.id)))
        assert shim.finish() == 137
        shim.shutdown()


def member():
    """A container of a pod that runs: it goes, the pod stays, and its id can be used again."""
    netns = sys.argv[2]

    def edit(spec):
        put_network(spec, netns)
        spec["annotations"] = POD
    with Shim(HERE, "pod", ["sleep", "1000"], edit=edit) as shim:
        shim.netns = netns
        shim.create()
        shim.ok("Start", msg((1, shim.id)))
        bundle, name = make_member(shim, "member", ["sleep", "1000"]), msg((1, "member"))
        out = os.path.join(HERE, "member.out")
        os.close(os.open(out, os.O_CREAT | os.O_WRONLY, 0o600))
        asking = Connection(shim.address)
        asking.send(shim.service, "Create", shim.create_request("member", bundle, out))
        wire.wait_until(lambda: shim.call("Pids", name).code == wire.OK, "the container")
        asking.close()
        wire.wait_until(lambda: shim.call("Pids", name).code == wire.NOT_FOUND, "its end")
        wire.wait_until(lambda: shim.call("Create", shim.create_request("member", bundle, out)).code == wire.OK,
                        "another one of that name")
        shim.ok("Start", name)
        shim.finish("member")
        shim.finish()
        shim.shutdown()


def never_asked():
    """containerd dies before it asks for anything, or between a container's Delete and Shutdown."""
    with Shim(HERE, "never", ["true"]) as shim:
        shim.conn.close()
        again = Connection(shim.address)
        assert first(again.call(shim.service, "Connect", msg((1, shim.id))).payload, 1) == shim.pid
        ended(shim)
        again.close()
    with Shim(HERE, "deleted", ["sleep", "1000"]) as shim:
        shim.create()
        shim.ok("Start", msg((1, shim.id)))
        shim.finish()
        shim.conn.close()
        ended(shim)


def stays():
    """Clients that go leave what there is as it is: a sandbox without containers, a container that was created."""
    with Shim(HERE, "stays", version=3) as shim:
        shim.sandbox("CreateSandbox", (2, shim.bundle))
        shim.conn.close()
        shim.events.stop()
        wire.time.sleep(LONELY_SECONDS + 2)
        shim.conn = Connection(shim.address)
        assert shim.call("SandboxStatus", msg((1, shim.id)), service=SANDBOX).code == wire.OK
        shim.sandbox("ShutdownSandbox")
        wire.wait_until(lambda: not os.path.exists("/proc/%d" % shim.pid), "the end of the shim")
    with Shim(HERE, "created", ["sleep", "1000"]) as shim:
        shim.create()
        shim.conn.close()
        wire.time.sleep(LONELY_SECONDS + 2)
        shim.conn = Connection(shim.address)
        assert shim.state() == CREATED
        assert shim.finish() == 137
        shim.shutdown()


def lost_bundle():
    """containerd is killed while it runs `start`; the next one removes the bundle. `start` fails, and leaves no server."""
    shim = Shim(HERE, "bundleless", ["true"])
    shim.shutdown()
    os.rename(shim.bundle, shim.bundle + ".gone")
    os.makedirs(shim.bundle)
    script = 'cd "$1" && rmdir "$1" && shift && exec "$@" start < /dev/null'
    done = subprocess.run(["sh", "-c", script, "sh", shim.bundle] + shim.command, stdout=subprocess.PIPE,
                          stderr=subprocess.STDOUT, timeout=wire.PATIENCE, check=False)
    assert done.returncode != 0 and done.stdout, done
    assert not os.path.exists(shim.address), "the socket stays"
    shim.events.stop()
    shim.conn.close()


if __name__ == "__main__":
    globals()[sys.argv[1]]()
