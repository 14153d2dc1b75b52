/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Relay: the fiber behind each container stream. The buffer exists only while bytes flow, so an
 * idle stream costs a few pages of fiber stack.
 */
#include "sandbox/vsock/relay.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include "common/err.h"
#include "common/fd.h"
#include "common/log.h"

#define RELAY_BUFFER (64UL * 1024)
/* What a pipe takes without blocking once it polls writable; see pipe(7). */
#define RELAY_POLLED_CHUNK 4096UL

struct relay {
	struct fiber *fiber;
	struct fiber_cond done_cond;
	int source, sink;
	enum relay_end end;
	uint64_t bytes;
	bool ending;	     /* relay_end_source() was called */
	bool done, orphaned; /* orphaned: relay_free() was called, the fiber releases the rest */
};

/**
 * relay_prepare_fd() - make a descriptor fit for a relay
 * @fd_consume: descriptor that came from outside; closed when it is replaced and on failure
 * @for_writing: which end of a pipe it is
 *
 * Pipes and terminals get an open file description of their own, non-blocking; files never block;
 * sockets are used with MSG_DONTWAIT.
 *
 * Return: the descriptor to use, or -errno.
 */
int relay_prepare_fd(int fd_consume, bool for_writing)
{
	cleanup_close int fd = fd_consume;
	struct stat st;

	if (fstat(fd, &st) < 0)
		return -errno;
	if (!S_ISFIFO(st.st_mode) && !S_ISCHR(st.st_mode))
		return TAKE_FD(fd);
	int own = fd_reopen(fd, (for_writing ? O_WRONLY : O_RDONLY) | O_NONBLOCK);
	/*
	 * A pipe whose other end has gone cannot be opened for writing; the old one at least
	 * reports EPIPE.
	 */
	return own < 0 ? TAKE_FD(fd) : own;
}

static bool is_blocking(int fd)
{
	int flags = fcntl(fd, F_GETFL);

	return flags >= 0 && !(flags & O_NONBLOCK);
}

static ssize_t read_some(int fd, void *buf, size_t len)
{
	ssize_t n = recv(fd, buf, len, MSG_DONTWAIT);

	if (n < 0 && errno == ENOTSOCK)
		n = read(fd, buf, len);
	/*
	 * The guest's end of a terminal stream, and a pty whose other side closed, report EIO or a
	 * reset: the end.
	 */
	if (n < 0 && (errno == EIO || errno == ECONNRESET))
		return 0;
	return neg_errno_sz(n);
}

static ssize_t write_some(int fd, const void *buf, size_t len)
{
	ssize_t n = send(fd, buf, len, MSG_DONTWAIT | MSG_NOSIGNAL);

	if (n < 0 && errno == ENOTSOCK)
		n = write(fd, buf, is_blocking(fd) ? MIN(len, RELAY_POLLED_CHUNK) : len);
	return neg_errno_sz(n);
}

static int write_all(int fd, const char *buf, size_t len)
{
	while (len) {
		/* A blocking descriptor must poll writable first; the others are tried first. */
		int r = is_blocking(fd) ? fiber_wait_fd(fd, LOOP_WRITE, LOOP_FOREVER) : 0;
		ssize_t n = r < 0 ? r : write_some(fd, buf, len);
		if (n == -EAGAIN) {
			r = fiber_wait_fd(fd, LOOP_WRITE, LOOP_FOREVER);
			n = r < 0 ? r : 0;
		}
		if (n ==
		    -EINTR) /* also relay_end_source(), which does not concern what was read already */
			continue;
		if (n < 0)
			return (int)n;
		buf += n;
		len -= (size_t)n;
	}
	return 0;
}

/* Copies what is there now. Return: 1 when the source has ended, 0 when it ran dry, or -errno. */
static int copy_burst(struct relay *relay, char *buf)
{
	for (;;) {
		ssize_t n = read_some(relay->source, buf, RELAY_BUFFER);

		if (n == -EINTR)
			continue;
		if (n == -EAGAIN)
			return 0;
		if (n < 0)
			return (int)n;
		if (n == 0)
			return 1;
		int r = write_all(relay->sink, buf, (size_t)n);
		if (r < 0)
			return r;
		relay->bytes += (uint64_t)n;
		fiber_yield(); /* a source that never runs dry must not starve the rest */
		if (is_blocking(relay->source))
			return 0; /* the next read might block: poll first */
	}
}

