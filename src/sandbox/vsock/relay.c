/* SPDX-License-Identifier: Apache-2.0 */
/*
 * DOC: The fiber behind each container stream
 *
 * Between a pipe and a unix socket pages are moved by splice(2) while a lot of bytes
 * waits. Less is copied: a copy packs small pieces into the pages of a pipe, where each spliced one
 * would take a page of its own and so fill the pipe with a few lines. The buffer exists only while
 * bytes flow, so an idle stream costs a few pages of fiber stack.
 *
 * A pipe that is found full is made larger, once. What a stream may hold on the host is
 * thus bounded by RELAY_PIPE, RELAY_BUFFER and the socket's own buffer.
 */
#include "sandbox/vsock/relay.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include "common/err.h"
#include "common/fd.h"
#include "common/log.h"

#define RELAY_BUFFER (64 * 1024)
/* A pipe that is found full, as a sink, or holds a whole buffer, as a source, gets this much. */
#define RELAY_PIPE (256 * 1024)
/* Below this it is not worth it to look whether a splice would be. */
#define RELAY_BULK (RELAY_BUFFER / 2)
/* A splice that moves less than this had small pieces to move: so many reads are copied then. */
#define RELAY_SPLICE_MIN (RELAY_BUFFER / 4)
#define RELAY_COPIES 64U
/* What a pipe takes without blocking once it polls writable; see pipe(7). */
#define RELAY_POLLED_CHUNK 4096UL

struct relay {
	struct fiber *fiber;
	struct fiber_cond done_cond;
	int source, sink;
	enum relay_end end;
	uint64_t bytes;
	bool can_splice, grown;
	bool bulk;	     /* the last read was a large one: more may wait */
	unsigned copies;     /* reads to copy before the next try to splice */
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

/*
 * Larger steps wake both sides less often. Only a wish: there are limits, and bytes in it already.
 * Return: whether @fd is a pipe that became larger.
 */
static bool grow_pipe(struct relay *relay, int fd)
{
	int size = relay->grown ? -1 : fcntl(fd, F_GETPIPE_SZ);

	if (size < 0)
		return false;
	relay->grown = true;
	return size < RELAY_PIPE && fcntl(fd, F_SETPIPE_SZ, RELAY_PIPE) >= 0;
}

static int write_all(struct relay *relay, const char *buf, size_t len)
{
	int fd = relay->sink;

	while (len) {
		/* A blocking descriptor must poll writable first; the others are tried first. */
		int r = is_blocking(fd) ? fiber_wait_fd(fd, LOOP_WRITE, LOOP_FOREVER) : 0;
		ssize_t n = r < 0 ? r : write_some(fd, buf, len);
		if (n == -EAGAIN && grow_pipe(relay, fd))
			continue;
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

/*
 * Moves pages when a lot waits. Return: bytes moved, 0 when the rest is to be copied, -EAGAIN when
 * the sink is full, or -errno.
 */
static ssize_t splice_some(struct relay *relay)
{
	int waiting = 0;

	if (!relay->can_splice || !relay->bulk)
		return 0;
	if (relay->copies) {
		relay->copies--;
		return 0;
	}
	relay->bulk = ioctl(relay->source, FIONREAD, &waiting) == 0 && waiting >= RELAY_BULK;
	if (!relay->bulk)
		return 0;
	ssize_t n = splice(relay->source, NULL, relay->sink, NULL, RELAY_PIPE,
			   SPLICE_F_MOVE | SPLICE_F_NONBLOCK);
	if (n < 0 && errno == EINVAL)
		relay->can_splice = false; /* not this pair */
	if (n < 0 && errno != EAGAIN && errno != EPIPE)
		return 0; /* reading tells what it is */
	if (n >= 0 && n < RELAY_SPLICE_MIN)
		relay->copies = RELAY_COPIES;
	return neg_errno_sz(n);
}

/* Return: 0 when the rest is to be copied, or -errno. */
static int splice_burst(struct relay *relay)
{
	ssize_t n;

	while ((n = splice_some(relay)) != 0) {
		int r = (int)MIN(n, 0);

		if (relay->orphaned)
			return -ECANCELED;
		if (r == -EAGAIN)
			r = grow_pipe(relay, relay->sink)
				    ? 0
				    : fiber_wait_fd(relay->sink, LOOP_WRITE, LOOP_FOREVER);
		if (r < 0 && r != -EINTR)
			return r;
		relay->bytes += (uint64_t)MAX(n, 0);
		fiber_yield();
	}
	return 0;
}

/* Copies what is there now. Return: 1 when the source has ended, 0 when it ran dry, or -errno. */
static int copy_burst(struct relay *relay, char *buf)
{
	for (;;) {
		int r = splice_burst(relay);
		ssize_t n = r < 0 ? r : read_some(relay->source, buf, RELAY_BUFFER);

		if (n == -EINTR)
			continue;
		if (n == -EAGAIN)
			return 0;
		if (n < 0)
			return (int)n;
		if (n == 0)
			return 1;
		relay->bulk = n >= RELAY_BULK;
		if (n == RELAY_BUFFER)
			(void)grow_pipe(relay, relay->source);
		r = write_all(relay, buf, (size_t)n);
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

static bool is_unix_socket(int fd)
{
	int domain = AF_UNSPEC;
	socklen_t len = sizeof(domain);

	return getsockopt(fd, SOL_SOCKET, SO_DOMAIN, &domain, &len) == 0 && domain == AF_UNIX;
}

static bool is_pipe(int fd)
{
	return fcntl(fd, F_GETPIPE_SZ) >= 0;
}

/* Of the kernel's other sockets, vsock's copy for a splice. */
static bool splices(const struct relay *relay)
{
	int source = relay->source, sink = relay->sink;

	return ((is_unix_socket(source) && is_pipe(sink)) ||
		(is_pipe(source) && is_unix_socket(sink))) &&
	       !is_blocking(source) && !is_blocking(sink);
}

static void relay_main(void *arg)
{
	struct relay *relay = arg;

	relay->fiber = fiber_self();
	relay->can_splice = splices(relay);
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
 * relay_bytes_for_test() - how much has been copied
 * @relay: relay
 *
 * Return: bytes.
 */
uint64_t relay_bytes_for_test(const struct relay *relay)
{
	return relay->bytes;
}
