/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Task.Pids. Clients take the numbers for the host's and look them up in its ps(1), so the guest's
 * own numbers would show them strangers. Behind the command line there are stand-ins, whose number
 * a process of the guest has, and the shadows of the others (runtime/standin/standin_ps.c). Behind containerd
 * there are none: a container is its VMM, or a thread of the shim (sandbox/core/pid_thread.c).
 */
#include "shim/task/task_pids.h"

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
#include "shim/core/shim.h"
#include "shim/cli/standin_server.h"

#define SHOW_MS 5000
#define CHILDREN_MAX 65536

/**
 * task_pids_find() - the process that the guest lists under an id
 * @ctr: container
 * @exec_id: id that the guest gave, "" for a process that nobody asked for
 *
 * Return: the process or NULL.
 */
struct sb_process *task_pids_find(struct sb_container *ctr, const char *exec_id)
{
	if (str_empty(exec_id))
		return NULL;
	return str_eq(exec_id, ctr->id) ? ctr->init : sb_container_find_process(ctr, exec_id);
}

static int add_pid(struct task_pids_response *resp, struct arena *arena, uint32_t pid)
{
	int r = arena_grow(arena, &resp->processes, &resp->nr_processes, sizeof(*resp->processes));

	if (r >= 0)
		resp->processes[resp->nr_processes - 1] = (struct task_process_info){ .pid = pid };
	return r;
}

static int add_own(struct sb_container *ctr, struct task_pids_response *resp, struct arena *arena)
{
	int r = add_pid(resp, arena, ctr->init->host_pid);

	list_for_each(node, &ctr->execs) {
		struct sb_process *exec = list_entry(node, struct sb_process, node);

		if (exec->state != SB_PROCESS_STATE_RUNNING ||
		    exec->host_pid == ctr->init->host_pid)
			continue;
		if (r >= 0)
			r = add_pid(resp, arena, exec->host_pid);
	}
	return r;
}

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

	if (!itself) { /* names one process and no other */
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

/* Only its name: a program that was asked for may have become another one since. */
static void show_exec(struct sb_process *exec, const struct admin_process *p)
{
	cleanup_free struct standin_process *one = calloc(1, sizeof(*one));

	if (one)
		describe(p, true, one);
	if (!one || show(exec, one, 1) < 0)
		log_debug("exec %s ends", exec->exec_id);
}

/* The shadows, by their numbers on the host: the stand-in knows those of its own namespace. */
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
		r = add_pid(resp, arena, (uint32_t)child);
	}
	return r;
}

/* Fails when the guest or the stand-in cannot tell. */
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
		r = add_pid(resp, call->arena, process->host_pid);
		if (process != ctr->init)
			show_exec(process, p);
	}
	if (sb_container_find(sb, id) != ctr)
		return -ESRCH;
	return r < 0 ? r : add_children(ctr->init->host_pid, resp, call->arena);
}

/**
 * task_handle_pids() - handler of Task.Pids
 * @ctx: shim
 * @call: request
 * @request: struct task_pids_request
 * @response: struct task_pids_response
 * @err: filled on failure
 *
 * Return: 0 or -errno.
 */
int task_handle_pids(void *ctx, struct rpc_request *call, const void *request, void *response,
		     struct err *err)
{
	const struct task_pids_request *req = request;
	struct task_pids_response *resp = response;
	struct shim *shim = ctx;
	struct sb_container *ctr = sb_container_find(shim->sandbox, req->id);

	if (!ctr || ctr->deleted)
		return err_set(err, ENOENT, "container %s does not exist", req->id);
	/* By a container that has none, a containerd that was restarted knows what to clean up. */
	bool being_made = ctr->init->state == SB_PROCESS_STATE_CREATED && !ctr->in_guest;
	if (ctr->init->state == SB_PROCESS_STATE_STOPPED || being_made)
		return 0;
	int r = add_shown(shim, ctr, req->id, call, resp);
	if (r < 0) {
		resp->nr_processes = 0;
		ctr = sb_container_find(shim->sandbox, req->id);
		r = ctr ? add_own(ctr, resp, call->arena) : 0;
	}
	return r < 0 ? err_set_errno(err, r, "processes of %s", req->id) : 0;
}
