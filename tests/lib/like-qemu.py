#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""like-qemu.py PID SOCKET VICTIM: what a process with exactly the rights of process PID can do to its host.

Enters PID's namespaces and root, takes on its user, capabilities and cgroups, and then tries to append to a file of
root's, read a secret of root's, connect to root's socket, open disks, and kill root's process VICTIM. Prints a line
for each: "could NAME" or "refused NAME". What it needs is loaded before: in the jail is no Python.
"""
import ctypes
import glob
import os
import signal
import socket
import sys

libc = ctypes.CDLL(None, use_errno=True)
PR_CAPBSET_READ, PR_CAPBSET_DROP, PR_SET_NO_NEW_PRIVS, PR_SET_KEEPCAPS = 23, 24, 38, 8
PR_CAP_AMBIENT, PR_CAP_AMBIENT_RAISE = 47, 2


def call(result):
    if result < 0:
        error = ctypes.get_errno()
        raise OSError(error, os.strerror(error))
    return result


def status_of(pid):
    with open(f"/proc/{pid}/status", encoding="ascii") as status:
        return dict(line.rstrip("\n").split(":\t", 1) for line in status if ":\t" in line)


def become(pid):
    """Returns in the process that is like PID; the one that called waits for it and exits."""
    status = status_of(pid)
    root = os.open(f"/proc/{pid}/root", os.O_RDONLY)
    names = ["ipc", "uts", "net", "pid", "mnt"]
    spaces = [os.open(f"/proc/{pid}/ns/{name}", os.O_RDONLY) for name in names]
    with open(f"/proc/{pid}/cgroup", encoding="ascii") as groups:
        for line in groups:
            _, controllers, path = line.rstrip("\n").split(":", 2)
            folder = controllers.replace("name=", "") or "unified"
            procs = f"/sys/fs/cgroup/{folder}{path}/cgroup.procs"
            if not os.path.exists(procs):
                procs = f"/sys/fs/cgroup{path}/cgroup.procs"
            if os.path.exists(procs):
                with open(procs, "w", encoding="ascii") as file:
                    file.write(str(os.getpid()))
    for space in spaces:
        call(libc.setns(space, 0))
        os.close(space)
    os.fchdir(root)
    os.chroot(".")
    os.close(root)
    child = os.fork()  # into the pid namespace
    if child:
        sys.exit(os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]))
    limit(status)


def limit(status):
    bounding, permitted = int(status["CapBnd"], 16), int(status["CapPrm"], 16)
    cap = 0
    while libc.prctl(PR_CAPBSET_READ, cap, 0, 0, 0) >= 0:
        if not bounding >> cap & 1:
            call(libc.prctl(PR_CAPBSET_DROP, cap, 0, 0, 0))
        cap += 1
    call(libc.prctl(PR_SET_KEEPCAPS, 1, 0, 0, 0))
    os.setgroups([int(group) for group in status["Groups"].split()])
    os.setresgid(*[int(gid) for gid in status["Gid"].split()[:3]])
    os.setresuid(*[int(uid) for uid in status["Uid"].split()[:3]])
    header = (ctypes.c_uint32 * 2)(0x20080522, 0)
    low, high = permitted & 0xFFFFFFFF, permitted >> 32
    call(libc.capset(header, (ctypes.c_uint32 * 6)(low, low, low, high, high, high)))
    if status["NoNewPrivs"] == "1":
        call(libc.prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0))


def attempt(name, deed):
    try:
        deed()
    except (OSError, ValueError) as error:
        print(f"refused {name}: {error}")
    else:
        print(f"could {name}")


def append():
    with open("/etc/passwd", "ab"):
        pass


def read_secret():
    with open("/etc/shadow", "rb") as file:
        file.read(1)


def connect(path):
    socket.socket(socket.AF_UNIX).connect(path)


def open_device(name, kind, number):
    path = f"/dev/{name}"
    try:
        os.mknod(path, kind | 0o600, number)
    except FileExistsError:
        pass
    os.close(os.open(path, os.O_RDWR))


def threads_of(pid):
    """As they are numbered in their own pid namespace: kill(2) takes these numbers, too."""
    return {int(status_of(name)["NSpid"].split()[-1]) for name in
            (f"{pid}/task/{thread}" for thread in os.listdir(f"/proc/{pid}/task"))}


def find_another(known):
    for pid in range(1, 32768):
        if pid not in known and pid != os.getpid():
            try:
                os.kill(pid, 0)
            except ProcessLookupError:
                continue
            return
    raise OSError("there is nobody")


def main():
    pid, path, victim = int(sys.argv[1]), sys.argv[2], int(sys.argv[3])
    disks = [(os.path.basename(name), os.stat(name).st_rdev) for name in glob.glob("/dev/[lvsx][od]*[0a]")]
    known = threads_of(pid)
    become(pid)
    status = {"uid": os.getresuid(), "gid": os.getresgid(), "groups": os.getgroups()}
    print("is", status)
    attempt("append to a file of /etc", append)
    attempt("read /etc/shadow", read_secret)
    attempt("connect to a socket of root's", lambda: connect(path))
    attempt("kill a process of root's", lambda: os.kill(victim, signal.SIGKILL))
    attempt("see another process", lambda: find_another(known))
    attempt("list the root of the host", lambda: os.listdir("/etc/ssl"))
    attempt("become root", lambda: os.setuid(0))
    attempt("mount something", lambda: call(libc.mount(b"none", b"/", b"tmpfs", 0, None)))
    attempt("leave by chroot", lambda: os.chroot("/dev"))
    for name, number in disks:
        attempt(f"open the disk {name}", lambda name=name, number=number: open_device(name, 0o060000, number))
    attempt("open the kernel's memory", lambda: open_device("kmsg", 0o020000, os.makedev(1, 11)))
    attempt("write a file anywhere", lambda: os.close(os.open("/x", os.O_WRONLY | os.O_CREAT)))


main()
