/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Verbs that ask the shim's admin service something about one container or its sandbox, and print
 * the answer.
 */
#pragma once

#include "rpc/pb/admin_msg.h"
#include "runtime/shim/session.h"

struct admin_query {
	const struct cli *cli;
	const char *id; /* any container of the sandbox */
	void *arg;
	bool shim_may_be_gone; /* then @admin and @session.task are NULL in @fn */
	/* Runs in a fiber; @out is printed when it returns 0. */
	int (*fn)(struct admin_query *q, struct err *err);

	struct session session;
	struct rpc_client *admin;
	struct strbuf out;
};

int admin_query_run(struct admin_query *q, struct err *err) must_check;
int admin_query_call(struct admin_query *q, const struct rpc_method *method, const void *req,
		     void *resp, struct err *err) must_check;
int admin_query_verb(struct cli *cli, int argc, char **argv, const char *doc,
		     int (*fn)(struct admin_query *q, struct err *err), struct err *err) must_check;
