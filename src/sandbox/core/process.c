/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Processes: streams, the fiber that follows each to its end, signals.
 */
#include "sandbox/core/process.h"

#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/fd.h"
#include "common/log.h"
#include "kata/guest.h"
#include "rpc/pb/agent_msg.h"
#include "rpc/ttrpc/rpc.h"
#include "sandbox/core/container.h"
#include "sandbox/vsock/relay.h"
#include "sandbox/core/sandbox.h"

/*
 * How long an exit waits for output that somebody else still holds open, as a child left behind by
 * an exec may.
 */
#define SB_PROCESS_DRAIN_MS 500
/* What execs have for their ends when the container's first process has ended. */
#define SB_PROCESS_EXECS_MS 1000
/* How long the guest may take to kill a container, less than the command line waits. */
#define SB_PROCESS_KILL_MS 8000
/* Exit status when nobody can tell, as runc and containerd use it. */
#define SB_PROCESS_STATUS_UNKNOWN 255

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

static int connect_stream(struct sb_process *process, int index, uint64_t deadline_ns,
			  uint32_t *ret_port, struct err *err)
{
	static const char *const names[] = { "stdin", "stdout", "stderr" };
	struct sandbox *sb = process->container->sandbox;
	int guest = vsock_dial(&sb->vsock, KATA_PORT_STREAM, deadline_ns, ret_port, err);

	if (guest < 0)
		return err_wrap(err, "connect %s", names[index]);
	int host = TAKE_FD(process->io.fds[index]);
	if (!process->io.exclusive)
		host = relay_prepare_fd(host, index > 0);
	if (host < 0) {
		(void)fd_close(guest);
		return err_set_errno(err, host, "open %s", names[index]);
	}
	int r = index == 0 ? relay_start(sb->loop, names[0], host, guest, RELAY_SHUTDOWN_SINK,
					 &process->relays[0])
			   : relay_start(sb->loop, names[index], guest, host, RELAY_CLOSE_SINK,
					 &process->relays[index]);
	return r < 0 ? err_set_errno(err, r, "relay %s", names[index]) : 0;
}

/**
 * sb_process_connect_streams() - open one guest connection per stream and begin to copy
 * @process: process in state CREATED with its io set
 * @deadline_ns: absolute time
 * @ret: the ports by which the guest knows the connections
 * @err: says which stream failed
 *
 * Return: 0 or -errno.
 */
int sb_process_connect_streams(struct sb_process *process, uint64_t deadline_ns,
			       struct sb_process_ports *ret, struct err *err)
{
	struct sb_process_ports ports = { { KATA_STREAM_NONE, KATA_STREAM_NONE,
					    KATA_STREAM_NONE } };

	/*
	 * A terminal has one stream out. A kept end would hide the terminal's hang-up from who
	 * holds its master.
	 */
	if (process->io.terminal)
		process->io.fds[2] = fd_close(process->io.fds[2]);
	for (int i = 0; i < 3; i++) {
		if (process->io.fds[i] < 0)
			continue;
		int r = connect_stream(process, i, deadline_ns, &ports.port[i], err);
		if (r < 0)
			return r;
	}
	*ret = ports;
	return 0;
}

/**
 * sb_process_exited() - record the end of a process and tell everybody
 * @process: process; nothing happens if it is STOPPED already
 * @exit_status: 0-255
 */
void sb_process_exited(struct sb_process *process, int exit_status)
{
	struct sb_container *ctr = process->container;

	if (process->state == SB_PROCESS_STATE_STOPPED)
		return;
	process->exit_status = exit_status;
	(void)clock_gettime(CLOCK_REALTIME, &process->exited_at); /* cannot fail for this clock */
	sb_process_set_state(process, SB_PROCESS_STATE_STOPPED);
	fiber_cond_broadcast(&process->exited);
	if (ctr)
		ctr->sandbox->events->process_exited(ctr->sandbox->events_arg, process);
}

static int ask_exit_status(struct sb_process *process)
{
	struct sb_container *ctr = process->container;
	struct sandbox *sb =
		ctr->sandbox; /* outlives the container, which may be deleted meanwhile */
	struct agent_wait_process_request req = { .container_id = ctr->id,
						  .exec_id = process->exec_id };
	struct agent_wait_process_response resp = { 0 };
	struct err err = ERR_NULL;

	if (!sb->agent)
		return SB_PROCESS_STATUS_UNKNOWN;
	int r = rpc_call(sb->agent, &agent_wait_process, &req, &resp, NULL, LOOP_FOREVER, &err);
	if (r < 0) {
		log_debug("wait for a process: %s", err.text);
		if (r == -ECONNRESET)
			sandbox_await_death(sb);
		/* The VM is gone, and its processes were killed with it. */
		return *sb->exit_reason ? 128 + SIGKILL : SB_PROCESS_STATUS_UNKNOWN;
	}
	/* A guest's number is not to be trusted with more than a byte. */
	return resp.status < 0 || resp.status > 255 ? SB_PROCESS_STATUS_UNKNOWN : resp.status;
}

static struct sb_process *find_running_exec(const struct sb_container *ctr)
{
	list_for_each(node, &ctr->execs) {
		struct sb_process *exec = list_entry(node, struct sb_process, node);

		if (exec->state == SB_PROCESS_STATE_RUNNING)
			return exec;
	}
	return NULL;
}

