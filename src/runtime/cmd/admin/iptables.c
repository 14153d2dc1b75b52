/* SPDX-License-Identifier: Apache-2.0 */
/*
 * kata-runtime iptables: read or replace the netfilter tables of a guest, in the text form of
 * iptables-save.
 */
#include "runtime/cmd/admin/verbs.h"

#include <unistd.h>

#include "common/str.h"
#include "runtime/shim/admin.h"

#define RULES_MAX (1U << 20)

struct iptables {
	bool ipv6;
	struct strbuf rules; /* to set; empty for "get" */
};

static int set(void *arg, int key, const char *value, struct err *err)
{
	struct iptables *ipt = arg;

	(void)key; /* there is only one */
	(void)value;
	(void)err;
	ipt->ipv6 = true;
	return 0;
}

static int get_tables(struct admin_query *q, struct err *err)
{
	const struct iptables *ipt = q->arg;
	const struct agent_get_iptables_request req = { .is_ipv6 = ipt->ipv6 };
	struct agent_get_iptables_response resp = { 0 };
	int r = admin_query_call(q, &admin_get_iptables, &req, &resp, err);

	if (r < 0)
		return r;
	r = strbuf_add(&q->out, resp.data, resp.data_len);
	return r < 0 ? err_set_errno(err, r, "iptables") : 0;
}

static int set_tables(struct admin_query *q, struct err *err)
{
	const struct iptables *ipt = q->arg;
	const struct agent_set_iptables_request req = {
		.is_ipv6 = ipt->ipv6,
		.data = (const uint8_t *)ipt->rules.data,
		.data_len = ipt->rules.len,
	};
	struct agent_set_iptables_response resp = { 0 };

	return admin_query_call(q, &admin_set_iptables, &req, &resp, err);
}

static int read_rules(struct strbuf *out, struct err *err)
{
	char chunk[4096];
	ssize_t n;

	while ((n = read(STDIN_FILENO, chunk, sizeof(chunk))) != 0) {
		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return err_set_errno(err, -errno, "cannot read the rules from stdin");
		if (out->len + (size_t)n > RULES_MAX)
			return err_set(err, EFBIG, "more than %u bytes of rules", RULES_MAX);
		int r = strbuf_add(out, chunk, (size_t)n);
		if (r < 0)
			return err_set_errno(err, r, "iptables");
	}
	return out->len > 0 ? 0 : err_set(err, EINVAL, "there are no rules on stdin");
}

/**
 * verb_iptables() - see kata-runtime(8)
 * @cli: global options
 * @argc: number of arguments
 * @argv: arguments
 * @err: filled on failure
 *
 * Return: exit code or -errno.
 */
int verb_iptables(struct cli *cli, int argc, char **argv, struct err *err)
{
	static const struct argp_option options[] = {
		{ "v6", '6', NULL, 0, "The tables of IPv6", 0 },
		{ 0 },
	};
	static const struct cli_verb verb = {
		.options = options,
		.set = set,
		.args_doc = "get|set ID",
		.doc = "Print the guest's netfilter tables, or replace them by those on stdin.",
		.min_args = 2,
		.max_args = 2,
	};
	struct iptables ipt = { .rules = STRBUF_NULL };
	struct admin_query q = { .cli = cli, .arg = &ipt };
	int first;
	int r = cli_parse(&verb, argc, argv, &ipt, &first, err);

	if (r < 0)
		return r;
	q.id = argv[first + 1];
	if (str_eq(argv[first], "get"))
		q.fn = get_tables;
	else if (str_eq(argv[first], "set"))
		q.fn = set_tables;
	else
		return err_set(err, EINVAL, "iptables takes \"get\" or \"set\", not \"%s\"",
			       argv[first]);
	r = q.fn == set_tables ? read_rules(&ipt.rules, err) : 0;
	if (r == 0)
		r = admin_query_run(&q, err);
	strbuf_deinit(&ipt.rules);
	return r;
}
