/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What host and guest, and the command line and the shim, must agree on. Constants only.
 */
#pragma once

#include <stdint.h>

/* vsock ports of the agent (Kata's numbers). */
#define KATA_PORT_AGENT 1024 /* ttrpc */
#define KATA_PORT_LOG 1025   /* log lines, when agent.log_vport names it */
#define KATA_PORT_DEBUG_CONSOLE 1026
#define KATA_PORT_DNS 1028    /* struct kata_dns_frame and DNS messages, both ways */
#define KATA_PORT_STREAM 1027 /* one connection per container stream, found by the dialler's port */
#define KATA_PORT_FORWARD 1029 /* begins with a struct kata_forward */
#define KATA_PORT_SOCKET 1030  /* begins with a number, see struct kata_socket_call */

/*
 * In stdin_port, stdout_port and stderr_port of CreateContainer and ExecProcess: no such stream,
 * and no RPC stream either. All three 0 means streams by RPC; with another port given, 0 is the
 * same as this.
 */
#define KATA_STREAM_NONE 0xffffffffU

/* Virtio-fs/9p tag of the shared tree and where the guest mounts it. */
#define KATA_SHARED_TAG "kataShared"
#define KATA_GUEST_BASE "/run/kata-containers"
#define KATA_GUEST_SHARED_DIR "/run/kata-containers/shared/containers"
#define KATA_GUEST_SANDBOX_DIR "/run/kata-containers/sandbox"
#define KATA_GUEST_SHM_DIR KATA_GUEST_SANDBOX_DIR "/shm" /* a pod's /dev/shm */

/*
 * Path of a "pid" namespace in a spec for the agent: that of the container whose id follows. Without
 * it the namespace is the container's own, or the pod's with sandbox_pidns.
 */
#define KATA_PIDNS_OF "container:"

/* Options of storages: upper layer in memory; directory to make first; further disk of erofs. */
#define KATA_OVERLAY_RW "io.katacontainers.fs-opt.overlay-rw"
#define KATA_OVERLAY_CREATE_DIR "io.katacontainers.volume.overlayfs.create_directory="
#define KATA_EROFS_DEVICE "io.katacontainers.erofs.device="
/* Of "bind": not the source but what is at this path in it, where links lead nowhere else. */
#define KATA_SUBPATH "io.katacontainers.volume.subpath="

/* Guest CIDs below this one are reserved (VMADDR_CID_HOST is 2). */
#define KATA_CID_MIN 3

/*
 * Files in a sandbox's state directory <root>/<sandbox id>/. Sockets are reached through
 * /proc/self/fd/<dirfd>/<name> because <root> may be long.
 */
#define KATA_STATE_SANDBOX "sandbox.json" /* host objects, written before each is made */
/* And a container's id: its poststop hooks are due; holds the path of its bundle. */
#define KATA_STATE_POSTSTOP "poststop."
#define KATA_STATE_CONTAINER "state.json"  /* one per container directory, for the command line */
#define KATA_SOCKET_TASK "shim.sock"	   /* ttrpc: containerd.task.v2.Task and v3 */
#define KATA_SOCKET_ADMIN "admin.sock"	   /* ttrpc: kata.admin.v1.Admin */
#define KATA_SOCKET_STANDIN "standin.sock" /* SOCK_SEQPACKET: struct standin_msg */
#define KATA_STATE_SHIM_PID \
	"shim.pid" /* "<pid> <start time in ticks>\n", written by who started the shim */

/*
 * Descriptors of a shim that the command line starts with --standalone. Its stderr is a pipe that
 * the command line reads while it waits for Create, to tell why a shim died early; nobody reads it
 * later, so writes may fail.
 */
enum kata_shim_fd {
	KATA_SHIM_FD_STATE = 3,	  /* the sandbox's state directory */
	KATA_SHIM_FD_TASK = 4,	  /* listening */
	KATA_SHIM_FD_ADMIN = 5,	  /* listening */
	KATA_SHIM_FD_STANDIN = 6, /* listening */
	KATA_SHIM_FD_LOG = 7,	  /* the file of --log; closed when there is none */
};

/*
 * A DNS message as it travels between the guest's loopback and the network namespace; numbers are
 * big endian. An answer without a message says that there is none.
 */
#define KATA_DNS_ADDR 0x7f00000bU /* 127.0.0.11 */
#define KATA_DNS_QUERY_MAX 4096	  /* answers are bounded by their length's two bytes */

