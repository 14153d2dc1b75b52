/* SPDX-License-Identifier: Apache-2.0 */
/*
 * kata-runtime metrics: figures of a sandbox, as Prometheus reads them.
 */
#include "runtime/cmd/admin/verbs.h"

#include "common/str.h"
#include "runtime/shim/admin.h"

static int print_metrics(struct admin_query *q, struct err *err)
{
	struct admin_metrics_response resp = { 0 };
	int r = admin_query_call(q, &admin_metrics, NULL, &resp, err);

	if (r < 0)
		return r;
	r = strbuf_puts(&q->out, resp.metrics ? resp.metrics : "");
	if (r == 0 && q->out.len > 0 && q->out.data[q->out.len - 1] != '\n')
		r = strbuf_puts(&q->out, "\n");
	return r < 0 ? err_set_errno(err, r, "metrics") : 0;
}

/**
 * verb_metrics() - see kata-runtime(8)
 * @cli: global options
 * @argc: number of arguments
 * @argv: arguments
 * @err: filled on failure
 *
 * Return: exit code or -errno.
 */
int verb_metrics(struct cli *cli, int argc, char **argv, struct err *err)
{
	return admin_query_verb(cli, argc, argv, "Print metrics of the shim, the VM and the guest.",
				print_metrics, err);
}
