/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Processes and their streams. What runs in the container is src/agent/container's; this is the
 * peer's view of it.
 */
#include "agent/sandbox/agent_process.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "agent/container/container.h"
#include "agent/container/process.h"
#include "agent/core/agent.h"
#include "agent/sandbox/agent_container.h"
#include "agent/sandbox/oom.h"
#include "agent/stream/stdio_relay.h"
#include "common/fd.h"
#include "common/log.h"
#include "common/str.h"
#include "kata/guest.h"

/* How long a request waits for its connections: they may arrive after it. */
#define STREAM_ARRIVAL_MS 2000
/* How long output is still read after the exit when other processes hold the pipe open. */
#define STREAM_DRAIN_MS 500
/* Size of the pipe of a direct stream: a large one needs fewer, larger steps. */
#define STREAM_PIPE_SIZE (256 * 1024)

/* A fiber inside agent_process_read(), to be told of the exit. */
struct reader {
	struct list node;
	struct fiber *fiber;
};

/**
 * stdio_conns_close() - close what has not been handed over
 * @conns: connections; may be done twice
 */
void stdio_conns_close(struct stdio_conns *conns)
{
	for (size_t i = 0; i < STDIO_NR; i++)
		conns->fds[i] = fd_close(conns->fds[i]);
}

/**
 * stdio_conns_take() - collect the connections a request names
 * @agent: agent
 * @ports: of stdin, stdout, stderr; 0 or KATA_STREAM_NONE: no such stream. All 0: streams by RPC
 * @ret: receives them; released with stdio_conns_close()
 * @err: names the port that did not come
 *
 * Stdin and stdout of a terminal may share a port, that is, one connection.
 *
 * Return: 0 or -errno.
 */
int stdio_conns_take(struct agent *agent, const uint32_t ports[STDIO_NR], struct stdio_conns *ret,
		     struct err *err)
{
	cleanup_conns struct stdio_conns conns = STDIO_CONNS_NULL;
	uint64_t deadline_ns = loop_deadline_ms(STREAM_ARRIVAL_MS);

	for (int i = 0; i < STDIO_NR; i++) {
		if (!ports[i])
			continue;
		conns.direct = true;
		if (ports[i] == KATA_STREAM_NONE)
			continue;
		int fd = i == STDIO_STDOUT && ports[i] == ports[STDIO_STDIN]
				 ? neg_errno(fcntl(conns.fds[STDIO_STDIN], F_DUPFD_CLOEXEC, 3))
				 : streams_take(&agent->streams, ports[i], deadline_ns);
		if (fd == -ETIMEDOUT)
			return err_set(err, ETIMEDOUT, "no stream connection from port %u",
				       ports[i]);
		if (fd < 0)
			return err_set_errno(err, fd, "stream connection from port %u", ports[i]);
		conns.fds[i] = fd;
	}
	*ret = conns;
	conns = STDIO_CONNS_NULL;
	return 0;
}

/**
 * stdio_conns_no_input() - does the peer have nothing to write to the process?
 * @conns: connections that were taken
 *
 * Return: true if so.
 */
bool stdio_conns_no_input(const struct stdio_conns *conns)
{
	return conns->direct && conns->fds[STDIO_STDIN] < 0;
}

static int dup_fd(int fd)
{
	return neg_errno(fcntl(fd, F_DUPFD_CLOEXEC, 3));
}

/* A sink or source for a stream the peer does not want. */
static int null_unless(int *conn)
{
	return *conn >= 0 ? TAKE_FD(*conn)
			  : neg_errno(open("/dev/null", O_RDWR | O_CLOEXEC | O_NONBLOCK));
}

static int relay_terminal(struct agent *agent, struct process *p, struct stdio_conns *conns)
{
	struct stdio_relay *out = NULL, *in = NULL;
	int conn = null_unless(&conns->fds[STDIO_STDOUT]), tty = dup_fd(p->tty_fd), r = 0;

	if (conn < 0 || tty < 0) {
		(void)fd_close(conn);
		return conn < 0 ? conn : tty;
	}
	r = stdio_relay_start(&agent->streams, agent->loop, STDIO_OUT, conn, tty, &out);
	if (r < 0 || conns->fds[STDIO_STDIN] < 0)
		return r;
	tty = dup_fd(p->tty_fd);
	if (tty < 0)
		return tty;
	r = stdio_relay_start(&agent->streams, agent->loop, STDIO_IN,
			      TAKE_FD(conns->fds[STDIO_STDIN]), tty, &in);
	if (r >= 0)
		stdio_relay_link(out, in);
	return r;
}

