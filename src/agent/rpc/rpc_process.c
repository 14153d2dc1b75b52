/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The calls about one process of a container: exec, signals, the exit, streams by RPC, the
 * terminal's size.
 */
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>

#include "agent/container/container.h"
#include "agent/container/process.h"
#include "agent/core/agent.h"
#include "agent/rpc/service.h"
#include "agent/sandbox/agent_container.h"
#include "agent/sandbox/agent_process.h"
#include "common/io.h"
#include "common/log.h"
#include "common/str.h"

/* Largest piece one ReadStdout returns, whatever the peer asks for. */
#define READ_MAX (64U * 1024)

/*
 * Finds and pins the process; with @readable also one that has ended and whose output has not been
 * read to its end.
 */
static int get_process(struct agent *agent, const char *id, const char *exec_id, bool readable,
		       struct agent_container **ret_ctr, struct agent_process **ret,
		       struct err *err)
{
	struct agent_container *ctr = NULL;
	int r = agent_container_get(agent, id, ENOENT, &ctr, err);

	if (r < 0)
		return r;
	struct agent_process *proc = readable ? agent_process_find_readable(ctr, exec_id)
					      : agent_process_find(ctr, exec_id);
	if (!proc) {
		(void)agent_container_unref(ctr);
		return err_set(err, ENOENT, "container %.128s has no process %.128s", id, exec_id);
	}
	*ret_ctr = ctr;
	*ret = agent_process_ref(proc);
	return 0;
}

static int exec_locked(struct agent_container *ctr, const struct agent_exec_process_request *req,
		       struct stdio_conns *conns, struct rpc_request *call, struct err *err)
{
	struct process *p;

	if (!req->process->oom_score_adj)
		req->process->oom_score_adj = &ctr->oom_score_adj;
	if (!agent_process_make_room(ctr, req->exec_id))
		return err_set(err, EEXIST,
			       "container %s: process %s exists, or there are too many", ctr->id,
			       req->exec_id);
	int r = container_exec(ctr->c, req->exec_id, req->process, call->deadline_ns,
			       stdio_conns_no_input(conns), &p, err);
	if (r < 0)
		return r;
	r = agent_process_add(ctr, p, req->exec_id, conns, err);
	if (r < 0)
		(void)process_signal(
			p, SIGKILL); /* it may have ended already; container_destroy() frees it */
	return r;
}

/**
 * process_rpc_exec() - ExecProcess: run a further program; returns when it runs
 * @ctx: agent
 * @call: request
 * @request: struct agent_exec_process_request
 * @response: NULL
 * @err: says why the program could not be run
 *
 * Return: 0 or -errno.
 */
RPC_FN(process_rpc_exec)
{
	const struct agent_exec_process_request *req = request;
	const uint32_t ports[STDIO_NR] = { req->stdin_port, req->stdout_port, req->stderr_port };
	cleanup_container struct agent_container *ctr = NULL;
	cleanup_conns struct stdio_conns conns = STDIO_CONNS_NULL;

	(void)response;
	if (!req->process || !str_is_valid_id(req->exec_id))
		return err_set(err, EINVAL, "exec in %.128s: no process, or an invalid exec id",
			       req->container_id);
	int r = agent_container_get(ctx, req->container_id, ENOENT, &ctr, err);
	if (r >= 0)
		r = stdio_conns_take(ctx, ports, &conns, err);
	if (r >= 0)
		r = agent_container_lock(ctr, call->deadline_ns, err);
	if (r < 0)
		return r;
	r = exec_locked(ctr, req, &conns, call, err);
	fiber_unlock(&ctr->lock);
	return r;
}

/* A mask of /proc/<pid>/status. When nobody can tell: all signals. */
static uint64_t signal_mask(const char *status, const char *name)
{
	const char *line = strstr(status, name);
	uint64_t mask = 0;

	return line && sscanf(line + strlen(name), "%" SCNx64, &mask) == 1 ? mask : UINT64_MAX;
}

/* The kernel shows signals that sigtimedwait(2) waits for as not blocked while it waits. */
static bool waits_for_signals(pid_t pid)
{
	cleanup_free char *text = NULL;
	char path[48];
	long number = -1;

	(void)snprintf(path, sizeof(path), "/proc/%d/syscall", (int)pid);
	return io_read_file_at(AT_FDCWD, path, 4096, &text) > 0 &&
	       sscanf(text, "%ld", &number) == 1 && number == SYS_rt_sigtimedwait;
}

