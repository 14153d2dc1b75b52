/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A verb's talk with the shim of one container. A shim that has gone is not an error of its own
 * here: the container is then stopped, and each verb says what that means for it.
 */
#include "runtime/shim/session.h"

#include "common/str.h"
#include "kata/state.h"
#include "runtime/shim/dial.h"

/**
 * session_open() - load a container's record and connect to its shim's Task service
 * @s: SESSION_NULL
 * @cli: global options
 * @id: container id
 * @err: filled on failure
 *
 * A dead shim is not an error: @s->task stays NULL.
 *
 * Return: 0 or -errno, -ENOENT when there is no such container.
 */
int session_open(struct session *s, const struct cli *cli, const char *id, struct err *err)
{
	struct err gone = ERR_NULL;
	int r = record_load(&s->record, cli->root, id, err);

	if (r < 0)
		return r;
	r = arena_new(&s->arena);
	if (r < 0)
		return err_set_errno(err, r, "container \"%s\"", id);
	r = dial_socket(&s->record, KATA_SOCKET_TASK, &s->task, &gone);
	if (r < 0 && r != -ENOTCONN) {
		*err = gone;
		return r;
	}
	return 0;
}

/**
 * session_need_shim() - fail unless the shim is there
 * @s: open session
 * @err: filled on failure
 *
 * Return: 0, or -ESRCH with the words callers of runc look for.
 */
int session_need_shim(struct session *s, struct err *err)
{
	return s->task ? 0 : err_set(err, ESRCH, "container not running: \"%s\"", s->record.id);
}

/**
 * session_admin() - connect to the admin service of the session's shim
 * @s: open session
 * @ret: receives the client
 * @err: filled on failure
 *
 * Return: 0 or -errno.
 */
int session_admin(struct session *s, struct rpc_client **ret, struct err *err)
{
	int r = session_need_shim(s, err);

	return r < 0 ? r : dial_socket(&s->record, KATA_SOCKET_ADMIN, ret, err);
}

/**
 * session_explain() - say whose guest or shim did not answer
 * @s: session of the call
 * @r: outcome of the call
 * @err: its error
 *
 * Return: @r.
 */
int session_explain(const struct session *s, int r, struct err *err)
{
	return r == -ETIMEDOUT ? err_wrap(err, "container \"%s\" does not answer", s->record.id)
			       : r;
}

/**
 * session_call() - one Task call
 * @s: session with a shim
 * @method: method
 * @req: request
 * @resp: response or NULL
 * @timeout_ms: how long to wait
 * @err: filled on failure
 *
 * Return: 0 or -errno.
 */
int session_call(struct session *s, const struct rpc_method *method, const void *req, void *resp,
		 uint64_t timeout_ms, struct err *err)
{
	return session_explain(
		s,
		rpc_call(s->task, method, req, resp, s->arena, loop_deadline_ms(timeout_ms), err),
		err);
}

/**
 * session_status() - what is the container doing?
 * @s: open session
 * @ret: receives the status; UNKNOWN while it is being created
 * @err: filled on failure
 *
 * Return: 0 or -errno, when the shim is there but does not answer.
 */
int session_status(struct session *s, enum task_status *ret, struct err *err)
{
	struct task_state_request req = { .id = s->record.id };
	struct task_state_response resp = { 0 };

	if (!s->task) {
		*ret = TASK_STATUS_STOPPED;
		return 0;
	}
	int r = session_call(s, &task_v2_state, &req, &resp, CLI_STATE_MS, err);
	if (r ==
	    -ENOENT) { /* before its Create ended, or after a Delete that did not get further */
		*ret = record_standin_alive(&s->record) ? TASK_STATUS_UNKNOWN : TASK_STATUS_STOPPED;
		*err = ERR_NULL;
		return 0;
	}
	if (r == -ECONNRESET || r == -EPIPE) { /* it ended while we asked */
		*ret = TASK_STATUS_STOPPED;
		*err = ERR_NULL;
		return 0;
	}
	if (r < 0)
		return err_wrap(err, "cannot ask for the state of \"%s\"", s->record.id);
	*ret = (enum task_status)resp.status;
	return 0;
}

/**
 * session_status_name() - the word the OCI state has for a status
 * @status: status
 *
 * Return: a static string.
 */
const char *session_status_name(enum task_status status)
{
	switch (status) {
	case TASK_STATUS_CREATED:
		return "created";
	case TASK_STATUS_RUNNING:
		return "running";
	case TASK_STATUS_PAUSED:
	case TASK_STATUS_PAUSING:
		return "paused";
	case TASK_STATUS_STOPPED:
		return "stopped";
	case TASK_STATUS_UNKNOWN:
	default:
		return "creating";
	}
}

/**
 * session_shut_down() - end a sandbox whose guest does not play along, at once
 * @s: session of one of its containers, which all end with it
 *
 * Return: 0 when its shim has ended the VM and is about to go, -ENOTCONN without a shim, -errno when
 * the shim does not play along either.
 */
int session_shut_down(struct session *s)
{
	const struct task_shutdown_request req = { .id = s->record.sandbox_id, .now = true };
	struct err err = ERR_NULL;

	if (!s->task)
		return -ENOTCONN;
	int r = session_call(s, &task_v2_shutdown, &req, NULL, CLI_STOP_MS, &err);
	if (r < 0)
		log_debug("shut down: %s", err.text);
	return r;
}

/**
 * session_close() - end a session
 * @s: session, open or not
 */
void session_close(struct session *s)
{
	(void)rpc_client_free(s->task); /* always NULL */
	(void)arena_free(s->arena);	/* always NULL */
	record_deinit(&s->record);
	*s = SESSION_NULL;
}
