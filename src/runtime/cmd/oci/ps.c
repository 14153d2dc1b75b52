/* SPDX-License-Identifier: Apache-2.0 */
/*
 * kata-runtime ps: the processes of a container. As a table it is what runs in the guest (ps_table.c). As JSON
 * it is pids for docker to look up in the host's ps: those of the stand-in and of the children by
 * which it shows the guest's processes (standin_ps.c).
 */
#include "runtime/cmd/oci/verbs.h"

#include <stdio.h>

#include <time.h>

#include "common/str.h"
#include "runtime/cmd/oci/ps_table.h"
#include "runtime/shim/admin.h"

struct ps {
	struct admin_query q;
	bool json;
	struct ps_table table;
};

static int set(void *arg, int key, const char *value, struct err *err)
{
	struct ps *ps = arg;

	(void)key; /* there is only one */
	if (!str_eq(value, "json") && !str_eq(value, "table"))
		return err_set(err, EINVAL, "--format is \"table\" or \"json\", not \"%s\"", value);
	ps->json = str_eq(value, "json");
	return 0;
}

static int print_pids(void *arg, struct err *err)
{
	struct ps *ps = arg;
	cleanup_session struct session s = SESSION_NULL;
	cleanup_strbuf struct strbuf out = STRBUF_NULL;
	const struct task_pids_request req = { .id = ps->q.id };
	struct task_pids_response resp = { 0 };
	struct json_writer w;
	int r = session_open(&s, ps->q.cli, ps->q.id, err);

	if (r == 0 && s.task)
		r = session_call(&s, &task_v2_pids, &req, &resp, CLI_QUICK_MS, err);
	if (r < 0)
		return r;
	json_writer_init(&w, &out, 0);
	json_array(&w);
	for (size_t i = 0; i < resp.nr_processes; i++)
		json_put_uint(&w, resp.processes[i].pid);
	json_array_end(&w);
	r = json_writer_finish(&w);
	if (r == 0)
		r = strbuf_puts(&out, "\n");
	return r < 0 ? err_set_errno(err, r, "ps") : cli_print(out.data, out.len, err);
}

/* The guest counts ticks from its boot: when that was, the container's first process tells. */
static int find_boot(struct admin_query *q, const struct admin_processes_response *list,
		     struct ps_clock *ret, struct err *err)
{
	const struct admin_container_info_request req = { .id = q->id, .exec_id = "" };
	struct admin_container_info_response info = { 0 };
	int r = admin_query_call(q, &admin_container_info, &req, &info, err);

	if (r < 0)
		return r;
	*ret = (struct ps_clock){ .now = time(NULL), .boot = info.started_at.seconds };
	for (size_t i = 0; i < list->nr_processes; i++)
		if (str_eq(list->processes[i].exec_id, q->id))
			ret->boot -=
				(time_t)(list->processes[i].start_time / PS_GUEST_TICKS_PER_SEC);
	return 0;
}

static int print_table(struct admin_query *q, struct err *err)
{
	const struct ps_table *table = q->arg;
	const struct admin_processes_request req = { .id = q->id };
	struct admin_processes_response resp = { 0 };
	struct ps_clock clock = { 0 };
	enum task_status status = TASK_STATUS_RUNNING;
	int r = q->session.task || !q->admin ? session_status(&q->session, &status, err) : 0;

	/* As runc: nothing runs, and that is no error. */
	if (r == 0 && status != TASK_STATUS_STOPPED)
		r = admin_query_call(q, &admin_processes, &req, &resp, err);
	if (r == 0 && resp.nr_processes)
		r = find_boot(q, &resp, &clock, err);
	if (r < 0)
		return r;
	r = ps_table_print(table, &clock, resp.processes, resp.nr_processes, &q->out);
	return r < 0 ? err_set_errno(err, r, "ps") : 0;
}

/**
 * verb_ps() - see kata-runtime(8)
 * @cli: global options
 * @argc: number of arguments
 * @argv: arguments
 * @err: filled on failure
 *
 * Return: exit code or -errno.
 */
int verb_ps(struct cli *cli, int argc, char **argv, struct err *err)
{
	static const struct argp_option options[] = {
		{ "format", 'f', "FORMAT", 0,
		  "\"table\" (default) or \"json\", numbers of processes on the host", 0 },
		{ 0 },
	};
	static const struct cli_verb verb = {
		.options = options,
		.set = set,
		.args_doc = "ID [PS-OPTION...]",
		.doc = "Print the processes of a container. Options of ps(1) choose the columns: "
		       "-e, -f, aux, -o NAME,... and the like; without any it is -ef.",
		.min_args = 1,
		.max_args = -1,
		.stop_at_arg = true,
	};
	struct ps ps = { .q = { .cli = cli, .fn = print_table } };
	int first;
	int nr = cli_parse(&verb, argc, argv, &ps, &first, err);

	if (nr < 0)
		return nr;
	ps.q.id = argv[first];
	ps.q.arg = &ps.table;
	ps.q.shim_may_be_gone = true;
	char **args = argv + first + 1;
	nr--;
	if (nr && str_eq(args[0], "--")) {
		args++;
		nr--;
	}
	int r = ps.json ? 0 : ps_table_parse(&ps.table, args, (size_t)nr, err);
	if (r < 0)
		return r;
	return ps.json ? cli_run(print_pids, &ps, err) : admin_query_run(&ps.q, err);
}