static int relay_output(struct agent *agent, int *conn, int *local)
{
	int fd = null_unless(conn);

	if (fd < 0)
		return fd;
	/* Beyond fs.pipe-user-pages-soft this fails, and the pipe keeps its size. */
	(void)fcntl(*local, F_SETPIPE_SZ,
		    agent->config.pipe_size ? (int)agent->config.pipe_size : STREAM_PIPE_SIZE);
	return stdio_relay_start(&agent->streams, agent->loop, STDIO_OUT, fd, TAKE_FD(*local),
				 NULL);
}

static int relay_pipes(struct agent *agent, struct process *p, struct stdio_conns *conns)
{
	int r = relay_output(agent, &conns->fds[STDIO_STDOUT], &p->stdout_fd);

	if (r >= 0)
		r = relay_output(agent, &conns->fds[STDIO_STDERR], &p->stderr_fd);
	if (r < 0)
		return r;
	if (conns->fds[STDIO_STDIN] < 0) /* it is /dev/null */
		return 0;
	(void)fcntl(p->stdin_fd, F_SETPIPE_SZ, STREAM_PIPE_SIZE); /* as above */
	return stdio_relay_start(&agent->streams, agent->loop, STDIO_IN,
				 TAKE_FD(conns->fds[STDIO_STDIN]), TAKE_FD(p->stdin_fd), NULL);
}

static void on_exit_seen(void *arg, unsigned events)
{
	struct agent_process *proc = arg;

	(void)events;
	proc->exit_source = loop_source_free(proc->exit_source);
	proc->exit_fd = fd_close(proc->exit_fd);
	proc->drain_until_ns = loop_deadline_ms(STREAM_DRAIN_MS);
	list_for_each(node, &proc->readers)
		fiber_interrupt(list_entry(node, struct reader, node)->fiber);
}

static int keep_for_rpc(struct agent *agent, struct agent_process *proc)
{
	struct process *p = proc->p;

	if (proc->terminal) {
		for (int i = 0; i < STDIO_STDERR; i++) {
			proc->fds[i] = dup_fd(p->tty_fd);
			if (proc->fds[i] < 0)
				return proc->fds[i];
		}
	} else {
		proc->fds[STDIO_STDIN] = TAKE_FD(p->stdin_fd);
		proc->fds[STDIO_STDOUT] = TAKE_FD(p->stdout_fd);
		proc->fds[STDIO_STDERR] = TAKE_FD(p->stderr_fd);
		for (int i = 0; agent->config.pipe_size && i < STDIO_NR; i++)
			(void)fcntl(proc->fds[i], F_SETPIPE_SZ,
				    (int)agent->config.pipe_size); /* as above */
	}
	proc->exit_fd = dup_fd(p->pidfd);
	if (proc->exit_fd < 0)
		return proc->exit_fd;
	return loop_add_io(agent->loop, proc->exit_fd, LOOP_READ, on_exit_seen, proc,
			   &proc->exit_source);
}

/**
 * agent_process_add() - make a process known and connect its streams
 * @ctr: container
 * @p: its init, or an exec that has begun
 * @exec_id: how the peer calls it
 * @conns: the host's connections; what is used is taken out
 * @err: filled on failure
 *
 * Return: 0 or -errno.
 */
int agent_process_add(struct agent_container *ctr, struct process *p, const char *exec_id,
		      struct stdio_conns *conns, struct err *err)
{
	struct agent *agent = ctr->agent;
	struct agent_process *proc = calloc(1, sizeof(*proc));

