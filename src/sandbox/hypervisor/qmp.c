/* SPDX-License-Identifier: Apache-2.0 */
/*
 * DOC: Theory of operation
 *
 * A call is a record on its fiber's stack, linked into @calls while an answer is due. Whoever takes
 * it off that list (the answer, the loss of the connection, qmp_free()) marks it done and wakes the
 * fiber, which then touches nothing but its own record. A fiber that gives up first unlinks the
 * record itself, and the late answer finds no taker.
 *
 * Lines to send are queued whole, each with duplicates of its descriptors, so a caller that gives
 * up may close its own ones at once. A descriptor leaves with the first byte of its line, as QEMU
 * expects it.
 */
#include "sandbox/hypervisor/qmp.h"

#include <assert.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "common/fd.h"
#include "common/fiber.h"
#include "common/list.h"
#include "common/log.h"
#include "common/str.h"

#define READ_MAX 16384 /* per wake-up */
#define CALLS_MAX 256  /* commands under way at one time */
#define CAPABILITIES_ID 1

static const struct json_limits line_limits = { .max_len = QMP_LINE_MAX,
						.max_nodes = 1 << 16,
						.max_depth = 32 };

static const char *const state_names[] = {
	[QMP_STATE_GREETING] = "greeting",
	[QMP_STATE_NEGOTIATING] = "negotiating",
	[QMP_STATE_RUNNING] = "running",
	[QMP_STATE_CLOSED] = "closed",
};
static_assert(ARRAY_SIZE(state_names) == QMP_STATE_COUNT_, "a name for each state");

/* One command (or the handshake, id 0) whose fiber waits. */
struct call {
	struct list node;
	struct fiber_cond cond;
	uint64_t id;
	bool done;
	int r;		     /* once done */
	struct err *err;     /* the caller's */
	struct arena *arena; /* the caller's, may be NULL */
	const struct json *value;
};

struct out_line {
	struct list node;
	int fds[FD_PASS_MAX];
	size_t nr_fds; /* 0 once they are sent */
	size_t len, sent;
	char text[];
};

struct qmp {
	struct loop_source *source;
	int fd;
	enum qmp_state state;
	qmp_event_fn fn;
	void *arg;
	uint64_t last_id;
	struct list calls;
	size_t nr_calls;
	struct list out;
	struct strbuf in;
	size_t scanned; /* bytes of @in known to hold no newline */
};

static void set_state(struct qmp *qmp, enum qmp_state state)
{
	log_debug("qmp: %s -> %s", state_names[qmp->state], state_names[state]);
	qmp->state = state;
}

static void call_finish(struct qmp *qmp, struct call *call, int r)
{
	list_del(&call->node);
	qmp->nr_calls--;
	call->done = true;
	call->r = r;
	fiber_cond_broadcast(&call->cond);
}

static struct call *call_find(struct qmp *qmp, uint64_t id)
{
	list_for_each(pos, &qmp->calls) {
		struct call *call = list_entry(pos, struct call, node);

		if (call->id == id)
			return call;
	}
	return NULL;
}

static void fail_all(struct qmp *qmp, int code, const char *text)
{
	while (!list_empty(&qmp->calls)) {
		struct call *call = list_entry(qmp->calls.next, struct call, node);

		call_finish(qmp, call, err_set(call->err, code, "%s", text));
	}
}

static void out_line_free(struct out_line *line)
{
	list_del(&line->node);
	for (size_t i = 0; i < line->nr_fds; i++)
		(void)fd_close(line->fds[i]);
	free(line);
}

static void drop_connection(struct qmp *qmp, const char *why)
{
	if (qmp->state == QMP_STATE_CLOSED)
		return;
	set_state(qmp, QMP_STATE_CLOSED);
	qmp->source = loop_source_free(qmp->source);
	qmp->fd = fd_close(qmp->fd);
	while (!list_empty(&qmp->out))
		out_line_free(list_entry(qmp->out.next, struct out_line, node));
	fail_all(qmp, ECONNRESET, why);
	qmp->fn(qmp->arg, "SHUTDOWN", NULL);
}

