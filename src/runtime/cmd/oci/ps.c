/* SPDX-License-Identifier: Apache-2.0 */
/*
 * kata-runtime ps: the processes of a container. As a table it is what runs in the guest. As JSON
 * it is pids for docker to look up in the host's ps: those of the stand-in and of the children by
 * which it shows the guest's processes (standin_ps.c).
 */
#include "runtime/cmd/oci/verbs.h"

#include <stdio.h>

#include "common/str.h"
#include "runtime/shim/admin.h"

#define GUEST_TICKS_PER_SEC 100 /* USER_HZ on every architecture the guest kernel is built for */

struct ps {
	struct admin_query q;
	bool json;
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

	if (r == 0)
		r = session_need_shim(&s, err);
	if (r == 0)
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

static int put_process(struct strbuf *out, const struct admin_process *p)
{
	uint64_t sec = p->cpu_time / GUEST_TICKS_PER_SEC;
	char time[32];

	snprintf(time, sizeof(time), "%02llu:%02llu:%02llu", (unsigned long long)(sec / 3600),
		 (unsigned long long)(sec / 60 % 60), (unsigned long long)(sec % 60));
	int r = strbuf_printf(out, "%-8u %7u %7u %9llu %-4s %-8s %s ", p->uid, p->pid, p->ppid,
			      (unsigned long long)(p->rss / 1024), p->state,
			      str_empty(p->tty) ? "?" : p->tty, time);
	/* Names come from the container: a terminal must not obey them. */
	for (const char *c = p->command; r == 0 && *c; c++) {
		char shown = (unsigned char)*c < ' ' || *c == 0x7f ? '?' : *c;

		r = strbuf_add(out, &shown, 1);
	}
	return r < 0 ? r : strbuf_puts(out, "\n");
}

static int print_table(struct admin_query *q, struct err *err)
{
	const struct admin_processes_request req = { .id = q->id };
	struct admin_processes_response resp = { 0 };
	int r = admin_query_call(q, &admin_processes, &req, &resp, err);

	if (r < 0)
		return r;
	r = strbuf_printf(&q->out, "%-8s %7s %7s %9s %-4s %-8s %s %s\n", "UID", "PID", "PPID",
			  "RSS", "STAT", "TTY", "TIME    ", "CMD");
	for (size_t i = 0; i < resp.nr_processes && r == 0; i++)
		r = put_process(&q->out, &resp.processes[i]);
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
		.doc = "Print the processes of a container. Options of ps(1) are taken and have no "
		       "effect.",
		.min_args = 1,
		.max_args = -1,
		.stop_at_arg = true,
	};
	struct ps ps = { .q = { .cli = cli, .fn = print_table } };
	int first;
	int r = cli_parse(&verb, argc, argv, &ps, &first, err);

	if (r < 0)
		return r;
	ps.q.id = argv[first];
	return ps.json ? cli_run(print_pids, &ps, err) : admin_query_run(&ps.q, err);
}
