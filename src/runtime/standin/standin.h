/* SPDX-License-Identifier: Apache-2.0 */
/*
 * DOC: Stand-ins
 *
 * A stand-in is the host process that managers take for the container's: it has the pid they know,
 * holds the network namespace they configure, and exits with the status they wait for. It is forked
 * before the verb has read anything, so that it keeps next to no memory, and then goes through
 * these steps, each of them started by the verb:
 *
 *   fork    -> new session, only stdio and the control socket open, waiting
 *   set up  -> in its network namespace, on its terminal, registered with the shim
 *   commit  -> lives on without its parent
 *
 * A container's stand-in sees the container's root file system as its own and itself as PID 1.
 * Managers enter the namespaces of the pid they know, for example to copy files: they must find the
 * container there, not the host.
 *
 * A further process's stand-in is in the PID namespace of the container's: the kernel ends it with
 * that one, and tells of its end first, as managers expect.
 *
 * If the verb dies before it commits, the stand-in ends, and with it (the shim sees its connection
 * close) whatever the shim has made for it. Afterwards it ends with the shim's EXIT message, with
 * 137 when the shim goes without one: the VM ends with it, and that kills the process.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#include "common/err.h"

#define STANDIN_TITLE_MAX 1024
#define STANDIN_EXIT_LOST 137 /* 128 + SIGKILL: the shim went, and the process with it */

/* The verb's end of a stand-in. STANDIN_PROC_NULL is the start state. */
struct standin_proc {
	pid_t pid; /* 0 when none */
	int pidfd;
	int control;
	bool committed;
};

#define STANDIN_PROC_NULL ((struct standin_proc){ .pidfd = -1, .control = -1 })

enum standin_netns {
	STANDIN_NETNS_KEEP, /* the caller's */
	STANDIN_NETNS_NEW,
	STANDIN_NETNS_JOIN,
};

struct standin_params {
	const char *key;
	enum standin_netns netns;
	int netns_fd;	/* for JOIN */
	int sandbox_fd; /* state directory with the shim's socket */
	int pidns_fd;	/* PID namespace to live in, -1: the caller's */
	int root_fd;	/* detached mount of the container's root, -1: stays in the host's */
	int tty_fd;	/* slave of the terminal to live on, -1: keeps the inherited stdio */
	bool terminal;	/* the process has a terminal, be it @tty_fd or the caller's own */
	unsigned short rows, columns;
	char *const *args; /* NULL-terminated, for the title */
};

/* @isolated: with PID and mount namespaces of its own, for a container's first process. */
int standin_fork(bool isolated, struct standin_proc *ret, struct err *err) must_check;
int standin_set_up(struct standin_proc *standin, const struct standin_params *params,
		   uint64_t deadline_ns, struct err *err) must_check;
int standin_commit(struct standin_proc *standin, struct err *err) must_check;
int standin_wait(struct standin_proc *standin, uint64_t deadline_ns) must_check;
void standin_deinit(struct standin_proc *standin);

#define cleanup_standin cleanup_with(standin_deinit)