/* Sends what the socket takes. Return: 0 or -errno that ends the connection. */
static int flush(struct qmp *qmp)
{
	while (!list_empty(&qmp->out)) {
		struct out_line *line = list_entry(qmp->out.next, struct out_line, node);
		ssize_t n = fd_send_msg(qmp->fd, line->text + line->sent, line->len - line->sent,
					line->fds, line->nr_fds);

		if (n == -EAGAIN)
			return loop_io_set_events(qmp->source, LOOP_READ | LOOP_WRITE);
		if (n < 0)
			return (int)n;
		/* The descriptors went with the first byte; QEMU has its own now. */
		for (size_t i = 0; i < line->nr_fds; i++)
			(void)fd_close(line->fds[i]);
		line->nr_fds = 0;
		line->sent += (size_t)n;
		if (line->sent == line->len)
			out_line_free(line);
	}
	return loop_io_set_events(qmp->source, LOOP_READ);
}

static int enqueue(struct qmp *qmp, const struct qmp_command *command, uint64_t id)
{
	cleanup_strbuf struct strbuf text = STRBUF_NULL;
	struct out_line *line;
	int r;

	if (command->nr_fds > FD_PASS_MAX)
		return -E2BIG;
	r = strbuf_printf(&text, "{\"execute\":\"%s\",\"id\":%" PRIu64 "%s%s}\n", command->name, id,
			  command->arguments ? ",\"arguments\":" : "",
			  command->arguments ? command->arguments : "");
	if (r < 0)
		return r;
	if (text.len > QMP_LINE_MAX)
		return -E2BIG;
	line = calloc(1, sizeof(*line) + text.len);
	if (!line)
		return -ENOMEM;
	memcpy(line->text, text.data, text.len);
	line->len = text.len;
	list_add_tail(&qmp->out, &line->node);
	for (size_t i = 0; i < command->nr_fds; i++) {
		r = neg_errno(fcntl(command->fds[i], F_DUPFD_CLOEXEC, 3));
		if (r < 0) {
			out_line_free(line);
			return r;
		}
		line->fds[line->nr_fds++] = r;
	}
	r = flush(qmp);
	if (r < 0)
		drop_connection(qmp, "the connection to QEMU broke");
	return 0; /* a dropped connection has answered the call already */
}

static int errno_of_class(const char *class)
{
	static const struct {
		const char *class;
		int code;
	} classes[] = {
		{ "CommandNotFound", EOPNOTSUPP },
		{ "DeviceNotFound", ENODEV },
		{ "DeviceNotActive", ENODEV },
		{ "KVMMissingCap", EOPNOTSUPP },
	};

	for (size_t i = 0; i < ARRAY_SIZE(classes); i++)
		if (str_eq(class, classes[i].class))
			return classes[i].code;
	return EIO;
}

static int handle_greeting(struct qmp *qmp, const struct json *root)
{
	static const struct qmp_command capabilities = { .name = "qmp_capabilities" };

	if (!json_get(root, "QMP"))
		return -EPROTO;
	set_state(qmp, QMP_STATE_NEGOTIATING);
	qmp->last_id = CAPABILITIES_ID;
	return enqueue(qmp, &capabilities, CAPABILITIES_ID);
}

static int handle_capabilities(struct qmp *qmp, const struct json *root)
{
	struct call *handshake = call_find(qmp, 0);

	if (!json_get(root, "return"))
		return -EPROTO;
	set_state(qmp, QMP_STATE_RUNNING);
	if (handshake)
		call_finish(qmp, handshake, 0);
	return 0;
}

static int handle_answer(struct qmp *qmp, struct call *call, const struct json *root)
{
	const struct json *error = json_get(root, "error");
	const char *class = NULL, *desc = "no description";
	struct err ignored = ERR_NULL;

	if (error) {
		if (json_get_str(error, "class", &class, &ignored) < 0 ||
		    json_get_str(error, "desc", &desc, &ignored) < 0)
			return -EPROTO;
		call_finish(qmp, call, err_set(call->err, errno_of_class(class), "QEMU: %s", desc));
		return 0;
	}
	call->value = json_get(root, "return");
	if (!call->value)
		return -EPROTO;
	call_finish(qmp, call, 0);
	return 0;
}

static int handle_event(struct qmp *qmp, const struct json *root)
{
	const struct json *data = json_get(root, "data");
	struct err ignored = ERR_NULL;
	const char *name = NULL;

	if (json_get_str(root, "event", &name, &ignored) < 0 || !name)
		return -EPROTO;
	if (data && data->type != JSON_OBJECT)
		return -EPROTO;
	log_debug("qmp: event %s", name);
	qmp->fn(qmp->arg, name, data);
	return 0;
}

