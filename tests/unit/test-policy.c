/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The agent's policy: its rules, what it makes of a request, and that what is wrong allows nothing.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "agent/core/agent.h"
#include "agent/rpc/service.h"
#include "agent/util/policy.h"
#include "rpc/pb/agent_msg.h"

static struct policy parse(const char *rules)
{
	struct policy policy = { .broken = false };
	struct err err = ERR_NULL;

	assert_int_equal(policy_add(&policy, rules, &err), 0);
	return policy;
}

static void without_a_policy_everything_is_allowed(void **state)
{
	struct policy none = { .broken = false };

	(void)state;
	assert_true(policy_allows(&none, "ExecProcess"));
	assert_true(policy_matches(&none, "mount", "/etc"));
}

static void what_is_not_listed_is_not_allowed(void **state)
{
	struct policy policy = parse("CreateSandbox,CreateContainer");

	(void)state;
	assert_true(policy_allows(&policy, "CreateSandbox"));
	assert_true(policy_allows(&policy, "CreateContainer"));
	assert_false(policy_allows(&policy, "CreateContainers"));
	assert_false(policy_allows(&policy, "Create"));
	assert_false(policy_allows(&policy, "ExecProcess"));
}

static void a_denial_wins_wherever_it_stands(void **state)
{
	struct policy policy = parse("!ExecProcess,*,ExecProcess,!CopyFile");

	(void)state;
	assert_false(policy_allows(&policy, "ExecProcess"));
	assert_false(policy_allows(&policy, "CopyFile"));
	assert_true(policy_allows(&policy, "Exec"));
	assert_true(policy_allows(&policy, "StartContainer"));
}

static void a_second_list_takes_away_only(void **state)
{
	struct policy policy = parse("*,!ExecProcess,mount=/data/*");
	struct err err = ERR_NULL;

	(void)state;
	assert_int_equal(policy_add(&policy, "*,!CopyFile,mount=*", &err), 0);
	assert_false(policy_allows(&policy, "ExecProcess"));
	assert_false(policy_allows(&policy, "CopyFile"));
	assert_true(policy_allows(&policy, "StartContainer"));
	assert_true(policy_matches(&policy, "mount", "/data/x"));
	assert_false(policy_matches(&policy, "mount", "/etc"));
}

static void fields_are_like_a_pattern(void **state)
{
	struct policy policy = parse("*,mount=/data/*,mount=/proc,exec=/bin/probe");

	(void)state;
	assert_true(policy_matches(&policy, "mount", "/proc"));
	assert_true(policy_matches(&policy, "mount", "/data/a/b"));
	assert_false(policy_matches(&policy, "mount", "/data/../etc"));
	assert_false(policy_matches(&policy, "mount", "/data/.."));
	assert_true(policy_matches(&policy, "mount", "/data/..x"));
	assert_false(policy_matches(&policy, "mount", "/proc/sys"));
	assert_false(policy_matches(&policy, "mount", NULL));
	assert_true(policy_matches(&policy, "exec", "/bin/probe"));
	assert_false(policy_matches(&policy, "exec", "sh"));
	assert_true(policy_matches(&policy, "copy", "/anything"));
}

static void what_is_no_rule_breaks_it(void **state)
{
	static const char *const wrong[] = {
		"",	  ",",	       "*,",	    "*,,Exec", "!", "!*",    "Exec Process",
		"mount=", "mounts=/x", "!mount=/x", "*;*",     ";", "Exec;", "a-b",
	};

	(void)state;
	for (size_t i = 0; i < sizeof(wrong) / sizeof(*wrong); i++) {
		struct policy policy = { .broken = false };
		struct err err = ERR_NULL;

		if (policy_add(&policy, wrong[i], &err) != -EINVAL)
			fail_msg("\"%s\" is taken", wrong[i]);
		assert_true(policy.broken);
		assert_false(policy_allows(&policy, "CreateSandbox"));
		assert_false(policy_matches(&policy, "mount", "/x"));
	}
}