/*
 * Return: positive when there is something to read, 0 when the source was declared ended and is
 * dry, or -errno.
 */
static int wait_source(struct relay *relay)
{
	int r = -EINTR;

	while (r == -EINTR && !relay->ending)
		r = fiber_wait_fd(relay->source, LOOP_READ, LOOP_FOREVER);
	if (relay->ending)
		r = fiber_wait_fd(relay->source, LOOP_READ, loop_now_ns());
	return r == -ETIMEDOUT ? 0 : r;
}

static int copy(struct relay *relay)
{
	for (;;) {
		int r = wait_source(relay);
		if (r <= 0)
			return r < 0 ? r : 1;
		char *buf = malloc(RELAY_BUFFER);
		if (!buf)
			return -ENOMEM;
		r = copy_burst(relay, buf);
		free(buf);
		if (r != 0)
			return r;
	}
}

static void relay_main(void *arg)
{
	struct relay *relay = arg;

	relay->fiber = fiber_self();
	int r = relay->orphaned ? -ECANCELED : copy(relay);

	if (r < 0 && r != -ECANCELED && r != -EPIPE)
		log_debug("stream ended: errno %d after %llu bytes", -r,
			  (unsigned long long)relay->bytes);
	if (relay->end == RELAY_SHUTDOWN_SINK && r == 1)
		(void)shutdown(relay->sink, SHUT_WR); /* the peer may be gone already */
	relay->source = fd_close(relay->source);
	/*
	 * The guest's stdin stays open for relay_free(): closing a stream at once could overtake
	 * its last bytes.
	 */
	if (relay->end == RELAY_CLOSE_SINK || r < 0)
		relay->sink = fd_close(relay->sink);
	relay->done = true;
	fiber_cond_broadcast(&relay->done_cond);
	if (relay->orphaned) {
		relay->sink = fd_close(relay->sink);
		free(relay);
	}
}

/**
 * relay_start() - begin to copy
 * @loop: loop to run on
 * @name: for debugging
 * @source_consume: read from here; closed at its end
 * @sink_consume: written to
 * @end: what becomes of the sink at the source's end
 * @ret: receives the relay; released with relay_free()
 *
 * Return: 0 or -errno; the descriptors are taken either way.
 */
int relay_start(struct loop *loop, const char *name, int source_consume, int sink_consume,
		enum relay_end end, struct relay **ret)
{
	struct relay *relay = calloc(1, sizeof(*relay));
	int r = -ENOMEM;

	if (relay) {
		relay->source = source_consume;
		relay->sink = sink_consume;
		relay->end = end;
		fiber_cond_init(&relay->done_cond);
		r = fiber_spawn(loop, name, relay_main, relay, NULL);
	}
	if (r < 0) {
		(void)fd_close(source_consume);
		(void)fd_close(sink_consume);
		free(relay);
		return r;
	}
	*ret = relay;
	return 0;
}

/**
 * relay_wait() - wait for the end of the copying
 * @relay: relay, NULL counts as ended
 * @deadline_ns: absolute time
 *
 * Return: 0, -ETIMEDOUT or -ECANCELED.
 */
int relay_wait(struct relay *relay, uint64_t deadline_ns)
{
	while (relay && !relay->done) {
		int r = fiber_cond_wait(&relay->done_cond, deadline_ns);

		if (r < 0)
			return r;
	}
	return 0;
}

/**
 * relay_free() - stop and release a relay
 * @relay: relay or NULL; nobody may be waiting for it
 *
 * Return: NULL.
 */
struct relay *relay_free(struct relay *relay)
{
	if (!relay)
		return NULL;
	if (relay->done) {
		(void)fd_close(relay->sink);
		free(relay);
		return NULL;
	}
	relay->orphaned = true;
	if (relay->fiber) /* otherwise it has not begun and will see the flag */
		fiber_cancel(relay->fiber);
	return NULL;
}

/**
 * relay_end_source() - let a relay end after what is in its source now
 * @relay: relay or NULL
 */
void relay_end_source(struct relay *relay)
{
	if (!relay || relay->done || relay->ending)
		return;
	relay->ending = true;
	if (relay->fiber)
		fiber_interrupt(relay->fiber);
}

/**
 * relay_bytes() - how much has been copied
 * @relay: relay
 *
 * Return: bytes.
 */
uint64_t relay_bytes(const struct relay *relay)
{
	return relay->bytes;
}