	if (!proc)
		return err_set(err, ENOMEM, "out of memory");
	*proc = (struct agent_process){
		.refs = 1,
		.p = p,
		.is_init = p == ctr->c->init,
		.terminal = p->terminal,
		.direct = conns->direct,
		.fds = { -1, -1, -1 },
		.exit_fd = -1,
		.drain_until_ns = LOOP_FOREVER,
		.exec_id = strdup(exec_id),
	};
	list_init(&proc->node);
	list_init(&proc->readers);
	int r = proc->exec_id ? 0 : -ENOMEM;
	if (r >= 0 && !conns->direct)
		r = keep_for_rpc(agent, proc);
	else if (r >= 0)
		r = p->terminal ? relay_terminal(agent, p, conns) : relay_pipes(agent, p, conns);
	if (r < 0) {
		(void)agent_process_unref(proc);
		return err_set_errno(err, r, "streams of %s", exec_id);
	}
	list_add_tail(&ctr->processes, &proc->node);
	ctr->nr_processes++;
	return 0;
}

/**
 * agent_process_ref() - keep a process across a wait
 * @proc: process
 *
 * Return: @proc.
 */
struct agent_process *agent_process_ref(struct agent_process *proc)
{
	proc->refs++;
	return proc;
}

/**
 * agent_process_unref() - give a reference back
 * @proc: process or NULL
 *
 * Return: NULL.
 */
struct agent_process *agent_process_unref(struct agent_process *proc)
{
	if (!proc || --proc->refs)
		return NULL;
	(void)loop_source_free(proc->exit_source);
	(void)fd_close(proc->exit_fd);
	for (size_t i = 0; i < STDIO_NR; i++)
		(void)fd_close(proc->fds[i]);
	free(proc->exec_id);
	free(proc);
	return NULL;
}

static void drop(struct agent_container *ctr, struct agent_process *proc)
{
	if (list_empty(&proc->node))
		return;
	list_del(&proc->node);
	ctr->nr_processes--;
	(void)agent_process_unref(proc);
}

static struct agent_process *find(struct agent_container *ctr, const char *exec_id,
				  bool even_waited)
{
	bool init = str_empty(exec_id) || str_eq(exec_id, ctr->id);

	list_for_each(node, &ctr->processes) {
		struct agent_process *proc = list_entry(node, struct agent_process, node);

		if ((even_waited || !proc->waited) &&
		    ((init && proc->is_init) || str_eq(proc->exec_id, exec_id)))
			return proc;
	}
	return NULL;
}

/**
 * agent_process_find() - look a process up
 * @ctr: container
 * @exec_id: "" or the container's id for its init
 *
 * Return: the process, or NULL when there is none or it has been waited for.
 */
struct agent_process *agent_process_find(struct agent_container *ctr, const char *exec_id)
{
	return find(ctr, exec_id, false);
}

/**
 * agent_process_find_readable() - look a process up whose output may be left to read
 * @ctr: container
 * @exec_id: "" or the container's id for its init
 *
 * Return: the process or NULL.
 */
struct agent_process *agent_process_find_readable(struct agent_container *ctr, const char *exec_id)
{
	return find(ctr, exec_id, true);
}

/**
 * agent_process_make_room() - may a process with this id be added?
 * @ctr: container
 * @exec_id: its id
 *
 * What is left of processes that have been waited for makes way.
 *
 * Return: true when it may.
 */
bool agent_process_make_room(struct agent_container *ctr, const char *exec_id)
{
	struct agent_process *same = find(ctr, exec_id, true);

	if (same && (!same->waited || same->p))
		return false;
	if (same)
		drop(ctr, same);
	list_for_each_safe(node, tmp, &ctr->processes) {
		struct agent_process *proc = list_entry(node, struct agent_process, node);

		if (ctr->nr_processes < AGENT_PROCESSES_MAX)
			return true;
		if (proc->waited && !proc->p)
			drop(ctr, proc);
	}
	return ctr->nr_processes < AGENT_PROCESSES_MAX;
}

/**
 * agent_process_drop_all() - forget the processes of a container that goes
 * @ctr: container without waiters
 */
void agent_process_drop_all(struct agent_container *ctr)
{
	list_for_each_safe(node, tmp, &ctr->processes) {
		struct agent_process *proc = list_entry(node, struct agent_process, node);

		proc->p = NULL;
		drop(ctr, proc);
	}
}

