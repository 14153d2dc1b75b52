/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What the command line and the shim agree on: files of a state directory, inherited descriptors,
 * metadata of calls.
 */
#pragma once

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

/* Metadata of a Create or Exec that the command line sends. */
#define KATA_META_CLI "kata-cli"		 /* "1": no containerd behind this call */
#define KATA_META_ROOT "kata-root"		 /* the state root, an absolute path */
#define KATA_META_STANDIN_PID "kata-standin-pid" /* decimal; the shim may also ask SO_PEERCRED */
#define KATA_META_SYSTEMD_CGROUP \
	"kata-systemd-cgroup" /* "1": linux.cgroupsPath is slice:prefix:name */

/* Default root of the state directories of the command line. */
#define KATA_DEFAULT_ROOT "/run/kata"

/* The mark of the shim's timeline with which the start of a container ends. */
#define KATA_TIMELINE_END "container created"
