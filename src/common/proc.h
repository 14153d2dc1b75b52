/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Child processes by pidfd: spawn with an exact descriptor table, wait without SIGCHLD, kill
 * without pid races.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "common/err.h"
#include "common/macros.h"

struct proc_fd {
	int fd;	    /* in the parent; borrowed */
	int target; /* number in the child */
};

struct proc_spec {
	const char *path; /* absolute path, no PATH search */
	char *const *argv;
	/*
	 * Runs in the child instead of a program, which @path then only names in errors; its
	 * result is the exit status. The targets of @fds are 3, 4, ... without a gap then.
	 */
	int (*run)(void *arg);
	void *run_arg;
	char *const *envp;	   /* NULL: the parent's */
	const struct proc_fd *fds; /* everything else is closed; 0-2 default to /dev/null */
	size_t nr_fds;
	const char *cwd; /* NULL: the parent's */
	int netns_fd;	 /* entered before exec; -1: the parent's */
	const int
		*cgroup_fds; /* cgroup.procs descriptors the child writes itself into before exec */
	size_t nr_cgroup_fds;
	bool new_session;
	bool die_with_parent; /* PR_SET_PDEATHSIG SIGKILL */
	bool unfiltered;      /* not ours: without the system call filter of the parent */
	bool keep_caps;	      /* changing its user id does not take capabilities from it */
	/*
	 * It, and what it executes, have no more capabilities than these, a bit for each, as far as
	 * the parent may limit them, and can gain no privileges; NULL: the parent's.
	 */
	const uint64_t *caps;
	/* CLONE_NEW... of clone(2), but not a user namespace: those it gets of its own */
	int namespaces;
	/*
	 * Called in the child last before exec, with its descriptors in place; may do system calls
	 * only, for the parent may have threads. 0 or -errno and words.
	 */
	int (*confine)(const void *arg, struct err *err);
	const void *confine_arg;
};

struct proc {
	pid_t pid; /* 0 when none */
	int pidfd; /* -1 when none */
};

/*
 * Told of a child between its start and the taking of its status: for a process that reaps orphans,
 * which must leave this one alone.
 */
struct proc_watch {
	void (*spawned)(void *arg, pid_t pid); /* the loop has not run since the fork */
	void (*reaped)(void *arg); /* its status was taken, or nobody waits for it any longer */
	void *arg;
};

#define PROC_NULL ((struct proc){ .pid = 0, .pidfd = -1 })

int proc_spawn(const struct proc_spec *spec, struct proc *ret, struct err *err) must_check;
void attr_noreturn proc_child_main(const struct proc_spec *spec, int report);
void proc_deinit(struct proc *proc);
int proc_signal(const struct proc *proc, int signo) must_check;
int proc_open_pidfd(pid_t pid) must_check;
int proc_wait_fiber(struct proc *proc, uint64_t deadline_ns, int *ret_wstatus) must_check;
void proc_end_fiber(struct proc *proc);
int proc_open_same(pid_t pid, uint64_t start_ticks) must_check;
int proc_start_time(pid_t pid, uint64_t *ret_ticks) must_check;
int proc_exit_code(int wstatus);
void proc_watch_spawned(const struct proc_watch *watch, const struct proc *proc);
void proc_watch_reaped(const struct proc_watch *watch);