/*
 * Does the process handle the signal? One that blocks it will fetch it by sigwait(3) or
 * signalfd(2).
 */
static bool takes(pid_t pid, int signo)
{
	cleanup_free char *status = NULL;
	char path[48];

	if (waits_for_signals(pid))
		return true;
	(void)snprintf(path, sizeof(path), "/proc/%d/status", (int)pid);
	if (io_read_file_at(AT_FDCWD, path, 64 * 1024, &status) < 0)
		return true;
	uint64_t mask = signal_mask(status, "\nSigCgt:") | signal_mask(status, "\nSigBlk:") |
			signal_mask(status, "\nSigIgn:");
	return mask & (1ULL << (signo - 1)) || waits_for_signals(pid);
}

/*
 * The first process of a PID namespace does not see signals it has no handler for: SIGTERM would be
 * lost.
 */
static int effective_signal(const struct agent_process *proc, int signo)
{
	if (signo == SIGTERM && proc->is_init && proc->p && proc->p->pid > 0 &&
	    !takes(proc->p->pid, signo))
		return SIGKILL;
	return signo;
}

/**
 * process_rpc_signal() - SignalProcess: SIGKILL without an exec id goes to all of the container
 * @ctx: agent
 * @call: request
 * @request: struct agent_signal_process_request
 * @response: NULL
 * @err: filled on failure
 *
 * A process that has ended already is no error. Takes no lock: a kill must not wait for what it is
 * to end.
 *
 * Return: 0 or -errno.
 */
RPC_FN(process_rpc_signal)
{
	const struct agent_signal_process_request *req = request;
	cleanup_container struct agent_container *ctr = NULL;
	int signo = (int)req->signal;
	int r = agent_container_get(ctx, req->container_id, ENOENT, &ctr, err);

	(void)call;
	(void)response;
	if (r < 0)
		return r;
	if (req->signal > (uint32_t)SIGRTMAX)
		return err_set(err, EINVAL, "signal %u does not exist", req->signal);
	if (str_empty(req->exec_id) && signo == SIGKILL)
		return container_kill_all(ctr->c, err);
	struct agent_process *proc = agent_process_find(ctr, req->exec_id);
	if (!proc)
		return err_set(err, ENOENT, "container %s has no process %.128s", ctr->id,
			       req->exec_id);
	r = proc->p ? process_signal(proc->p, effective_signal(proc, signo)) : -ESRCH;
	return r < 0 && r != -ESRCH ? err_set_errno(err, r, "signal %d to %s", signo, proc->exec_id)
				    : 0;
}

/**
 * process_rpc_wait() - WaitProcess: the exit status, once
 * @ctx: agent
 * @call: request
 * @request: struct agent_wait_process_request
 * @response: struct agent_wait_process_response
 * @err: filled on failure
 *
 * All who wait at the time of the exit get it. Output that is still on its way does not delay it.
 *
 * Return: 0 or -errno.
 */
RPC_FN(process_rpc_wait)
{
	const struct agent_wait_process_request *req = request;
	struct agent_wait_process_response *resp = response;
	cleanup_container struct agent_container *ctr = NULL;
	cleanup_process struct agent_process *proc = NULL;
	int code = 0;
	int r = get_process(ctx, req->container_id, req->exec_id, false, &ctr, &proc, err);

	if (r < 0)
		return r;
	r = agent_process_wait(ctr, proc, call->deadline_ns, &code);
	if (r < 0)
		return err_set_errno(err, r, "wait for %s", proc->exec_id);
	resp->status = code;
	return 0;
}

/**
 * process_rpc_write_stdin() - WriteStdin: all bytes, or with none the end of the input
 * @ctx: agent
 * @call: request
 * @request: struct agent_write_stream_request
 * @response: struct agent_write_stream_response
 * @err: filled on failure
 *
 * Return: 0 or -errno.
 */
