/* SPDX-License-Identifier: Apache-2.0 */
/*
 * kata-runtime console: the last output of the guest's console, where its kernel and agent log.
 */
#include "runtime/cmd/admin/verbs.h"

#include "common/str.h"
#include "runtime/shim/admin.h"

static int set(void *arg, int key, const char *value, struct err *err)
{
	struct admin_console_request *req = arg;

	(void)key; /* there is only one */
	if (str_to_u32(value, &req->tail) < 0)
		return err_set(err, EINVAL, "--tail needs a number of bytes, not \"%s\"", value);
	return 0;
}

static int print_console(struct admin_query *q, struct err *err)
{
	struct admin_console_response resp = { 0 };
	int r = admin_query_call(q, &admin_console, q->arg, &resp, err);

	if (r < 0)
		return r;
	r = strbuf_add(&q->out, resp.data, resp.data_len);
	return r < 0 ? err_set_errno(err, r, "console") : 0;
}

/**
 * verb_console() - see kata-runtime(8)
 * @cli: global options
 * @argc: number of arguments
 * @argv: arguments
 * @err: filled on failure
 *
 * Return: exit code or -errno.
 */
int verb_console(struct cli *cli, int argc, char **argv, struct err *err)
{
	static const struct argp_option options[] = {
		{ "tail", 't', "BYTES", 0, "Print no more than the last BYTES", 0 },
		{ 0 },
	};
	static const struct cli_verb verb = {
		.options = options,
		.set = set,
		.args_doc = "ID",
		.doc = "Print the last output of the guest's console.",
		.min_args = 1,
		.max_args = 1,
	};
	struct admin_console_request req = { 0 };
	struct admin_query q = { .cli = cli, .fn = print_console, .arg = &req };
	int first;
	int r = cli_parse(&verb, argc, argv, &req, &first, err);

	if (r < 0)
		return r;
	q.id = argv[first];
	return admin_query_run(&q, err);
}
