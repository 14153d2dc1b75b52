/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The run of a process: its streams are connected, then a fiber follows it to its end.
 */
#include "sandbox/lifecycle/process_follow.h"

#include <errno.h>
#include <signal.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>

#include "common/fd.h"
#include "common/log.h"
#include "kata/guest.h"
#include "rpc/pb/agent_msg.h"
#include "rpc/ttrpc/rpc.h"
#include "sandbox/core/container.h"
#include "sandbox/core/sandbox.h"
#include "sandbox/lifecycle/sandbox_exit.h"
#include "sandbox/vsock/relay.h"

/*
 * How long an exit waits for output that somebody else still holds open, as a child left behind by
 * an exec may.
 */
#define SB_PROCESS_DRAIN_MS 500
/* What execs have for their ends when the container's first process has ended. */
#define SB_PROCESS_EXECS_MS 1000
/* Exit status when nobody can tell, as runc and containerd use it. */
#define SB_PROCESS_STATUS_UNKNOWN 255

static int connect_stream(struct sb_process *process, int index, uint64_t deadline_ns,
			  uint32_t *ret_port, struct err *err)
{
	static const char *const names[] = { "stdin", "stdout", "stderr" };
	struct sandbox *sb = process->container->sandbox;
	int guest = vsock_dial(&sb->vsock.addr, KATA_PORT_STREAM, deadline_ns, ret_port, err);

	if (guest < 0)
		return err_wrap(err, "connect %s", names[index]);
	int host = TAKE_FD(process->io.fds[index]);
	if (host < 0) { /* while this dialled, the process ended */
		(void)fd_close(guest);
		return err_set(err, ESRCH, "the process has ended");
	}
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
	if (r < 0)
		return err_set_errno(err, r, "relay %s", names[index]);
	if (index == 0 && process->stdin_closed)
		relay_end_source(process->relays[0]);
	return 0;
}

/* Under runc the program would have it as it is; the guest has one, too. */
static bool is_null_device(int fd)
{
	struct stat st;

	return fstat(fd, &st) == 0 && S_ISCHR(st.st_mode) && st.st_rdev == makedev(1, 3);
}

/**
 * sb_process_connect_streams() - open one guest connection per stream and begin to copy
 * @process: process in state CREATED with its io set
 * @deadline_ns: absolute time
 * @ret: the ports by which the guest knows the connections
 * @err: says which stream failed
 *
 * Other calls may come while this waits: the process may end, its input may be closed.
 *
 * Return: 0 or -errno; -ESRCH when the process has ended.
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
	if (process->io.fds[0] >= 0 && is_null_device(process->io.fds[0]))
		process->io.fds[0] = fd_close(process->io.fds[0]);
	for (int i = 0; i < 3; i++) {
		if (process->io.fds[i] < 0)
			continue;
		int r = connect_stream(process, i, deadline_ns, &ports.port[i], err);
		if (r < 0)
			return r;
	}
	if (process->state != SB_PROCESS_STATE_CREATED)
		return err_set(err, ESRCH, "the process has ended");
	*ret = ports;
	return 0;
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
			sandbox_await_exit(sb);
		/* The VM is gone, and its processes were killed with it. */
		return *sb->end.exit_reason ? 128 + SIGKILL : SB_PROCESS_STATUS_UNKNOWN;
	}
	/* The guest may send any number: only an exit status is taken. */
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
 * When a container's first process ends, the kernel kills the others. Their exits are reported
 * before its own, as on a host: managers forget the container when its first process has exited.
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
 * Return: 0; -ESRCH if it ended while the agent started it, as it does with its VM; -ENOMEM.
 */
int sb_process_follow(struct sb_process *process, struct err *err)
{
	if (process->state != SB_PROCESS_STATE_CREATED)
		return err_set(err, ESRCH, "the process has ended");
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