static int handle_line(struct qmp *qmp, const char *text, size_t len)
{
	cleanup_arena struct arena *own = NULL;
	const struct json *id_node;
	struct err ignored = ERR_NULL;
	struct call *call = NULL;
	struct json *root;
	uint64_t id = 0;
	int r;

	r = arena_new(&own);
	if (r < 0)
		return r;
	if (json_parse(own, text, len, "QMP", &line_limits, &root, &ignored) < 0 ||
	    root->type != JSON_OBJECT)
		return -EPROTO;
	if (qmp->state == QMP_STATE_GREETING)
		return handle_greeting(qmp, root);
	if (json_get(root, "event"))
		return handle_event(qmp, root);
	id_node = json_get(root, "id");
	/* an answer to something we did not send: QEMU could not parse a line of ours */
	if (!id_node)
		return -EPROTO;
	if (json_to_u64(id_node, UINT64_MAX, &id, &ignored) < 0 || id == 0 || id > qmp->last_id)
		return -EPROTO;
	if (qmp->state == QMP_STATE_NEGOTIATING)
		return id == CAPABILITIES_ID ? handle_capabilities(qmp, root) : -EPROTO;
	call = call_find(qmp, id);
	if (!call)
		return 0; /* its fiber gave up */
	/* The caller wants the value: it must live in the caller's arena. */
	if (call->arena && !json_get(root, "error") &&
	    json_parse(call->arena, text, len, "QMP", &line_limits, &root, &ignored) < 0)
		return -ENOMEM;
	return handle_answer(qmp, call, root);
}

/**
 * qmp_feed() - process received bytes
 * @qmp: client that is not closed
 * @data: bytes
 * @len: number of bytes
 *
 * Return: 0, or -errno when the stream makes no sense and the connection is to be dropped.
 */
int qmp_feed(struct qmp *qmp, const char *data, size_t len)
{
	int r = strbuf_add(&qmp->in, data, len);

	if (r < 0)
		return r;
	while (qmp->in.len > qmp->scanned) {
		const char *newline =
			memchr(qmp->in.data + qmp->scanned, '\n', qmp->in.len - qmp->scanned);
		size_t line_len;

		if (!newline) {
			qmp->scanned = qmp->in.len;
			return qmp->in.len > QMP_LINE_MAX ? -EMSGSIZE : 0;
		}
		line_len = (size_t)(newline - qmp->in.data);
		if (line_len > QMP_LINE_MAX)
			return -EMSGSIZE;
		r = handle_line(qmp, qmp->in.data, line_len);
		if (r < 0 || qmp->state == QMP_STATE_CLOSED)
			return r;
		strbuf_consume(&qmp->in, line_len + 1);
		qmp->scanned = 0;
	}
	return 0;
}

/* Reads once. Return: whether there may be more. */
static bool read_some(struct qmp *qmp)
{
	char buf[READ_MAX];
	ssize_t n = read(qmp->fd, buf, sizeof(buf));
	int r;

	if (n < 0 && (errno == EAGAIN || errno == EINTR))
		return false;
	if (n <= 0) {
		drop_connection(qmp, "QEMU closed the connection");
		return false;
	}
	r = qmp_feed(qmp, buf, (size_t)n);
	if (r < 0) {
		log_debug("qmp: dropping the connection: %s", strerror(-r));
		drop_connection(qmp, "QEMU sent something that is not QMP");
	}
	return qmp->state != QMP_STATE_CLOSED;
}

static void on_io(void *arg, unsigned events)
{
	struct qmp *qmp = arg;

	if ((events & LOOP_WRITE) && flush(qmp) < 0) {
		drop_connection(qmp, "the connection to QEMU broke");
		return;
	}
	if (events & LOOP_READ)
		(void)read_some(qmp); /* level triggered: the rest comes with the next round */
}

/**
 * qmp_drain() - take what has already arrived, now
 * @qmp: client in any state
 *
 * For a QEMU that has just ended: the event that says why may still be in the socket.
 */
void qmp_drain(struct qmp *qmp)
{
	/* More than a socket buffer holds; a QEMU that still lives cannot keep us. */
	for (int i = 0; i < 64 && qmp->state != QMP_STATE_CLOSED && read_some(qmp); i++)
		;
}

/**
 * qmp_new() - make a client
 * @loop: loop that serves it
 * @fd_consume: connected stream socket; closed also on failure
 * @fn: gets the events
 * @arg: its argument
 * @ret: receives the client
 *
 * Return: 0 or -errno.
 */
