/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A container's record, a connection to its shim and the few Task calls that more than one verb
 * makes. Everything here runs in a fiber.
 */
#pragma once

#include "rpc/pb/task_msg.h"
#include "rpc/ttrpc/rpc.h"
#include "runtime/cli/cli.h"
#include "runtime/state/record.h"

/* What a verb that talks to one container has at hand. SESSION_NULL is the start state. */
struct session {
	struct record record;
	struct rpc_client *task; /* NULL when the shim is gone */
	struct arena *arena;	 /* for responses */
};

#define SESSION_NULL ((struct session){ .record = RECORD_NULL })

int session_open(struct session *s, const struct cli *cli, const char *id,
		 struct err *err) must_check;
int session_need_shim(struct session *s, struct err *err) must_check;
int session_admin(struct session *s, struct rpc_client **ret, struct err *err) must_check;
int session_status(struct session *s, enum task_status *ret, struct err *err) must_check;
int session_call(struct session *s, const struct rpc_method *method, const void *req, void *resp,
		 uint64_t timeout_ms, struct err *err) must_check;
int session_explain(const struct session *s, int r, struct err *err) must_check;
int session_shut_down(struct session *s);
void session_close(struct session *s);
const char *session_status_name(enum task_status status);

#define cleanup_session cleanup_with(session_close)
