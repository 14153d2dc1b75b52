/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What a stand-in and the shim say to each other.
 */
#pragma once

#include <stdint.h>

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
	 * same without a memfd is the answer once the host's ps shows them
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
