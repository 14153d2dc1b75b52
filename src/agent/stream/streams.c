/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The table of connections that wait for the request that names them.
 */
#include "agent/stream/streams.h"

#include <errno.h>
#include <stdlib.h>

#include "common/fd.h"
#include "common/log.h"

struct parked_stream {
	struct list node;
	uint32_t port;
	int fd;
};

/**
 * streams_init() - make an empty table
 * @streams: table
 */
void streams_init(struct streams *streams)
{
	list_init(&streams->parked);
	list_init(&streams->relays);
	streams->nr_parked = 0;
	fiber_cond_init(&streams->arrived);
}

static int unpark(struct streams *streams, struct parked_stream *stream)
{
	int fd = stream->fd;

	list_del(&stream->node);
	streams->nr_parked--;
	free(stream);
	return fd;
}

/**
 * streams_deinit() - close what nobody asked for
 * @streams: table without waiters
 */
void streams_deinit(struct streams *streams)
{
	list_for_each_safe(node, tmp, &streams->parked)
		(void)fd_close(unpark(streams, list_entry(node, struct parked_stream, node)));
}

static struct parked_stream *find(struct streams *streams, uint32_t port)
{
	list_for_each(node, &streams->parked) {
		struct parked_stream *stream = list_entry(node, struct parked_stream, node);

		if (stream->port == port)
			return stream;
	}
	return NULL;
}

/**
 * streams_park() - keep a connection until it is asked for
 * @streams: table
 * @fd_consume: connection
 * @port: the dialler's port
 *
 * A port that is here already belongs to a connection its dialler has given up: the newer one wins.
 *
 * Return: 0 or -ENOMEM.
 */
int streams_park(struct streams *streams, int fd_consume, uint32_t port)
{
	cleanup_close int fd = fd_consume;
	struct parked_stream *stream = find(streams, port);

	if (!stream && streams->nr_parked >= STREAMS_PARKED_MAX) {
		stream = list_entry(streams->parked.next, struct parked_stream, node);
		log_warn("stream from port %u dropped: too many wait", stream->port);
	}
	if (stream)
		(void)fd_close(unpark(streams, stream));
	stream = calloc(1, sizeof(*stream));
	if (!stream)
		return -ENOMEM;
	stream->fd = TAKE_FD(fd);
	stream->port = port;
	list_add_tail(&streams->parked, &stream->node);
	streams->nr_parked++;
	fiber_cond_broadcast(&streams->arrived);
	return 0;
}

/**
 * streams_take() - get the connection from a port, waiting for its arrival
 * @streams: table
 * @port: the dialler's port
 * @deadline_ns: absolute time
 *
 * Return: the non-blocking descriptor, owned by the caller, -ETIMEDOUT or -ECANCELED.
 */
int streams_take(struct streams *streams, uint32_t port, uint64_t deadline_ns)
{
	struct parked_stream *stream;

	while (!(stream = find(streams, port))) {
		int r = fiber_cond_wait(&streams->arrived, deadline_ns);

		if (r < 0)
			return r;
	}
	return unpark(streams, stream);
}
