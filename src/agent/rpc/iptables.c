/* SPDX-License-Identifier: Apache-2.0 */
/*
 * GetIPTables and SetIPTables: the rules as iptables-save writes and iptables-restore reads them.
 * The programs come with the guest's image; our own initrd holds none.
 */
#include <errno.h>
#include <stdint.h>
#include <unistd.h>

#include "agent/core/agent.h"
#include "agent/core/spawn.h"
#include "agent/rpc/service.h"
#include "rpc/pb/agent_msg.h"

static const char *const directories[] = { "/sbin", "/usr/sbin", "/bin", "/usr/bin" };

static char *find_program(struct arena *arena, const char *name)
{
	for (size_t i = 0; i < ARRAY_SIZE(directories); i++) {
		char *path = arena_printf(arena, "%s/%s", directories[i], name);

		if (path && access(path, X_OK) == 0)
			return path;
	}
	return NULL;
}

static int run(struct agent *agent, struct arena *arena, const char *name, char *option,
	       const void *input, size_t input_len, const uint8_t **ret, size_t *ret_len,
	       struct err *err)
{
	struct spawn_result result = SPAWN_RESULT_NULL;
	char *argv[] = { find_program(arena, name), option, option ? (char *)(uintptr_t) "5" : NULL,
			 NULL };

	if (!argv[0])
		return err_set(err, ENOSYS, "not supported: the guest's image has no %s", name);
	int r = spawn_run(agent, argv, input, input_len, &result, err);
	if (r >= 0 && result.code != 0)
		r = err_set(err, EINVAL, "%s: exit status %d", name, result.code);
	if (r >= 0) {
		*ret = arena_memdup(arena, result.output.data ? result.output.data : "",
				    result.output.len);
		*ret_len = result.output.len;
		if (!*ret)
			r = err_set(err, ENOMEM, "out of memory");
	}
	spawn_result_deinit(&result);
	return r;
}

/**
 * iptables_rpc_get() - GetIPTables
 * @ctx: agent
 * @call: request
 * @request: struct agent_get_iptables_request
 * @response: struct agent_get_iptables_response
 * @err: filled on failure
 *
 * Return: 0 or -errno (-ENOSYS when the image lacks the program).
 */
RPC_FN(iptables_rpc_get)
{
	const struct agent_get_iptables_request *req = request;
	struct agent_get_iptables_response *resp = response;

	return run(ctx, call->arena, req->is_ipv6 ? "ip6tables-save" : "iptables-save", NULL, NULL,
		   0, &resp->data, &resp->data_len, err);
}

/**
 * iptables_rpc_set() - SetIPTables
 * @ctx: agent
 * @call: request
 * @request: struct agent_set_iptables_request
 * @response: struct agent_set_iptables_response
 * @err: filled on failure
 *
 * Return: 0 or -errno (-ENOSYS when the image lacks the program).
 */
RPC_FN(iptables_rpc_set)
{
	static char wait_option[] = "--wait";
	const struct agent_set_iptables_request *req = request;
	struct agent_set_iptables_response *resp = response;

	return run(ctx, call->arena, req->is_ipv6 ? "ip6tables-restore" : "iptables-restore",
		   wait_option, req->data ? (const void *)req->data : "", req->data_len,
		   &resp->data, &resp->data_len, err);
}
