/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The processes of a container as a host with stand-ins sees them. The stand-in of the container
 * makes a child for each process of the guest that has no stand-in of its own, its shadow; see
 * runtime/standin/standin_ps.c for the other end.
 */
#include "shim/cli/cli_pids.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

#include "common/fd.h"
#include "common/io.h"
#include "common/log.h"
#include "common/str.h"
#include "kata/standin.h"
#include "rpc/pb/admin_msg.h"
#include "rpc/pb/task_msg.h"
#include "shim/cli/standin_server.h"
#include "shim/core/shim.h"
#include "shim/task/task_pids.h"

#define SHOW_MS 5000
#define CHILDREN_MAX 65536

/* A stand-in has the host's root for its user: a process of another one needs a shadow. */
static bool is_shown_by_standin(struct sb_container *ctr, const struct admin_process *p)
{
	const struct sb_process *process = task_pids_find(ctr, p->exec_id);

	return process && process->user && p->uid == 0;
}

static void describe(const struct admin_process *p, bool itself, struct standin_process *ret)
{
	struct standin_process d = { .uid = p->uid, .itself = itself };
	char *space;

	if (!itself) { /* the two together name one process for good */
		d.pid = p->pid;
		d.start = p->start_time;
	}
	(void)snprintf(d.comm, sizeof(d.comm), "%s", p->comm);
	(void)snprintf(d.command, sizeof(d.command), "%s", p->command);
	d.command_len = (uint32_t)strlen(d.command) + 1;
	/* The guest has joined the arguments; the first one is the program. */
	space = strchr(d.command, ' ');
	if (space)
		*space = '\0';
	*ret = d;
}

static size_t describe_all(struct sb_container *ctr, const struct admin_processes_response *list,
			   struct standin_process *out)
{
	size_t nr = 0, i;

	for (i = 0; i < list->nr_processes && nr < STANDIN_PROCESSES_MAX; i++) {
		const struct admin_process *p = &list->processes[i];

		if (task_pids_find(ctr, p->exec_id) == ctr->init)
			describe(p, true, &out[nr++]);
		if (!is_shown_by_standin(ctr, p) && nr < STANDIN_PROCESSES_MAX)
			describe(p, false, &out[nr++]);
	}
	if (i < list->nr_processes)
		log_warn("container %s has %zu processes: the host is shown %d", ctr->id,
			 list->nr_processes, STANDIN_PROCESSES_MAX);
	return nr;
}

static int show(struct sb_process *process, const struct standin_process *list, size_t nr)
{
	cleanup_close int fd = neg_errno(memfd_create("processes", MFD_CLOEXEC));
	int r = fd < 0 ? fd : io_write_full(fd, list, nr * sizeof(*list));

	if (r < 0)
		return r;
	process = sb_process_ref(process);
	r = standin_show(process, fd, nr, loop_deadline_ms(SHOW_MS));
	(void)sb_process_unref(process);
	return r;
}

static int show_all(struct sb_container *ctr, const struct admin_processes_response *list)
{
	cleanup_free struct standin_process *all = calloc(STANDIN_PROCESSES_MAX, sizeof(*all));

	return all ? show(ctr->init, all, describe_all(ctr, list, all)) : -ENOMEM;
}

/* The stand-in takes the name of the guest's program, which execve(2) may have changed. */
static void show_exec(struct sb_process *exec, const struct admin_process *p)
{
	cleanup_free struct standin_process *one = calloc(1, sizeof(*one));

	if (one)
		describe(p, true, one);
	if (!one || show(exec, one, 1) < 0)
		log_debug("exec %s ends", exec->exec_id);
}

/*
 * The shadows are the stand-in's children. It knows their numbers in its own namespace only, so the
 * host's are read from /proc.
 */
static int add_children(uint32_t pid, struct task_pids_response *resp, struct arena *arena)
{
	cleanup_free char *text = NULL;
	char path[64], *end;

	(void)snprintf(path, sizeof(path), "/proc/%u/task/%u/children", pid, pid);
	int r = (int)io_read_file_at(AT_FDCWD, path, CHILDREN_MAX, &text);
	for (char *next = text; r >= 0; next = end) {
		unsigned long child = strtoul(next, &end, 10);

		if (end == next)
			return 0;
		r = task_pids_add(resp, arena, (uint32_t)child);
	}
	return r;
}

/* Fails when the guest or the stand-in does not answer. */
static int add_shown(struct shim *shim, struct sb_container *ctr, const char *id,
		     struct rpc_request *call, struct task_pids_response *resp)
{
	const struct admin_processes_request req = { .id = id };
	struct admin_processes_response list = { 0 };
	struct sandbox *sb = shim->sandbox;
	struct err err = ERR_NULL;

	if (!ctr->init->user || !sb->agent)
		return -ESRCH;
	int r = rpc_call(sb->agent, &extra_list_processes, &req, &list, call->arena,
			 sandbox_request_deadline(sb), &err);
	/* It may have been deleted while we waited, here and below. */
	if (r < 0 || sb_container_find(sb, id) != ctr)
		return -ESRCH;
	r = show_all(ctr, &list);
	for (size_t i = 0; i < list.nr_processes && r >= 0; i++) {
		const struct admin_process *p = &list.processes[i];

		if (sb_container_find(sb, id) != ctr)
			return -ESRCH;
		if (!is_shown_by_standin(ctr, p))
			continue;
		struct sb_process *process = task_pids_find(ctr, p->exec_id);
		r = task_pids_add(resp, call->arena, process->host_pid);
		if (process != ctr->init)
			show_exec(process, p);
	}
	if (sb_container_find(sb, id) != ctr)
		return -ESRCH;
	return r < 0 ? r : add_children(ctr->init->host_pid, resp, call->arena);
}

/**
 * cli_pids_list() - the host's numbers of a container's processes
 * @shim: shim
 * @ctr: container; it may be deleted meanwhile
 * @call: request; holds the numbers
 * @resp: receives them
 *
 * When the guest or the stand-in does not answer, only processes that have a stand-in are listed.
 *
 * Return: 0 or -ENOMEM.
 */
int cli_pids_list(struct shim *shim, struct sb_container *ctr, struct rpc_request *call,
		  struct task_pids_response *resp)
{
	const char *id = arena_strdup(call->arena, ctr->id);
	int r = id ? add_shown(shim, ctr, id, call, resp) : -ENOMEM;

	if (r >= 0 || !id)
		return r;
	resp->nr_processes = 0;
	ctr = sb_container_find(shim->sandbox, id);
	return ctr ? task_pids_add_own(ctr, resp, call->arena) : 0;
}
