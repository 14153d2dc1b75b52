/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Kernel command lines with policies in them, and what the policies say to the bytes behind the
 * first zero: an added list never allows what was denied before.
 */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "agent/util/cmdline.h"
#include "common/log.h"
#include "faults.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static bool starts_with_e(const char *name)
{
	return *name == 'E';
}

static void one(const uint8_t *data, size_t size)
{
	struct agent_config config;
	struct err err = ERR_NULL;
	char *text = malloc(size + 2);

	if (!text)
		return;
	log_init("fuzz", -1, LOG_FORMAT_PLAIN, LOG_LEVEL_ERROR);
	memcpy(text, data, size);
	text[size] = text[size + 1] = '\0';
	const char *value = text + strnlen(text, size) + 1;

	agent_config_init(&config);
	agent_config_read_cmdline(&config, text);
	if (policy_add(&config.policy, text, &err) < 0 && policy_allows(&config.policy, value))
		abort();
	bool allowed = policy_allows(&config.policy, value);
	bool matched = policy_matches(&config.policy, "mount", value);
	if (policy_check_names(&config.policy, starts_with_e, &err) < 0 &&
	    !strstr(err.text, "no request is called"))
		abort();
	if (policy_add(&config.policy, "*,!ExecProcess,mount=/*", &err) >= 0 &&
	    ((policy_allows(&config.policy, value) && !allowed) ||
	     (policy_matches(&config.policy, "mount", value) && !matched)))
		abort();
	free(text);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	faults_each(one, data, size);
	return 0;
}
