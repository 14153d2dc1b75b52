/* SPDX-License-Identifier: Apache-2.0 */
/*
 * kata-runtime state: the OCI state of one container as JSON.
 */
#include "runtime/cmd/oci/verbs.h"

#include "common/str.h"
#include "runtime/cli/username.h"
#include "runtime/shim/session.h"

struct state {
	const struct cli *cli;
	const char *id;
};

static int print_state(void *arg, struct err *err)
{
	struct state *state = arg;
	cleanup_session struct session s = SESSION_NULL;
	cleanup_strbuf struct strbuf out = STRBUF_NULL;
	struct json_writer w;
	char owner[USERNAME_MAX];
	enum task_status status;
	int r = session_open(&s, state->cli, state->id, err);

	if (r == 0)
		r = session_status(&s, &status, err);
	if (r < 0)
		return r;
	username_of(s.record.owner, owner, sizeof(owner));
	json_writer_init(&w, &out, 2);
	record_put_state(&s.record, &w, session_status_name(status), owner);
	r = json_writer_finish(&w);
	if (r == 0)
		r = strbuf_puts(&out, "\n");
	if (r < 0)
		return err_set_errno(err, r, "cannot write the state of \"%s\"", state->id);
	return cli_print(out.data, out.len, err);
}

/**
 * verb_state() - see kata-runtime(8)
 * @cli: global options
 * @argc: number of arguments
 * @argv: arguments
 * @err: filled on failure
 *
 * Return: exit code or -errno.
 */
int verb_state(struct cli *cli, int argc, char **argv, struct err *err)
{
	static const struct cli_verb verb = {
		.args_doc = "ID",
		.doc = "Print the state of a container as JSON.",
		.min_args = 1,
		.max_args = 1,
	};
	struct state state = { .cli = cli };
	int first;
	int r = cli_parse(&verb, argc, argv, NULL, &first, err);

	if (r < 0)
		return r;
	state.id = argv[first];
	return cli_run(print_state, &state, err);
}
