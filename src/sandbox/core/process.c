/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The process object and its states. What is done with one is in lifecycle/.
 */
#include "sandbox/core/process.h"

#include <errno.h>
#include <stdlib.h>

#include "common/fd.h"
#include "common/log.h"
#include "sandbox/core/container.h"
#include "sandbox/core/sandbox.h"
#include "sandbox/vsock/relay.h"

static const char *const state_names[] = { "created", "running", "stopped" };
_Static_assert(ARRAY_SIZE(state_names) == SB_PROCESS_STATE_COUNT_, "one name per state");

/**
 * sb_process_state_name() - a state as the OCI specification writes it
 * @state: state
 *
 * Return: static string.
 */
const char *sb_process_state_name(enum sb_process_state state)
{
	return state_names[state];
}

/**
 * sb_process_set_state() - the one setter
 * @process: process
 * @state: new state
 */
void sb_process_set_state(struct sb_process *process, enum sb_process_state state)
{
	log_debug("process %s%s%s: %s -> %s", process->container ? process->container->id : "?",
		  *process->exec_id ? "/" : "", process->exec_id, state_names[process->state],
		  state_names[state]);
	process->state = state;
}

/**
 * sb_process_new() - make a process object
 * @container: container it belongs to
 * @exec_id: copied; "" for the first process
 * @ret: receives it with one reference
 *
 * Return: 0 or -ENOMEM.
 */
int sb_process_new(struct sb_container *container, const char *exec_id, struct sb_process **ret)
{
	struct sb_process *process = calloc(1, sizeof(*process));

	if (!process || arena_new(&process->arena) < 0) {
		free(process);
		return -ENOMEM;
	}
	process->refs = 1;
	process->container = container;
	process->io = SB_PROCESS_IO_NULL;
	list_init(&process->node);
	fiber_cond_init(&process->exited);
	fiber_cond_init(&process->start_ended);
	process->exec_id = arena_strdup(process->arena, exec_id);
	if (!process->exec_id) {
		(void)sb_process_unref(process);
		return -ENOMEM;
	}
	*ret = process;
	return 0;
}

/**
 * sb_process_ref() - keep a process across a wait
 * @process: process
 *
 * Return: @process.
 */
struct sb_process *sb_process_ref(struct sb_process *process)
{
	process->refs++;
	return process;
}

/**
 * sb_process_io_close() - close what is open
 * @io: descriptors; all -1 afterwards
 */
void sb_process_io_close(struct sb_process_io *io)
{
	for (size_t i = 0; i < ARRAY_SIZE(io->fds); i++)
		io->fds[i] = fd_close(io->fds[i]);
}

/**
 * sb_process_unref() - give a reference back
 * @process: process or NULL; released with the last one
 *
 * Return: NULL.
 */
struct sb_process *sb_process_unref(struct sb_process *process)
{
	if (!process || --process->refs)
		return NULL;
	sb_process_drop_streams(process);
	(void)arena_free(process->arena);
	free(process);
	return NULL;
}

/**
 * sb_process_drop_streams() - close everything that is open, at once
 * @process: process
 */
void sb_process_drop_streams(struct sb_process *process)
{
	sb_process_io_close(&process->io);
	for (size_t i = 0; i < ARRAY_SIZE(process->relays); i++)
		process->relays[i] = relay_free(process->relays[i]);
}

/**
 * sb_process_exited() - record the end of a process and tell everybody
 * @process: process; nothing happens if it is STOPPED already
 * @exit_status: 0-255
 *
 * The client reads its streams to their ends, and of a process that has never run nobody else closes
 * them.
 */
void sb_process_exited(struct sb_process *process, int exit_status)
{
	struct sb_container *ctr = process->container;

	if (process->state == SB_PROCESS_STATE_STOPPED)
		return;
	if (process->state == SB_PROCESS_STATE_CREATED)
		sb_process_drop_streams(process);
	process->exit_status = exit_status;
	(void)clock_gettime(CLOCK_REALTIME, &process->exited_at); /* cannot fail for this clock */
	sb_process_set_state(process, SB_PROCESS_STATE_STOPPED);
	fiber_cond_broadcast(&process->exited);
	if (ctr)
		ctr->sandbox->events->process_exited(ctr->sandbox->events_arg, process);
}

/**
 * sb_process_wait() - wait for the end
 * @process: process; the caller holds a reference
 * @deadline_ns: absolute time
 *
 * Return: 0, -ETIMEDOUT or -ECANCELED.
 */
int sb_process_wait(struct sb_process *process, uint64_t deadline_ns)
{
	while (process->state != SB_PROCESS_STATE_STOPPED) {
		int r = fiber_cond_wait(&process->exited, deadline_ns);

		if (r < 0)
			return r;
	}
	return 0;
}

/**
 * sb_process_set_starting() - a start begins or ends
 * @process: process in state CREATED when it begins
 * @starting: which of the two
 */
void sb_process_set_starting(struct sb_process *process, bool starting)
{
	process->starting = starting;
	if (!starting)
		fiber_cond_broadcast(&process->start_ended);
}

/**
 * sb_process_wait_start() - let a start that is under way come to its end
 * @process: process; the caller holds a reference
 * @deadline_ns: absolute time
 *
 * Return: 0, -ETIMEDOUT or -ECANCELED.
 */
int sb_process_wait_start(struct sb_process *process, uint64_t deadline_ns)
{
	while (process->starting) {
		int r = fiber_cond_wait(&process->start_ended, deadline_ns);

		if (r < 0)
			return r;
	}
	return 0;
}
