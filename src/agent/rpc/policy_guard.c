/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The one place where the policy is asked: each request comes by here before its handler.
 */
#include <errno.h>

#include "agent/core/agent.h"
#include "agent/rpc/service.h"
#include "agent/util/policy.h"
#include "common/log.h"
#include "common/str.h"
#include "rpc/pb/agent_msg.h"

static int refuse(const char *request, const char *field, const char *value, struct err *err)
{
	if (!field)
		return err_set(err, EPERM, "not allowed by the agent's policy: %s", request);
	return err_set(err, EPERM, "not allowed by the agent's policy: %s, %s \"%.128s\"", request,
		       field, value ? value : "");
}

static int check_storages(const struct policy *policy, const char *request,
			  const struct agent_storage *storages, size_t nr, struct err *err)
{
	for (size_t i = 0; i < nr; i++)
		if (!policy_matches(policy, "storage", storages[i].driver))
			return refuse(request, "storage", storages[i].driver, err);
	return 0;
}

static int check_container(const struct policy *policy, const char *request,
			   const struct agent_create_container_request *req, struct err *err)
{
	for (size_t i = 0; req->oci && i < req->oci->nr_mounts; i++)
		if (!policy_matches(policy, "mount", req->oci->mounts[i].destination))
			return refuse(request, "mount", req->oci->mounts[i].destination, err);
	return check_storages(policy, request, req->storages, req->nr_storages, err);
}

static int check_fields(const struct policy *policy, const struct rpc_method *method,
			const void *req, struct err *err)
{
	if (method == &agent_exec_process) {
		const struct agent_exec_process_request *exec = req;
		const char *program =
			exec->process && exec->process->args.nr ? exec->process->args.v[0] : NULL;

		return policy_matches(policy, "exec", program)
			       ? 0
			       : refuse(method->name, "exec", program, err);
	}
	if (method == &agent_copy_file) {
		const struct agent_copy_file_request *copy = req;

		return policy_matches(policy, "copy", copy->path)
			       ? 0
			       : refuse(method->name, "copy", copy->path, err);
	}
	if (method == &agent_create_container)
		return check_container(policy, method->name, req, err);
	if (method == &agent_create_sandbox) {
		const struct agent_create_sandbox_request *sandbox = req;

		return check_storages(policy, method->name, sandbox->storages, sandbox->nr_storages,
				      err);
	}
	if (method == &agent_update_ephemeral_mounts) {
		const struct agent_update_ephemeral_mounts_request *update = req;

		return check_storages(policy, method->name, update->storages, update->nr_storages,
				      err);
	}
	return 0;
}

/**
 * policy_guard() - is a request answered
 * @ctx: agent
 * @method: which
 * @req: its decoded message
 * @err: says what is not allowed
 *
 * Return: 0 or -EPERM.
 */
int policy_guard(void *ctx, const struct rpc_method *method, const void *req, struct err *err)
{
	const struct agent *agent = ctx;
	const struct policy *policy = &agent->config.policy;

	if (!policy_allows(policy, method->name))
		return refuse(method->name, NULL, NULL, err);
	return check_fields(policy, method, req, err);
}

static bool is_served(const char *name)
{
	for (size_t i = 0; i < service_nr_handlers; i++)
		if (str_eq(service_handlers[i].method->name, name))
			return true;
	return false;
}

/**
 * policy_guard_init() - look at the policy that was configured
 * @agent: agent; one whose policy names what is not served answers nothing
 */
void policy_guard_init(struct agent *agent)
{
	struct err err = ERR_NULL;

	if (policy_check_names(&agent->config.policy, is_served, &err) < 0) {
		log_error("no request is answered: %s", err.text);
		agent->config.policy.broken = true;
	}
}
