/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Processes of containers.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#include "agent/util/child.h"
#include "common/err.h"
#include "common/fiber.h"
#include "common/list.h"

struct birth;
struct container;
struct launch_plan;

/*
 * One process of a container: its init or an exec. Owned by the container, freed by
 * process_remove() or with it.
 */
struct process {
	struct list node; /* in container.processes */
	struct container *container;
	char *exec_id; /* the container's id for init */
	pid_t pid; /* in our pid namespace, 0 once it was reaped; signals go by process_signal() */
	pid_t pid_seen; /* the same, but kept for ever */
	int pidfd;
	bool terminal;
	/*
	 * Our ends, non-blocking and owned here until somebody takes them with TAKE_FD(); -1 when
	 * there is none.
	 */
	int stdin_fd, stdout_fd, stderr_fd;
	int tty_fd; /* pty master, used for both directions when terminal */
	bool exited;
	int exit_code;		     /* 0-255, 128 + signal; valid when exited */
	int wstatus;		     /* the same in waitpid(2)'s form */
	struct fiber_cond exit_cond; /* broadcast when exited becomes true, or birth NULL */
	struct birth *birth; /* where the child is noted that takes its place; NULL: it is itself */
	int signo;	     /* sent before that, 0: none */
	struct loop_source *watcher; /* private */
	struct child child;	     /* private */
	unsigned nr_waiters;	     /* private */
};

int process_signal(struct process *p, int signo) must_check;
int process_wait(struct process *p, uint64_t deadline_ns, int *ret_exit_code) must_check;
int process_resize(struct process *p, unsigned rows, unsigned columns) must_check;
void process_remove(struct process *p); /* of an exec that has exited and that nobody waits for */

/* Private to src/agent/container. */
int process_new(struct container *c, const char *exec_id, pid_t pid, int pidfd_consume,
		struct process **ret) must_check;
void process_free(struct process *p);
void process_expect(struct process *p, struct birth *birth_consume);
int process_wait_born(struct process *p, uint64_t deadline_ns) must_check;
int process_open_stdio(struct process *p, struct launch_plan *launch, struct err *err) must_check;