struct kata_dns_frame {
	uint16_t len; /* of the message that follows */
	uint16_t id;  /* of the asker, comes back with the answer */
	uint16_t tcp; /* 1: asked by TCP, so are the server and the asker; otherwise 0 */
};

/*
 * Which port of the guest's loopback a connection to KATA_PORT_FORWARD is for; numbers are big
 * endian. The guest answers with one byte, 0 when somebody listens there; then the two are one
 * connection.
 */
struct kata_forward {
	uint16_t port;
	uint16_t ipv6; /* 1: ::1 is tried before 127.0.0.1 */
};

/*
 * Sockets of the host that containers may connect to. The storage driver KATA_STORAGE_SOCKET makes
 * one in the guest; the host knows it by the number that is the storage's source. A connection to
 * KATA_PORT_SOCKET begins with a 32-bit number. With 0 it is the one over which the guest sends a
 * struct kata_socket_call for each client; the host answers with a connection that begins with the
 * call's id, and is the client's from then on, or sends back the id: the client is refused. Numbers
 * are big endian.
 */
#define KATA_STORAGE_SOCKET "kata-c-socket"
#define KATA_GUEST_SOCKET_DIR KATA_GUEST_SANDBOX_DIR "/sockets"

struct kata_socket_call {
	uint32_t socket;
	uint32_t id; /* not 0 */
};

/* Metadata of a Create or Exec that the command line sends. */
#define KATA_META_CLI "kata-cli"		 /* "1": no containerd behind this call */
#define KATA_META_ROOT "kata-root"		 /* the state root, an absolute path */
#define KATA_META_STANDIN_PID "kata-standin-pid" /* decimal; the shim may also ask SO_PEERCRED */
#define KATA_META_SYSTEMD_CGROUP \
	"kata-systemd-cgroup" /* "1": linux.cgroupsPath is slice:prefix:name */

/* Default root of the state directories of the command line. */
#define KATA_DEFAULT_ROOT "/run/kata"

/*
 * Stand-in protocol, over KATA_SOCKET_STANDIN (SOCK_SEQPACKET). The stand-in sends one HELLO with
 * its descriptors (in this order: stdin, stdout, stderr, network namespace), then waits. The stdio
 * URIs of the Task call are then "standin:" followed by the key. The connection is the lifeline in
 * both directions: when the stand-in goes, its process is killed; when the shim goes without an
 * EXIT, its VM has been killed, and the stand-in exits as a killed process does, with 137.
 */
#define STANDIN_KEY_MAX 160
#define STANDIN_URI_PREFIX "standin:"

enum standin_type {
	STANDIN_HELLO = 1,  /* stand-in -> shim: key and descriptors */
	STANDIN_READY = 2,  /* shim -> stand-in: registered */
	STANDIN_RESIZE = 3, /* stand-in -> shim: rows, columns */
	STANDIN_EXIT = 4,   /* shim -> stand-in: exit code of the process */
	/*
	 * shim -> stand-in: run out of memory in the host's cgroup, as the process did; EXIT
	 * follows
	 */
	STANDIN_OOM = 6,
	STANDIN_SIGNAL = 5, /* stand-in -> shim: signal to deliver */
	/*
	 * shim -> a container's stand-in, with a memfd of value times struct standin_process; the
	 * same without a memfd is the answer once its shadows show them
	 */
	STANDIN_PROCESSES = 7,
};

/* How many processes a stand-in shows, and for how long after it was asked. */
#define STANDIN_PROCESSES_MAX 512
#define STANDIN_PROCESSES_MS 10000

/* A process of the guest; the command's arguments follow each other, each with a NUL behind it. */
struct standin_process {
	uint32_t pid, uid;
	uint64_t start;	 /* clock ticks since the guest's boot */
	uint32_t itself; /* 1: the one it stands for, whose name it takes; 0: to be shown */
	uint32_t command_len;
	char comm[16];
	char command[472];
};

struct standin_msg {
	unsigned int type;	      /* enum standin_type */
	int value;		      /* EXIT: exit code 0-255; SIGNAL: signal number */
	unsigned short rows, columns; /* RESIZE; HELLO: initial size or 0 */
	unsigned int terminal;	      /* HELLO: 1 when stdin is the slave of a pty */
	/* HELLO: "<container id>" or "<container id>/<exec id>", NUL-terminated */
	char key[STANDIN_KEY_MAX];
};

/* The mark of the shim's timeline with which the start of a container ends. */
#define KATA_TIMELINE_END "container created"