static void one_that_is_too_long_breaks_it(void **state)
{
	char rules[2 * POLICY_TEXT_MAX], line[sizeof(rules) + 64];
	struct agent_config config;

	(void)state;
	memset(rules, 'a', sizeof(rules));
	for (size_t i = 99; i < sizeof(rules); i += 100)
		rules[i] = ',';
	rules[sizeof(rules) - 1] = '\0';
	(void)snprintf(line, sizeof(line), "quiet agent.policy=%s agent.log=debug", rules);
	agent_config_init(&config);
	agent_config_read_cmdline(&config, line);
	assert_true(config.policy.broken);
	agent_config_init(&config);
	agent_config_read_cmdline(&config, "agent.policy=*,!ExecProcess agent.policy");
	assert_true(config.policy.broken);
	agent_config_init(&config);
	agent_config_read_cmdline(&config, "agent.policy=*,!ExecProcess quiet");
	assert_false(config.policy.broken);
	assert_false(policy_allows(&config.policy, "ExecProcess"));
}

static struct agent with_policy(const char *rules)
{
	struct agent agent = { .is_init = false };

	agent.config.policy = parse(rules);
	policy_guard_init(&agent);
	return agent;
}

static void a_misspelt_name_allows_nothing(void **state)
{
	struct agent agent = with_policy("*,!ExecProces");
	struct err err = ERR_NULL;

	(void)state;
	assert_int_equal(policy_guard(&agent, &agent_start_container, NULL, &err), -EPERM);
}

static void the_guard_looks_into_requests(void **state)
{
	struct agent agent =
		with_policy("*,!CopyFile,exec=/bin/probe,storage=virtio-fs,mount=/data");
	struct agent_exec_process_request exec = { 0 };
	struct oci_process process = { 0 };
	char *args[] = { (char[]){ "/bin/probe" }, NULL };
	struct oci_mount mount = { .destination = (char[]){ "/data" } };
	struct oci_spec spec = { .mounts = &mount, .nr_mounts = 1 };
	struct agent_storage storage = { .driver = "virtio-fs" };
	struct agent_create_container_request create = { .oci = &spec,
							 .storages = &storage,
							 .nr_storages = 1 };
	struct agent_copy_file_request copy = { .path = "/x" };
	struct err err = ERR_NULL;

	(void)state;
	process.args.v = args;
	process.args.nr = 1;
	exec.process = &process;
	assert_int_equal(policy_guard(&agent, &agent_exec_process, &exec, &err), 0);
	args[0] = (char[]){ "sh" };
	assert_int_equal(policy_guard(&agent, &agent_exec_process, &exec, &err), -EPERM);
	assert_string_equal(err.text,
			    "not allowed by the agent's policy: ExecProcess, exec \"sh\"");
	exec.process = NULL;
	assert_int_equal(policy_guard(&agent, &agent_exec_process, &exec, &err), -EPERM);
	assert_int_equal(policy_guard(&agent, &agent_copy_file, &copy, &err), -EPERM);
	assert_string_equal(err.text, "not allowed by the agent's policy: CopyFile");
	assert_int_equal(policy_guard(&agent, &agent_create_container, &create, &err), 0);
	storage.driver = "blk";
	assert_int_equal(policy_guard(&agent, &agent_create_container, &create, &err), -EPERM);
	storage.driver = "virtio-fs";
	mount.destination = (char[]){ "/etc/passwd" };
	assert_int_equal(policy_guard(&agent, &agent_create_container, &create, &err), -EPERM);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(without_a_policy_everything_is_allowed),
		cmocka_unit_test(what_is_not_listed_is_not_allowed),
		cmocka_unit_test(a_denial_wins_wherever_it_stands),
		cmocka_unit_test(a_second_list_takes_away_only),
		cmocka_unit_test(fields_are_like_a_pattern),
		cmocka_unit_test(what_is_no_rule_breaks_it),
		cmocka_unit_test(one_that_is_too_long_breaks_it),
		cmocka_unit_test(a_misspelt_name_allows_nothing),
		cmocka_unit_test(the_guard_looks_into_requests),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
