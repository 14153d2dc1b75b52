/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What a manager may do with a process: signals, the size of its terminal, the end of its input.
 */
#include "sandbox/lifecycle/process_verbs.h"

#include <errno.h>
#include <signal.h>
#include <stdio.h>

#include "common/fd.h"
#include "common/log.h"
#include "rpc/pb/agent_msg.h"
#include "rpc/ttrpc/rpc.h"
#include "sandbox/core/container.h"
#include "sandbox/core/sandbox.h"
#include "sandbox/vsock/relay.h"

/* How long the guest may take to kill a container, less than the command line waits. */
#define SB_PROCESS_KILL_MS 8000

/* And how long a start may take before its process is signalled all the same. */
#define SB_PROCESS_START_MS 2000

/* SIGKILL must always work: when the guest does not answer, the VM is killed. */
static int kill_guest(struct sandbox *sb)
{
	if (!*sb->end.exit_reason)
		(void)snprintf(sb->end.exit_reason, sizeof(sb->end.exit_reason),
			       "the guest did not answer SIGKILL");
	log_warn("%s: killing the VM", sb->end.exit_reason);
	return neg_errno(kill(sb->vmm_pid, SIGKILL)); /* an unreaped child's pid is its own */
}

static bool is_alone(const struct sb_container *ctr)
{
	return ctr->node.next == &ctr->sandbox->containers &&
	       ctr->node.prev == &ctr->sandbox->containers;
}

static int signal_started(struct sb_process *process, int signo, bool all, struct err *err)
{
	struct sb_container *ctr = process->container;
	bool wants_end = signo == SIGKILL || signo == SIGTERM || all;

	if (!ctr) /* deleted since */
		return wants_end ? 0 : err_set(err, ESRCH, "the container is gone");
	struct sandbox *sb = ctr->sandbox;

	if (process->state == SB_PROCESS_STATE_STOPPED || !sb->agent) {
		if (wants_end)
			return 0;
		return err_set(err, ESRCH, "container not running: process of %s already finished",
			       ctr->id);
	}
	if (process->state == SB_PROCESS_STATE_CREATED && *process->exec_id) {
		sb_process_exited(process, 128 + signo); /* it has no process in the guest yet */
		return 0;
	}
	struct agent_signal_process_request req = {
		.container_id = ctr->id,
		.exec_id = process->exec_id,
		.signal = (uint32_t)signo,
	};
	bool kill_all = signo == SIGKILL && !*process->exec_id && is_alone(ctr);
	uint64_t deadline_ns = sandbox_request_deadline(sb);
	if (kill_all)
		deadline_ns = MIN(deadline_ns, loop_deadline_ms(SB_PROCESS_KILL_MS));
	int r = rpc_call(sb->agent, &agent_signal_process, &req, NULL, NULL, deadline_ns, err);
	if (r == -ETIMEDOUT && kill_all && sb->state == SANDBOX_STATE_RUNNING && !sb->end.gone &&
	    sb->vmm_pid > 0) {
		*err = ERR_NULL;
		return kill_guest(sb);
	}
	/* The VM may end with its last process before it has answered. */
	if (r < 0 && r != -ETIMEDOUT && wants_end && process->state == SB_PROCESS_STATE_STOPPED) {
		*err = ERR_NULL;
		return 0;
	}
	/* No fiber follows it before its start, and it cannot survive SIGKILL. */
	if (r >= 0 && signo == SIGKILL && process->state == SB_PROCESS_STATE_CREATED)
		sb_process_exited(process, 128 + SIGKILL);
	return r;
}

/**
 * sb_process_signal() - deliver a signal
 * @process: process
 * @signo: signal
 * @all: to every process of the container; the agent knows that for SIGKILL on the first process
 *	only
 * @err: filled on failure
 *
 * One that is being started is signalled afterwards: only then does the guest know it for sure.
 *
 * A process that has ended is no error for SIGKILL and SIGTERM, which want just that; -ESRCH
 * otherwise. SIGKILL for the one container of a guest that does not answer ends the VM.
 *
 * Return: 0 or -errno.
 */
int sb_process_signal(struct sb_process *process, int signo, bool all, struct err *err)
{
	struct sb_process *held = sb_process_ref(process);
	/* A start that hangs must not hold SIGKILL up for long. */
	int r = sb_process_wait_start(held, loop_deadline_ms(SB_PROCESS_START_MS));

	if (r >= 0 || r == -ETIMEDOUT)
		r = signal_started(held, signo, all, err);
	else
		(void)err_set_errno(err, r, "wait for a start");
	(void)sb_process_unref(held);
	return r;
}

/**
 * sb_process_resize() - set the size of the terminal, now or when the process starts
 * @process: process
 * @rows: lines
 * @columns: characters
 * @err: filled on failure
 *
 * Return: 0 or -errno.
 */
int sb_process_resize(struct sb_process *process, unsigned rows, unsigned columns, struct err *err)
{
	struct sb_container *ctr = process->container;

	process->rows = rows;
	process->columns = columns;
	if (process->state == SB_PROCESS_STATE_STOPPED || !ctr->sandbox->agent)
		return 0;
	if (process->state == SB_PROCESS_STATE_CREATED && (*process->exec_id || !ctr->in_guest))
		return 0;
	struct agent_tty_win_resize_request req = {
		.container_id = ctr->id,
		.exec_id = process->exec_id,
		.row = rows,
		.column = columns,
	};
	return rpc_call(ctr->sandbox->agent, &agent_tty_win_resize, &req, NULL, NULL,
			sandbox_request_deadline(ctr->sandbox), err);
}

/**
 * sb_process_close_stdin() - end the process's input after what has been sent
 * @process: process
 * @err: filled on failure
 *
 * The reader side of a fifo has its own end; a manager that keeps the writer open says CloseIO
 * instead. It may do so before the process has started, and then what it sent is there to be read.
 *
 * Return: 0.
 */
int sb_process_close_stdin(struct sb_process *process, struct err *err)
{
	(void)err;
	process->stdin_closed = true;
	relay_end_source(process->relays[0]); /* NULL: sb_process_connect_streams() ends it */
	return 0;
}
