/* SPDX-License-Identifier: Apache-2.0 */
/*
 * kata-runtime events: statistics and OOM events of a container, one JSON object per line.
 */
#include "runtime/cmd/oci/verbs.h"

#include "common/str.h"
#include "runtime/cmd/oci/stats_json.h"
#include "runtime/shim/admin.h"

#define INTERVAL_DEFAULT_NS (5ULL * 1000000000ULL)
/* A day: a longer interval is taken for a mistake. */
#define INTERVAL_MAX_NS (24ULL * 3600ULL * 1000000000ULL)

struct events {
	struct admin_query q;
	uint64_t interval_ns;
	bool once;
};

/* A Go duration of one unit: "5s", "500ms", "1m". */
static int parse_interval(const char *text, uint64_t *ret)
{
	static const struct {
		const char *unit;
		uint64_t ns;
	} units[] = { { "ns", 1 },	   { "us", 1000 },	 { "ms", 1000000 },
		      { "s", 1000000000 }, { "m", 60000000000 }, { "h", 3600000000000 } };
	char number[16];
	size_t digits = strspn(text, "0123456789");
	uint64_t value;

	if (digits == 0 || digits >= sizeof(number))
		return -EINVAL;
	memcpy(number, text, digits);
	number[digits] = '\0';
	if (str_to_u64(number, &value) < 0 || value == 0)
		return -EINVAL;
	for (size_t i = 0; i < ARRAY_SIZE(units); i++) {
		if (!str_eq(text + digits, units[i].unit))
			continue;
		if (value > INTERVAL_MAX_NS / units[i].ns)
			return -ERANGE;
		*ret = value * units[i].ns;
		return 0;
	}
	return -EINVAL;
}

static int set(void *arg, int key, const char *value, struct err *err)
{
	struct events *e = arg;

	if (key == 's') {
		e->once = true;
		return 0;
	}
	if (parse_interval(value, &e->interval_ns) < 0)
		return err_set(err, EINVAL, "--interval needs a time such as 5s, not \"%s\"",
			       value);
	return 0;
}

static int print_event(const char *type, const char *id,
		       const struct agent_stats_container_response *stats, struct err *err)
{
	cleanup_strbuf struct strbuf out = STRBUF_NULL;
	struct json_writer w;

	json_writer_init(&w, &out, 0);
	json_object(&w);
	json_member_str(&w, "type", type);
	json_member_str(&w, "id", id);
	if (stats) {
		json_put_key(&w, "data");
		stats_json_write(&w, stats);
	}
	json_object_end(&w);
	int r = json_writer_finish(&w);
	if (r == 0)
		r = strbuf_puts(&out, "\n");
	return r < 0 ? err_set_errno(err, r, "events") : cli_print(out.data, out.len, err);
}

static int print_stats(struct admin_query *q, struct err *err)
{
	const struct admin_stats_request req = { .id = q->id };
	struct agent_stats_container_response stats = { 0 };
	cleanup_arena struct arena *arena = NULL; /* the verb may run for days */
	int r = arena_new(&arena);

	if (r < 0)
		return err_set_errno(err, r, "events");
	r = rpc_call(q->admin, &admin_stats, &req, &stats, arena, loop_deadline_ms(CLI_QUICK_MS),
		     err);
	if (r < 0)
		return session_explain(&q->session, r, err);
	return print_event("stats", q->id, &stats, err);
}

/* Prints OOM events. Returns 1 when the container has ended, 0 at the deadline. */
static int watch(struct admin_query *q, uint64_t *since, uint64_t deadline_ns, struct err *err)
{
	for (;;) {
		const struct admin_wait_event_request req = { .since = *since, .id = q->id };
		struct admin_wait_event_response event = { 0 };
		cleanup_arena struct arena *arena = NULL;
		int r = arena_new(&arena);

		if (r == 0)
			r = rpc_call(q->admin, &admin_wait_event, &req, &event, arena, deadline_ns,
				     err);
		if (r == -ETIMEDOUT) {
			*err = ERR_NULL;
			return 0;
		}
		if (r == -ECONNRESET)
			return 1;
		if (r < 0)
			return r;
		*since = event.seq;
		if (event.type == ADMIN_EVENT_SANDBOX_GONE ||
		    (event.type == ADMIN_EVENT_EXIT && str_empty(event.exec_id)))
			return 1;
		if (event.type == ADMIN_EVENT_OOM)
			r = print_event("oom", q->id, NULL, err);
		if (r < 0)
			return r;
		if (event.type == ADMIN_EVENT_NONE && loop_now_ns() >= deadline_ns)
			return 0;
	}
}

static int follow(struct admin_query *q, struct err *err)
{
	struct events *e = q->arg;
	uint64_t since = 0;
	int r;

	do {
		uint64_t deadline_ns = loop_now_ns() + e->interval_ns;

		r = print_stats(q, err);
		if (r == 0 && !e->once)
			r = watch(q, &since, deadline_ns, err);
	} while (r == 0 && !e->once);
	return r < 0 ? r : 0;
}

/**
 * verb_events() - see kata-runtime(8)
 * @cli: global options
 * @argc: number of arguments
 * @argv: arguments
 * @err: filled on failure
 *
 * Return: exit code or -errno.
 */
int verb_events(struct cli *cli, int argc, char **argv, struct err *err)
{
	static const struct argp_option options[] = {
		{ "stats", 's', NULL, 0, "Print the statistics once", 0 },
		{ "interval", 'i', "TIME", 0, "Time between two statistics, by default 5s", 0 },
		{ 0 },
	};
	static const struct cli_verb verb = {
		.options = options,
		.set = set,
		.args_doc = "ID",
		.doc = "Print statistics and OOM events of a container as JSON.",
		.min_args = 1,
		.max_args = 1,
	};
	struct events e = { .q = { .cli = cli, .fn = follow }, .interval_ns = INTERVAL_DEFAULT_NS };
	int first;
	int r = cli_parse(&verb, argc, argv, &e, &first, err);

	if (r < 0)
		return r;
	e.q.id = argv[first];
	e.q.arg = &e;
	return admin_query_run(&e.q, err);
}
