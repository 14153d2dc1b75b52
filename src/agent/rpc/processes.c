/* SPDX-License-Identifier: Apache-2.0 */
/*
 * ListProcesses of kata.agent.v1.Extra: the processes of a container, for `ps` and `top` on the
 * host. The service is ours; other projects' agents answer UNIMPLEMENTED.
 */
#include "agent/rpc/processes.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "agent/container/container.h"
#include "agent/container/process.h"
#include "agent/core/agent.h"
#include "agent/rpc/service.h"
#include "agent/sandbox/agent_container.h"
#include "agent/sandbox/agent_process.h"
#include "common/io.h"
#include "common/str.h"

#define COMMAND_MAX 4096
#define PROCESSES_MAX 16384
/* tty_nr of terminals, proc_pid_stat(5): major 136-143 are the slaves of ptys. */
#define TTY_MAJOR_PTS 136

static char *tty_name(struct arena *arena, unsigned tty)
{
	unsigned major = (tty >> 8) & 0xfff, minor = (tty & 0xff) | ((tty >> 12) & 0xfff00);

	if (!tty)
		return arena_strdup(arena, "?");
	if (major >= TTY_MAJOR_PTS && major < TTY_MAJOR_PTS + 8)
		return arena_printf(arena, "pts/%u", (major - TTY_MAJOR_PTS) * 256 + minor);
	return arena_printf(arena, "%u:%u", major, minor);
}

static int parse_stat(char *stat, struct arena *arena, struct admin_process *ret)
{
	char *open = strchr(stat, '('),
	     *close = strrchr(stat, ')'); /* the name between may hold anything */
	uint64_t utime, stime, start;
	unsigned ppid, tty;
	int64_t rss;
	char state;

	if (!open || !close || close < open)
		return -EINVAL;
	if (sscanf(close + 1,
		   " %c %u %*d %*d %u %*d %*u %*u %*u %*u %*u %" SCNu64 " %" SCNu64
		   " %*d %*d %*d %*d %*d %*d %" SCNu64 " %*u %" SCNd64,
		   &state, &ppid, &tty, &utime, &stime, &start, &rss) != 7)
		return -EINVAL;
	ret->ppid = ppid;
	ret->cpu_time = utime + stime;
	ret->start_time = start;
	ret->rss = rss > 0 ? (uint64_t)rss * (uint64_t)sysconf(_SC_PAGESIZE) : 0;
	ret->tty = tty_name(arena, tty);
	ret->state = arena_strndup(arena, &state, 1);
	ret->comm = arena_strndup(arena, open + 1, (size_t)(close - open - 1));
	return ret->tty && ret->state && ret->comm ? 0 : -ENOMEM;
}

static int read_command(const char *dir, struct arena *arena, struct admin_process *ret)
{
	char path[288], *text;
	cleanup_free char *data = NULL;

	(void)snprintf(path, sizeof(path), "%s/cmdline", dir);
	ssize_t n = io_read_file_at(AT_FDCWD, path, COMMAND_MAX, &data);
	if (n <= 0) { /* a kernel thread, a zombie, or a very long one */
		ret->command = arena_printf(arena, "[%s]", ret->comm);
		return ret->command ? 0 : -ENOMEM;
	}
	text = arena_memdup(arena, data, (size_t)n + 1);
	if (!text)
		return -ENOMEM;
	for (ssize_t i = 0; i < n - 1; i++)
		if (text[i] == '\0' || text[i] == '\n')
			text[i] = ' ';
	ret->command = text;
	return 0;
}

static int read_uid(const char *dir, struct admin_process *ret)
{
	cleanup_free char *status = NULL;
	char path[288];

	(void)snprintf(path, sizeof(path), "%s/status", dir);
	ssize_t n = io_read_file_at(AT_FDCWD, path, 64 * 1024, &status);
	if (n < 0)
		return n == -ENOENT ? -ESRCH : (int)n;
	const char *line = strstr(status, "\nUid:");
	return line && sscanf(line + 5, "%u", &ret->uid) == 1 ? 0 : -EINVAL;
}

/**
 * processes_read() - describe one process
 * @proc: where procfs is mounted
 * @pid: process
 * @arena: arena of the strings
 * @ret: receives it
 *
 * Return: 0, -ESRCH when it has ended, or -errno.
 */
int processes_read(const char *proc, pid_t pid, struct arena *arena, struct admin_process *ret)
{
	struct admin_process p = { .pid = (uint32_t)pid, .exec_id = "" };
	cleanup_free char *stat = NULL;
	char dir[256], path[288];

	(void)snprintf(dir, sizeof(dir), "%s/%d", proc, (int)pid);
	(void)snprintf(path, sizeof(path), "%s/stat", dir);
	ssize_t n = io_read_file_at(AT_FDCWD, path, 4096, &stat);
	if (n < 0)
		return n == -ENOENT ? -ESRCH : (int)n;
	int r = parse_stat(stat, arena, &p);
	if (r >= 0)
		r = read_uid(dir, &p);
	if (r >= 0)
		r = read_command(dir, arena, &p);
	if (r >= 0)
		*ret = p;
	return r;
}

static void name_process(struct agent_container *ctr, struct admin_process *p)
{
	list_for_each(node, &ctr->processes) {
		struct agent_process *proc = list_entry(node, struct agent_process, node);

		if (proc->p && proc->p->pid == (pid_t)p->pid)
			p->exec_id = proc->is_init ? ctr->id : proc->exec_id;
	}
}

/**
 * processes_rpc_list() - ListProcesses: what runs in a container
 * @ctx: agent
 * @call: request
 * @request: struct admin_processes_request
 * @response: struct admin_processes_response
 * @err: filled on failure
 *
 * Return: 0 or -errno.
 */
RPC_FN(processes_rpc_list)
{
	const struct admin_processes_request *req = request;
	struct admin_processes_response *resp = response;
	cleanup_container struct agent_container *ctr = NULL;
	pid_t *pids = NULL;
	size_t nr_pids = 0;
	int r = agent_container_get(ctx, req->id, ENOENT, &ctr, err);

	if (r >= 0)
		r = container_pids(ctr->c, call->arena, &pids, &nr_pids, err);
	if (r < 0)
		return r;
	for (size_t i = 0; i < MIN(nr_pids, (size_t)PROCESSES_MAX); i++) {
		struct admin_process p;

		r = processes_read("/proc", pids[i], call->arena, &p);
		if (r == -ESRCH)
			continue;
		if (r >= 0)
			r = arena_grow(call->arena, &resp->processes, &resp->nr_processes,
				       sizeof(p));
		if (r < 0)
			return err_set_errno(err, r, "processes of %s", ctr->id);
		name_process(ctr, &p);
		resp->processes[resp->nr_processes - 1] = p;
	}
	return 0;
}
