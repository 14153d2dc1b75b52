/* SPDX-License-Identifier: Apache-2.0 */
/*
 * QMP client: QEMU's JSON protocol over one connected stream socket. Any number of fibers may have
 * a command under way; answers are matched by id. It knows the protocol, not what the commands
 * mean.
 */
#pragma once

#include <stddef.h>
#include <stdint.h>

#include "common/arena.h"
#include "common/err.h"
#include "common/json.h"
#include "common/loop.h"
#include "common/macros.h"

struct qmp;

/* Longest line QEMU may send, and longest command we send. */
#define QMP_LINE_MAX (1U << 20)

enum qmp_state {
	QMP_STATE_GREETING,    /* waiting for QEMU's first line; only qmp_handshake() is legal */
	QMP_STATE_NEGOTIATING, /* qmp_capabilities is under way; only qmp_handshake() is legal */
	QMP_STATE_RUNNING,     /* qmp_execute() is legal */
	QMP_STATE_CLOSED,      /* the connection is lost; every call fails with -ECONNRESET */
	QMP_STATE_COUNT_,
};

/*
 * Called in the loop for every event, @data valid during the call, NULL when the event carries
 * none. The loss of the connection comes as one "SHUTDOWN" without data. The callback must not free
 * the client.
 */
typedef void (*qmp_event_fn)(void *arg, const char *name, const struct json *data);

struct qmp_command {
	const char *name;
	const char *arguments; /* text of a JSON object, NULL: none */
	const int *fds;	       /* sent along, borrowed */
	size_t nr_fds;
};

int qmp_new(struct loop *loop, int fd_consume, qmp_event_fn fn, void *arg,
	    struct qmp **ret) must_check;
struct qmp *qmp_free(struct qmp *qmp);
enum qmp_state qmp_state(const struct qmp *qmp);
int qmp_handshake(struct qmp *qmp, uint64_t deadline_ns, struct err *err) must_check;
/*
 * @arena and @ret_value: where the answer goes; both NULL when only success matters.
 * Return: 0; -ENODEV, -EOPNOTSUPP or -EIO with QEMU's words for an error answer; -ECONNRESET,
 * -ETIMEDOUT, -ECANCELED.
 */
int qmp_execute(struct qmp *qmp, const struct qmp_command *command, struct arena *arena,
		const struct json **ret_value, uint64_t deadline_ns, struct err *err) must_check;
void qmp_drain(struct qmp *qmp);
/*
 * What the reader does with received bytes; for the fuzzer. Return: -errno when the connection is
 * to be dropped.
 */
int qmp_feed(struct qmp *qmp, const char *data, size_t len) must_check;
