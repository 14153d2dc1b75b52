/* SPDX-License-Identifier: Apache-2.0 */
/*
 * DOC: Theory of operation
 *
 * One fiber per direction and stream. Where a pipe is on one side, bytes move by splice(2) and
 * never enter the agent's memory; a terminal needs a buffer, which exists only while a piece is on
 * its way. Nothing is read before the last piece has been taken, so back-pressure reaches the
 * writer by itself.
 *
 * The input of a process that has gone is noticed by its pipe (nobody reads any more), not by the
 * process's exit: a child left behind may still read.
 */
#include "agent/stream/stdio_relay.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <sched.h>
#include <stdbool.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

#include "common/err.h"
#include "common/fd.h"
#include "common/log.h"

#define RELAY_CHUNK (512UL * 1024)
/* What a pipe becomes when so much was moved at once. */
#define RELAY_PIPE (512 * 1024)
#define RELAY_BULK (32UL * 1024)
/* A terminal hands out at most 4 KiB at a time. */
#define RELAY_TTY_CHUNK 4096UL
/* Bytes moved before others get their turn. */
#define RELAY_BURST (1UL << 20)

struct stdio_relay {
	struct list node;
	struct streams *streams;
	struct fiber *fiber;
	enum stdio_direction direction;
	int conn, local;
	struct loop_source *gone;   /* IN: fires when nobody reads the pipe any more */
	struct stdio_relay *linked; /* each other, or NULL */
	bool stopped;		    /* relay_stop() was called, perhaps before the fiber ran */
	size_t burst;
	bool grown;
};

/*
 * Waits until a byte can go from @from to @to. Both may be ready: then what said no was just late.
 */
static int wait_pair(int from, int to)
{
	struct pollfd fds[2] = { { .fd = from, .events = POLLIN },
				 { .fd = to, .events = POLLOUT } };

	if (poll(fds, 2, 0) < 0)
		return errno == EINTR ? 0 : -errno;
	if (!fds[0].revents)
		return fiber_wait_fd(from, LOOP_READ, LOOP_FOREVER);
	if (!fds[1].revents)
		return fiber_wait_fd(to, LOOP_WRITE, LOOP_FOREVER);
	fiber_yield();
	return 0;
}

static void take_turns(struct stdio_relay *relay, size_t moved)
{
	relay->burst += moved;
	if (relay->burst >= RELAY_BURST) {
		relay->burst = 0;
		fiber_yield();
	}
}

/*
 * A process that moves a lot gets a larger pipe: the fewer turns are taken, the less they cost. Only
 * a wish; what is in the pipe already stays.
 */
static void grow_pipe(struct stdio_relay *relay)
{
	if (relay->grown)
		return;
	relay->grown = true;
	if (fcntl(relay->local, F_GETPIPE_SZ) < RELAY_PIPE)
		(void)fcntl(relay->local, F_SETPIPE_SZ, RELAY_PIPE);
}

/* Return: 0 at the end of @from, -EINVAL when splice cannot do this pair, or -errno. */
static int pump_splice(struct stdio_relay *relay, int from, int to)
{
	bool bulk = false; /* the last piece was a large one */

	for (;;) {
		ssize_t n = splice(from, NULL, to, NULL, RELAY_CHUNK,
				   SPLICE_F_MOVE | SPLICE_F_NONBLOCK);

		if (n == 0)
			return 0;
		if (n > 0) {
			bulk = n >= (ssize_t)RELAY_BULK;
			if (bulk)
				grow_pipe(relay);
			take_turns(relay, (size_t)n);
			continue;
		}
		if (errno == EINTR)
			continue;
		if (errno != EAGAIN)
			return -errno;
		/*
		 * On the same CPU a writer would be interrupted for each piece: it gets the time to
		 * fill its pipe. Where nobody waits for the CPU this returns at once.
		 */
		if (bulk) {
			bulk = false;
			(void)sched_yield(); /* cannot fail */
			continue;
		}
		int r = wait_pair(from, to);
		if (r < 0)
			return r;
	}
}

static int pump_copy(struct stdio_relay *relay, int from, int to)
{
	char buf[RELAY_TTY_CHUNK];

	for (;;) {
		ssize_t n = fiber_read(from, buf, sizeof(buf), LOOP_FOREVER);

		if (n <= 0)
			return (int)n;
		int r = fiber_write_full(to, buf, (size_t)n, LOOP_FOREVER);
		if (r < 0)
			return r;
		take_turns(relay, (size_t)n);
	}
}

