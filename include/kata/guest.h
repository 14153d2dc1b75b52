/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What the host and the guest's agent agree on: ports, frames, names of the shared tree.
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

/* What the agent prints on the console, a line of its own, once it listens. */
#define KATA_READY_LINE "kata-agent: ready"

/*
 * Where other programs of the host could dial the guest's ports, "agent.secret=console" on the
 * kernel's command line has the agent ask, by this line of its own on the console, and the host
 * answer there, once: the two parts of a secret in hexadecimal digits, and a newline. From then on
 * every connection begins with the dialler's part, which the agent answers with its own.
 */
#define KATA_SECRET_ASK "kata-agent: secret?"
#define KATA_SECRET_LEN 32

struct kata_secret {
	uint8_t dialler[KATA_SECRET_LEN];
	uint8_t agent[KATA_SECRET_LEN];
};

/*
 * A VM that is to be saved, and started from again and again, has "agent.template=console" on its
 * kernel's command line. Its agent makes the guest ready, prints this line, and waits there for one
 * of the host's (common/guest_wake.c): it is a new guest from then on, whose devices are yet to be
 * found.
 */
#define KATA_TEMPLATE_LINE "kata-agent: template"
#define KATA_TEMPLATE_PARAM "agent.template=console"

/*
 * In stdin_port, stdout_port and stderr_port of CreateContainer and ExecProcess: no such stream,
 * and no RPC stream either. All three 0 means streams by RPC; with another port given, 0 is the
 * same as this.
 */
#define KATA_STREAM_NONE 0xffffffffU

/*
 * Virtio-fs/9p tag of the shared tree and where the guest mounts it. With virtio-fs it is shared a
 * second time, for volumes: that one is asked anew about everything.
 */
#define KATA_SHARED_TAG "kataShared"
#define KATA_VOLUMES_TAG "kataVolumes"
#define KATA_GUEST_BASE "/run/kata-containers"
#define KATA_GUEST_SHARED_DIR "/run/kata-containers/shared/containers"
#define KATA_GUEST_VOLUMES_DIR "/run/kata-containers/shared/volumes"
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