RPC_FN(process_rpc_write_stdin)
{
	const struct agent_write_stream_request *req = request;
	struct agent_write_stream_response *resp = response;
	cleanup_container struct agent_container *ctr = NULL;
	cleanup_process struct agent_process *proc = NULL;
	int r = get_process(ctx, req->container_id, req->exec_id, false, &ctr, &proc, err);

	if (r < 0)
		return r;
	if (!req->data_len)
		agent_process_close_stdin(proc);
	else
		r = agent_process_write(proc, req->data, req->data_len, call->deadline_ns);
	if (r < 0)
		return err_set_errno(err, r, "stdin of %s", proc->exec_id);
	resp->len = (uint32_t)req->data_len;
	return 0;
}

static int read_stream(struct agent *agent, struct rpc_request *call,
		       const struct agent_read_stream_request *req, enum stdio_index which,
		       struct agent_read_stream_response *resp, struct err *err)
{
	cleanup_container struct agent_container *ctr = NULL;
	cleanup_process struct agent_process *proc = NULL;
	size_t len = MIN(req->len, READ_MAX);
	int r = get_process(agent, req->container_id, req->exec_id, true, &ctr, &proc, err);

	if (r < 0)
		return r;
	if (!len)
		return err_set(err, EINVAL, "read of 0 bytes");
	uint8_t *buf = arena_alloc(call->arena, len);
	if (!buf)
		return err_set(err, ENOMEM, "out of memory");
	ssize_t n = agent_process_read(ctr, proc, which, buf, len);
	if (n < 0)
		return err_set_errno(err, (int)n, "%s of %s",
				     which == STDIO_STDOUT ? "stdout" : "stderr", proc->exec_id);
	resp->data = buf;
	resp->data_len = (size_t)n;
	return 0;
}

/**
 * process_rpc_read_stdout() - ReadStdout: a piece of output, empty at the end
 * @ctx: agent
 * @call: request
 * @request: struct agent_read_stream_request
 * @response: struct agent_read_stream_response
 * @err: filled on failure
 *
 * Return: 0 or -errno.
 */
RPC_FN(process_rpc_read_stdout)
{
	return read_stream(ctx, call, request, STDIO_STDOUT, response, err);
}

/**
 * process_rpc_read_stderr() - ReadStderr: as ReadStdout; of a terminal it is the same stream
 * @ctx: agent
 * @call: request
 * @request: struct agent_read_stream_request
 * @response: struct agent_read_stream_response
 * @err: filled on failure
 *
 * Return: 0 or -errno.
 */
RPC_FN(process_rpc_read_stderr)
{
	return read_stream(ctx, call, request, STDIO_STDERR, response, err);
}

/**
 * process_rpc_close_stdin() - CloseStdin
 * @ctx: agent
 * @call: request
 * @request: struct agent_close_stdin_request
 * @response: NULL
 * @err: filled on failure
 *
 * Return: 0 or -errno.
 */
RPC_FN(process_rpc_close_stdin)
{
	const struct agent_close_stdin_request *req = request;
	cleanup_container struct agent_container *ctr = NULL;
	cleanup_process struct agent_process *proc = NULL;
	int r = get_process(ctx, req->container_id, req->exec_id, false, &ctr, &proc, err);

	(void)call;
	(void)response;
	if (r >= 0)
		agent_process_close_stdin(proc);
	return r;
}

/**
 * process_rpc_resize() - TtyWinResize
 * @ctx: agent
 * @call: request
 * @request: struct agent_tty_win_resize_request
 * @response: NULL
 * @err: filled on failure
 *
 * Return: 0 or -errno (-ENOTTY, UNAVAILABLE, without a terminal).
 */
RPC_FN(process_rpc_resize)
{
	const struct agent_tty_win_resize_request *req = request;
	cleanup_container struct agent_container *ctr = NULL;
	cleanup_process struct agent_process *proc = NULL;
	int r = get_process(ctx, req->container_id, req->exec_id, false, &ctr, &proc, err);

	(void)call;
	(void)response;
	if (r < 0)
		return r;
	if (!proc->terminal || !proc->p)
		return err_set(err, ENOTTY, "process %s has no terminal", proc->exec_id);
	if (req->row > UINT16_MAX || req->column > UINT16_MAX)
		return err_set(err, EINVAL, "a terminal of %u x %u is too large", req->row,
			       req->column);
	r = process_resize(proc->p, req->row, req->column);
	return r < 0 ? err_set_errno(err, r, "resize the terminal of %s", proc->exec_id) : 0;
}