/*
 * The end of a container's first process is the end of the others. As on a host, where the kernel
 * sees to it, their ends are told first: managers forget the container with its first process.
 */
static void await_execs(struct sb_process *init)
{
	uint64_t deadline_ns = loop_deadline_ms(SB_PROCESS_EXECS_MS);
	struct sb_process *exec;

	/* The container may be deleted while this waits. */
	while (init->container && (exec = find_running_exec(init->container))) {
		struct sb_process *held = sb_process_ref(exec);
		int r = sb_process_wait(held, deadline_ns);

		(void)sb_process_unref(held);
		if (r < 0) /* one that is not of the container's PID namespace lives on */
			return;
	}
}

static void follow_main(void *arg)
{
	struct sb_process *process = arg;
	int status = ask_exit_status(process);
	uint64_t deadline_ns = loop_deadline_ms(SB_PROCESS_DRAIN_MS);

	process->relays[0] = relay_free(process->relays[0]);
	/* Output that has been written comes before the news of the exit. */
	for (size_t i = 1; i < ARRAY_SIZE(process->relays); i++)
		if (relay_wait(process->relays[i], deadline_ns) < 0)
			log_debug("stream %zu outlives its process", i);
	if (!*process->exec_id)
		await_execs(process);
	sb_process_exited(process, status);
	(void)sb_process_unref(process);
}

/**
 * sb_process_follow() - note that a process runs and watch it in a fiber of its own
 * @process: process the agent has started
 * @err: filled when memory is short
 *
 * Return: 0 or -ENOMEM.
 */
int sb_process_follow(struct sb_process *process, struct err *err)
{
	struct sb_process *held = sb_process_ref(process);
	int r = fiber_spawn(process->container->sandbox->loop, "follow", follow_main, held, NULL);

	if (r < 0) {
		(void)sb_process_unref(held);
		return err_set_errno(err, r, "follow process");
	}
	(void)clock_gettime(CLOCK_REALTIME, &process->started_at); /* cannot fail for this clock */
	sb_process_set_state(process, SB_PROCESS_STATE_RUNNING);
	/* From here, so that nobody hears of the exit first. */
	process->container->sandbox->events->process_started(
		process->container->sandbox->events_arg, process);
	return 0;
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

/* SIGKILL needs nobody's consent: a guest that does not answer is killed as a whole. */
static int kill_guest(struct sandbox *sb)
{
	if (!*sb->exit_reason)
		(void)snprintf(sb->exit_reason, sizeof(sb->exit_reason),
			       "the guest did not answer SIGKILL");
	log_warn("%s: killing the VM", sb->exit_reason);
	return neg_errno(kill(sb->vmm_pid, SIGKILL)); /* an unreaped child's pid is its own */
}

static bool is_alone(const struct sb_container *ctr)
{
	return ctr->node.next == &ctr->sandbox->containers &&
	       ctr->node.prev == &ctr->sandbox->containers;
}

/**
 * sb_process_signal() - deliver a signal
 * @process: process
 * @signo: signal
 * @all: to every process of the container; the agent knows that for SIGKILL on the first process
 *	only
 * @err: filled on failure
 *
 * A process that has ended is no error for SIGKILL and SIGTERM, which want just that; -ESRCH
 * otherwise. SIGKILL for the one container of a guest that does not answer ends the VM.
 *
 * Return: 0 or -errno.
 */
int sb_process_signal(struct sb_process *process, int signo, bool all, struct err *err)
{
	struct sb_container *ctr = process->container;
	struct sandbox *sb = ctr->sandbox;

	bool wants_end = signo == SIGKILL || signo == SIGTERM || all;

	if (process->state == SB_PROCESS_STATE_STOPPED || !sb->agent) {
		if (wants_end)
			return 0;
		return err_set(err, ESRCH, "container not running: process of %s already finished",
			       ctr->id);
	}
	if (process->state == SB_PROCESS_STATE_CREATED && *process->exec_id) {
		sb_process_exited(process,
				  128 + signo); /* an exec that never ran has nobody to signal */
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
	if (r == -ETIMEDOUT && kill_all && sb->state == SANDBOX_STATE_RUNNING && !sb->gone &&
	    sb->vmm_pid > 0) {
		*err = ERR_NULL;
		return kill_guest(sb);
	}
	/* The VM may end with its last process, and the answer with the VM. */
	if (r < 0 && r != -ETIMEDOUT && wants_end && process->state == SB_PROCESS_STATE_STOPPED) {
		*err = ERR_NULL;
		return 0;
	}
	/* Before the start nobody follows it, and SIGKILL leaves no doubt. */
	if (r >= 0 && signo == SIGKILL && process->state == SB_PROCESS_STATE_CREATED)
		sb_process_exited(process, 128 + SIGKILL);
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
 * instead.
 *
 * Return: 0.
 */
int sb_process_close_stdin(struct sb_process *process, struct err *err)
{
	(void)err;
	process->stdin_closed = true;
	process->io.fds[0] = fd_close(process->io.fds[0]);
	relay_end_source(process->relays[0]);
	return 0;
}