static bool is_pipe(int fd)
{
	return fcntl(fd, F_GETPIPE_SZ) >= 0;
}

static void relay_free(struct stdio_relay *relay)
{
	list_del(&relay->node);
	(void)loop_source_free(relay->gone);
	(void)fd_close(relay->local);
	if (relay->direction == STDIO_OUT && relay->conn >= 0)
		(void)shutdown(relay->conn, SHUT_WR); /* fails when the peer has gone already */
	(void)fd_close(relay->conn);
	free(relay);
}

static void relay_stop(struct stdio_relay *relay)
{
	relay->stopped = true;
	if (relay->fiber)
		fiber_cancel(relay->fiber);
}

static int relay_pump(struct stdio_relay *relay)
{
	bool in = relay->direction == STDIO_IN;
	int from = in ? relay->conn : relay->local, to = in ? relay->local : relay->conn;
	int r = is_pipe(relay->local) ? pump_splice(relay, from, to) : -EINVAL;

	return r == -EINVAL ? pump_copy(relay, from, to) : r;
}

static void relay_main(void *arg)
{
	struct stdio_relay *relay = arg;
	bool in = relay->direction == STDIO_IN;

	relay->fiber = fiber_self();
	int r = relay->stopped ? 0 : relay_pump(relay);
	/*
	 * EIO: the terminal's other side has closed. EPIPE, ECONNRESET: the reader has gone. Ends,
	 * not failures.
	 */
	if (r < 0 && r != -EIO && r != -EPIPE && r != -ECONNRESET && r != -ECANCELED)
		log_warn_errno(r, "%s stream", in ? "input" : "output");
	if (relay->linked) {
		relay->linked->linked = NULL;
		if (!in)
			relay_stop(relay->linked);
	}
	relay_free(relay);
}

static void on_gone(void *arg, unsigned events)
{
	struct stdio_relay *relay = arg;

	(void)events;
	relay->gone = loop_source_free(relay->gone);
	relay_stop(relay);
}

/**
 * stdio_relay_start() - carry one stream from now on
 * @streams: the relay is listed there
 * @loop: loop
 * @direction: which way
 * @conn_consume: the host's connection or whatever else stands for it, non-blocking
 * @local_consume: our end of the process's pipe or its terminal, non-blocking
 * @ret: receives the relay for stdio_relay_link() at once, not later; may be NULL
 *
 * Return: 0 or -ENOMEM; the descriptors are taken in any case.
 */
int stdio_relay_start(struct streams *streams, struct loop *loop, enum stdio_direction direction,
		      int conn_consume, int local_consume, struct stdio_relay **ret)
{
	struct stdio_relay *relay = calloc(1, sizeof(*relay));
	int r = relay ? 0 : -ENOMEM;

	if (r < 0) {
		(void)fd_close(conn_consume);
		(void)fd_close(local_consume);
		return r;
	}
	*relay = (struct stdio_relay){
		.streams = streams,
		.direction = direction,
		.conn = conn_consume,
		.local = local_consume,
	};
	list_init(&relay->node);
	/*
	 * Asking a pipe's writing end for readability gives nothing but the error its last reader
	 * leaves.
	 */
	if (direction == STDIO_IN && is_pipe(relay->local))
		r = loop_add_io(loop, relay->local, LOOP_READ, on_gone, relay, &relay->gone);
	if (r >= 0)
		r = fiber_spawn(loop, direction == STDIO_IN ? "stdin" : "stdout", relay_main, relay,
				NULL);
	if (r < 0) {
		relay_free(relay);
		return r;
	}
	list_add_tail(&streams->relays, &relay->node);
	if (ret)
		*ret = relay;
	return 0;
}

/**
 * stdio_relay_link() - let a terminal's input end with its output
 * @out: relay of direction STDIO_OUT
 * @in: relay of direction STDIO_IN
 */
void stdio_relay_link(struct stdio_relay *out, struct stdio_relay *in)
{
	out->linked = in;
	in->linked = out;
}

/**
 * stdio_relay_cancel_all() - end every relay, delivered or not
 * @streams: table
 */
void stdio_relay_cancel_all(struct streams *streams)
{
	list_for_each(node, &streams->relays)
		relay_stop(list_entry(node, struct stdio_relay, node));
}