int qmp_new(struct loop *loop, int fd_consume, qmp_event_fn fn, void *arg, struct qmp **ret)
{
	cleanup_close int fd = fd_consume;
	struct qmp *qmp;
	int r;

	r = fd_set_nonblock(fd, true);
	if (r < 0)
		return r;
	qmp = calloc(1, sizeof(*qmp));
	if (!qmp)
		return -ENOMEM;
	list_init(&qmp->calls);
	list_init(&qmp->out);
	qmp->fn = fn;
	qmp->arg = arg;
	qmp->fd = -1;
	r = loop_add_io(loop, fd, LOOP_READ, on_io, qmp, &qmp->source);
	if (r < 0) {
		free(qmp);
		return r;
	}
	qmp->fd = TAKE_FD(fd);
	*ret = qmp;
	return 0;
}

/**
 * qmp_free() - release a client
 * @qmp: client or NULL; calls under way return -ECANCELED, no event is delivered
 *
 * Return: NULL.
 */
struct qmp *qmp_free(struct qmp *qmp)
{
	if (!qmp)
		return NULL;
	fail_all(qmp, ECANCELED, "the connection to QEMU was given up");
	while (!list_empty(&qmp->out))
		out_line_free(list_entry(qmp->out.next, struct out_line, node));
	(void)loop_source_free(qmp->source);
	if (qmp->fd >= 0)
		(void)fd_close(qmp->fd);
	strbuf_deinit(&qmp->in);
	free(qmp);
	return NULL;
}

/**
 * qmp_state() - where the connection stands
 * @qmp: client
 *
 * Return: the state.
 */
enum qmp_state qmp_state(const struct qmp *qmp)
{
	return qmp->state;
}

/* Waits until @call is done; on a wait that fails the call is withdrawn. */
static int call_wait(struct qmp *qmp, struct call *call, const char *what, uint64_t deadline_ns)
{
	while (!call->done) {
		int r = fiber_cond_wait(&call->cond, deadline_ns);

		if (call->done)
			break;
		if (r < 0) {
			list_del(&call->node);
			qmp->nr_calls--;
			return err_set_errno(call->err, r, "QMP %s", what);
		}
	}
	return call->r;
}

static void call_begin(struct qmp *qmp, struct call *call)
{
	fiber_cond_init(&call->cond);
	list_add_tail(&qmp->calls, &call->node);
	qmp->nr_calls++;
}

/**
 * qmp_handshake() - wait until QEMU is ready for commands
 * @qmp: new client
 * @deadline_ns: absolute time
 * @err: filled on failure
 *
 * Runs in a fiber, once.
 *
 * Return: 0 or -errno.
 */
int qmp_handshake(struct qmp *qmp, uint64_t deadline_ns, struct err *err)
{
	struct call call = { .err = err };

	if (qmp->state == QMP_STATE_RUNNING)
		return 0;
	if (qmp->state == QMP_STATE_CLOSED)
		return err_set(err, ECONNRESET, "QEMU closed the connection");
	call_begin(qmp, &call);
	return call_wait(qmp, &call, "handshake", deadline_ns);
}

/**
 * qmp_execute() - run one command
 * @qmp: client
 * @command: the command; borrowed until the return
 * @arena: receives the answer; may be NULL
 * @ret_value: receives the value of "return"; may be NULL
 * @deadline_ns: absolute time
 * @err: filled on failure
 *
 * Runs in a fiber. After -ETIMEDOUT or -ECANCELED QEMU may still carry the command out.
 *
 * Return: 0 or -errno; see the header.
 */
int qmp_execute(struct qmp *qmp, const struct qmp_command *command, struct arena *arena,
		const struct json **ret_value, uint64_t deadline_ns, struct err *err)
{
	struct call call = { .err = err, .arena = arena };
	int r;

	if (qmp->state != QMP_STATE_RUNNING)
		return err_set(err, qmp->state == QMP_STATE_CLOSED ? ECONNRESET : ENOTCONN,
			       "QMP %s: the connection is in state %s", command->name,
			       state_names[qmp->state]);
	if (qmp->nr_calls >= CALLS_MAX)
		return err_set(err, EBUSY, "QMP %s: too many commands under way", command->name);
	call.id = ++qmp->last_id;
	call_begin(qmp, &call);
	r = enqueue(qmp, command, call.id);
	if (r < 0) {
		list_del(&call.node);
		qmp->nr_calls--;
		return err_set_errno(err, r, "QMP %s", command->name);
	}
	r = call_wait(qmp, &call, command->name, deadline_ns);
	if (r >= 0 && arena && ret_value)
		*ret_value = call.value;
	return r;
}
