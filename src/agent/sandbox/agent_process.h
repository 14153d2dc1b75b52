/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A process as the peer knows it: an exec id, an exit status to wait for, and streams, which are
 * either carried over the host's connections ("direct", see agent/stream/stdio_relay.h) or fetched piece
 * by piece by RPC.
 *
 * Life: it can be found by its exec id until WaitProcess has answered. With RPC streams it can then
 * still be read, for a peer that waits and reads at once, until both outputs have ended, the id is
 * used again or the container goes.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "common/err.h"
#include "common/fiber.h"
#include "common/list.h"

struct agent;
struct agent_container;
struct process;
struct rpc_request;

enum stdio_index { STDIO_STDIN, STDIO_STDOUT, STDIO_STDERR, STDIO_NR };

/* The host's connections for a process that is about to be made. */
struct stdio_conns {
	bool direct;	   /* some port was given */
	int fds[STDIO_NR]; /* -1: none */
};

#define STDIO_CONNS_NULL ((struct stdio_conns){ .fds = { -1, -1, -1 } })

struct agent_process {
	struct list node; /* in agent_container.processes */
	unsigned refs;
	struct process *p; /* NULL once the container has been destroyed */
	char *exec_id;
	bool is_init, terminal, direct, waited;
	unsigned nr_waiters;	 /* fibers inside process_wait() for @p */
	int fds[STDIO_NR];	 /* ours, of an RPC process; -1: closed or direct */
	bool ended[STDIO_NR];	 /* the peer has read the end */
	unsigned nr_writers;	 /* fibers that write to fds[STDIO_STDIN] */
	bool close_stdin;	 /* by the last writer */
	uint64_t drain_until_ns; /* after the exit; LOOP_FOREVER before */
	int exit_fd;		 /* a pidfd */
	struct loop_source *exit_source;
	struct list readers;
};

int stdio_conns_take(struct agent *agent, const uint32_t ports[STDIO_NR], struct stdio_conns *ret,
		     struct err *err) must_check;
void stdio_conns_close(struct stdio_conns *conns);
bool stdio_conns_no_input(const struct stdio_conns *conns);
#define cleanup_conns cleanup_with(stdio_conns_close)

int agent_process_add(struct agent_container *ctr, struct process *p, const char *exec_id,
		      struct stdio_conns *conns, struct err *err) must_check;
struct agent_process *agent_process_find(struct agent_container *ctr, const char *exec_id);
struct agent_process *agent_process_find_readable(struct agent_container *ctr, const char *exec_id);
/*
 * Makes room for a process with this id: false when one is there that has not been waited for, or
 * too many are.
 */
bool agent_process_make_room(struct agent_container *ctr, const char *exec_id) must_check;
struct agent_process *agent_process_ref(struct agent_process *proc);
struct agent_process *agent_process_unref(struct agent_process *proc);
DEFINE_CLEANUP(struct agent_process, agent_process_unref)
#define cleanup_process cleanup_with(cleanup_agent_process_unref)
/* The container's kernel part goes: nobody can find its processes any more. */
void agent_process_drop_all(struct agent_container *ctr);

/* In fibers; the caller holds a reference. */
int agent_process_wait(struct agent_container *ctr, struct agent_process *proc,
		       uint64_t deadline_ns, int *ret_code) must_check;
ssize_t agent_process_read(struct agent_container *ctr, struct agent_process *proc,
			   enum stdio_index which, void *buf, size_t len) must_check;
int agent_process_write(struct agent_process *proc, const void *data, size_t len,
			uint64_t deadline_ns) must_check;
void agent_process_close_stdin(struct agent_process *proc);
