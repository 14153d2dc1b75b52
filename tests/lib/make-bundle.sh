#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# make-bundle.sh DIR COMMAND [ARG ...]: an OCI bundle in DIR with busybox as its root file system.
set -euo pipefail

dir=$1
shift
busybox=$(command -v busybox)
mkdir -p "$dir"/rootfs/{bin,dev,etc,proc,root,sys,tmp,usr,var}
if [ ! -e "$dir/rootfs/bin/busybox" ]; then
	cp "$busybox" "$dir/rootfs/bin/busybox"
	for applet in $("$busybox" --list); do
		[ "$applet" = busybox ] || ln -s busybox "$dir/rootfs/bin/$applet"
	done
	printf 'root:x:0:0:root:/root:/bin/sh\nnobody:x:65534:65534:nobody:/:/bin/false\n' > "$dir/rootfs/etc/passwd"
	printf 'root:x:0:\nnogroup:x:65534:\n' > "$dir/rootfs/etc/group"
fi

args=
for arg in "$@"; do
	escaped=${arg//\\/\\\\}
	escaped=${escaped//\"/\\\"}
	args="$args${args:+, }\"$escaped\""
done
caps='"CAP_CHOWN","CAP_DAC_OVERRIDE","CAP_FSETID","CAP_FOWNER","CAP_MKNOD","CAP_NET_RAW","CAP_SETGID","CAP_SETUID",
"CAP_SETFCAP","CAP_SETPCAP","CAP_NET_BIND_SERVICE","CAP_SYS_CHROOT","CAP_KILL","CAP_AUDIT_WRITE"'
cat > "$dir/config.json" <<JSON
{
 "ociVersion": "1.0.2",
 "process": {
  "terminal": false,
  "user": { "uid": 0, "gid": 0 },
  "args": [ $args ],
  "env": [ "PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin", "TERM=xterm" ],
  "cwd": "/",
  "capabilities": { "bounding": [ $caps ], "effective": [ $caps ], "permitted": [ $caps ] },
  "rlimits": [ { "type": "RLIMIT_NOFILE", "hard": 1024, "soft": 1024 } ],
  "noNewPrivileges": true
 },
 "root": { "path": "rootfs", "readonly": false },
 "hostname": "kata",
 "mounts": [
  { "destination": "/proc", "type": "proc", "source": "proc" },
  { "destination": "/dev", "type": "tmpfs", "source": "tmpfs",
    "options": [ "nosuid", "strictatime", "mode=755", "size=65536k" ] },
  { "destination": "/dev/pts", "type": "devpts", "source": "devpts",
    "options": [ "nosuid", "noexec", "newinstance", "ptmxmode=0666", "mode=0620", "gid=5" ] },
  { "destination": "/dev/shm", "type": "tmpfs", "source": "shm",
    "options": [ "nosuid", "noexec", "nodev", "mode=1777", "size=65536k" ] },
  { "destination": "/dev/mqueue", "type": "mqueue", "source": "mqueue",
    "options": [ "nosuid", "noexec", "nodev" ] },
  { "destination": "/sys", "type": "sysfs", "source": "sysfs", "options": [ "nosuid", "noexec", "nodev", "ro" ] },
  { "destination": "/sys/fs/cgroup", "type": "cgroup", "source": "cgroup",
    "options": [ "nosuid", "noexec", "nodev", "relatime", "ro" ] }
 ],
 "linux": {
  "resources": { "devices": [ { "allow": false, "access": "rwm" } ] },
  "namespaces": [ { "type": "pid" }, { "type": "network" }, { "type": "ipc" }, { "type": "uts" },
   { "type": "mount" }, { "type": "cgroup" } ],
  "maskedPaths": [ "/proc/acpi", "/proc/kcore", "/proc/keys", "/proc/latency_stats", "/proc/timer_list",
   "/proc/sched_debug", "/sys/firmware", "/proc/scsi" ],
  "readonlyPaths": [ "/proc/bus", "/proc/fs", "/proc/irq", "/proc/sys", "/proc/sysrq-trigger" ]
 }
}
JSON
