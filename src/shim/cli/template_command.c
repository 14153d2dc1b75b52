/* SPDX-License-Identifier: Apache-2.0 */
/*
 * "kata-runtime factory" does not know of VMs: it has this program do it, which prints the answer.
 */
#include "shim/cli/template_command.h"

#include <stdio.h>
#include <unistd.h>

#include "common/log.h"
#include "common/str.h"
#include "sandbox/lifecycle/template_tool.h"

static const struct {
	const char *action;
	int (*fn)(const char *config_path, struct strbuf *out, struct err *err);
} actions[] = {
	{ "factory-init", template_tool_init },
	{ "factory-status", template_tool_status },
	{ "factory-list", template_tool_list },
	{ "factory-destroy", template_tool_destroy },
};

/**
 * template_command_is_asked() - is this what the program was started for
 * @options: command line
 *
 * Return: whether.
 */
bool template_command_is_asked(const struct shim_options *options)
{
	return options->action && str_skip_prefix(options->action, "factory-");
}

/**
 * template_command_run() - do it
 * @options: command line
 *
 * Return: 0 or -errno, with a line on stderr.
 */
int template_command_run(const struct shim_options *options)
{
	cleanup_strbuf struct strbuf out = STRBUF_NULL;
	struct err err = ERR_NULL;
	int r = err_set(&err, EINVAL, "%s is not known", options->action);

	log_init("kata-runtime", STDERR_FILENO, LOG_FORMAT_TEXT,
		 options->debug ? LOG_LEVEL_DEBUG : LOG_LEVEL_WARN);
	for (size_t i = 0; i < ARRAY_SIZE(actions); i++) {
		if (!str_eq(actions[i].action, options->action))
			continue;
		err = ERR_NULL;
		r = actions[i].fn(options->config, &out, &err);
	}
	if (r < 0)
		log_error("factory: %s", err.text);
	else
		(void)fputs(out.data, stdout);
	return r;
}