static void end_wait(struct agent_container *ctr, struct agent_process *proc)
{
	ctr->nr_waiters--;
	if (!ctr->nr_waiters)
		fiber_cond_broadcast(&ctr->no_waiters);
	if (--proc->nr_waiters || !proc->p || !proc->waited)
		return;
	if (!proc->is_init)
		process_remove(proc->p);
	proc->p = NULL;
	if (proc->direct ||
	    (proc->ended[STDIO_STDOUT] && (proc->terminal || proc->ended[STDIO_STDERR])))
		drop(ctr, proc);
}

/**
 * agent_process_wait() - wait for the exit
 * @ctr: container
 * @proc: process that has not been waited for; several fibers may wait at once
 * @deadline_ns: absolute time
 * @ret_code: receives 0-255, 128 + signal
 *
 * Return: 0, -ETIMEDOUT or -ECANCELED.
 */
int agent_process_wait(struct agent_container *ctr, struct agent_process *proc,
		       uint64_t deadline_ns, int *ret_code)
{
	ctr->nr_waiters++;
	proc->nr_waiters++;
	int r = process_wait(proc->p, deadline_ns, ret_code);
	if (r >= 0) {
		proc->waited = true;
		oom_check(ctr);
	}
	end_wait(ctr, proc);
	return r;
}

static int wait_readable(struct agent_process *proc, int fd)
{
	struct reader reader = { .fiber = fiber_self() };

	list_add_tail(&proc->readers, &reader.node);
	int r = fiber_wait_fd(fd, LOOP_READ, proc->drain_until_ns);
	list_del(&reader.node);
	return r == -EINTR ? 0 : r;
}

/**
 * agent_process_read() - read a piece of output
 * @ctr: container, pinned by the caller
 * @proc: process
 * @which: STDIO_STDOUT or STDIO_STDERR; the same for a terminal
 * @buf: receives it
 * @len: its size, not 0
 *
 * Return: bytes read, 0 at the end, or -errno.
 */
ssize_t agent_process_read(struct agent_container *ctr, struct agent_process *proc,
			   enum stdio_index which, void *buf, size_t len)
{
	enum stdio_index index = proc->terminal ? STDIO_STDOUT : which;
	int fd = proc->fds[index];

	if (fd < 0)
		return -EBADF;
	for (;;) {
		ssize_t n = read(fd, buf, len);

		if (n > 0)
			return n;
		if (n < 0 && errno == EINTR)
			continue;
		int r = n < 0 && errno == EAGAIN ? wait_readable(proc, fd)
			: n < 0			 ? -errno
						 : -ENODATA;
		if (r >= 0)
			continue;
		/* ETIMEDOUT: the drain is over; EIO: the terminal's other side has closed. */
		if (r != -ETIMEDOUT && r != -EIO && r != -ENODATA)
			return r;
		proc->ended[index] = true;
		if (proc->waited && !proc->nr_waiters && proc->ended[STDIO_STDOUT] &&
		    (proc->terminal || proc->ended[STDIO_STDERR]))
			drop(ctr, proc);
		return 0;
	}
}

/**
 * agent_process_write() - write to a process's stdin
 * @proc: process
 * @data: bytes
 * @len: number of bytes
 * @deadline_ns: absolute time
 *
 * Return: 0 or -errno (-EPIPE when nobody reads, -EBADF when it is closed).
 */
int agent_process_write(struct agent_process *proc, const void *data, size_t len,
			uint64_t deadline_ns)
{
	if (proc->fds[STDIO_STDIN] < 0 || proc->close_stdin)
		return -EBADF;
	proc->nr_writers++;
	int r = fiber_write_full(proc->fds[STDIO_STDIN], data, len, deadline_ns);
	if (!--proc->nr_writers && proc->close_stdin)
		proc->fds[STDIO_STDIN] = fd_close(proc->fds[STDIO_STDIN]);
	return r;
}

/**
 * agent_process_close_stdin() - end a process's input, after what is being written
 * @proc: process; one with direct streams has its input ended by its connection
 */
void agent_process_close_stdin(struct agent_process *proc)
{
	proc->close_stdin = true;
	if (!proc->nr_writers)
		proc->fds[STDIO_STDIN] = fd_close(proc->fds[STDIO_STDIN]);
}
