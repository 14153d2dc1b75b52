/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The frame of the verbs that use the admin service: connect, ask, print.
 */
#include "runtime/shim/admin.h"

#include <errno.h>

#include "kata/state.h"
#include "runtime/shim/dial.h"

/**
 * admin_query_call() - one call to the admin service
 * @q: running query
 * @method: method
 * @req: request, may be NULL
 * @resp: response, may be NULL
 * @err: filled on failure
 *
 * Return: 0 or -errno.
 */
int admin_query_call(struct admin_query *q, const struct rpc_method *method, const void *req,
		     void *resp, struct err *err)
{
	int r = rpc_call(q->admin, method, req, resp, q->session.arena,
			 loop_deadline_ms(CLI_QUICK_MS), err);

	return session_explain(&q->session, r, err);
}

/* A sandbox that containerd manages has no record of the command line's, but the same socket. */
static int connect_managed(struct admin_query *q, struct err *err)
{
	struct session *s = &q->session;
	int r = arena_new(&s->arena);

	if (r < 0)
		return err_set_errno(err, r, "sandbox \"%s\"", q->id);
	r = dial_socket_at(s->record.dir_fd, KATA_SOCKET_ADMIN, &q->admin, err);
	return r == -ENOTCONN ? err_set(err, ENOENT, "container \"%s\" does not exist", q->id) : r;
}

static int run_query(void *arg, struct err *err)
{
	struct admin_query *q = arg;
	int r = session_open(&q->session, q->cli, q->id, err);

	if (r == -ENOENT && q->session.record.dir_fd >= 0)
		r = connect_managed(q, err);
	else if (r == 0 && (q->session.task || !q->shim_may_be_gone))
		r = session_admin(&q->session, &q->admin, err);
	if (r == 0)
		r = q->fn(q, err);
	if (r == 0 && q->out.len > 0)
		r = cli_print(q->out.data, q->out.len, err);
	q->admin = rpc_client_free(q->admin);
	session_close(&q->session);
	return r;
}

/**
 * admin_query_run() - run a query and print what it has written
 * @q: cli, id and fn set, the rest zero
 * @err: filled on failure
 *
 * Return: 0 or -errno.
 */
int admin_query_run(struct admin_query *q, struct err *err)
{
	q->session = SESSION_NULL;
	q->out = STRBUF_NULL;
	int r = cli_run(run_query, q, err);
	strbuf_deinit(&q->out);
	return r;
}

/**
 * admin_query_verb() - a whole verb that takes one id and no options
 * @cli: global options
 * @argc: number of arguments
 * @argv: arguments
 * @doc: its line of help
 * @fn: the query
 * @err: filled on failure
 *
 * Return: 0 or -errno.
 */
int admin_query_verb(struct cli *cli, int argc, char **argv, const char *doc,
		     int (*fn)(struct admin_query *q, struct err *err), struct err *err)
{
	const struct cli_verb verb = { .args_doc = "ID", .doc = doc, .min_args = 1, .max_args = 1 };
	struct admin_query q = { .cli = cli, .fn = fn };
	int first;
	int r = cli_parse(&verb, argc, argv, NULL, &first, err);

	if (r < 0)
		return r;
	q.id = argv[first];
	return admin_query_run(&q, err);
}
