/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Reads the options a manager gives a runtime. Whether the file that they name may be used is
 * checked where configuration files are read.
 */
#include "shim/task/runtime_options.h"

#include <errno.h>
#include <string.h>

#include "common/log.h"
#include "common/str.h"
#include "rpc/pb/pb_bridge.h"
#include "rpc/pb/shim_msg.h"

/*
 * "runtimeoptions.v1.Options", or "cri.runtimeoptions.v1.Options" as containerd's CRI plugin once
 * called it.
 */
#define OPTIONS_NAME "runtimeoptions.v1.Options"

static bool is_runtime_options(const char *type_url)
{
	size_t len = strlen(type_url), name = strlen(OPTIONS_NAME);

	return len >= name && str_eq(type_url + len - name, OPTIONS_NAME);
}

/**
 * runtime_options_config() - the configuration file that options name
 * @any: options; those of other runtimes (runc's are sent to everybody) are ignored
 * @arena: receives the path
 * @ret: receives the path, or NULL when none is named
 * @err: filled on failure
 *
 * Return: 0 or -errno.
 */
int runtime_options_config(const struct pb_any *any, struct arena *arena, const char **ret,
			   struct err *err)
{
	struct runtimeoptions_options options = { 0 };

	*ret = NULL;
	if (str_empty(any->type_url))
		return 0;
	if (!is_runtime_options(any->type_url)) {
		log_debug("options of type %s are ignored", any->type_url);
		return 0;
	}
	int r = pb_decode(&runtimeoptions_options_type, any->value, any->value_len, arena, &options,
			  err);
	if (r < 0)
		return err_wrap(err, "runtime options");
	if (str_empty(options.config_path)) {
		if (options.config_body_len)
			return err_set(
				err, ENOTSUP,
				"runtime options: a configuration in the options themselves is not "
				"supported: name a file in ConfigPath");
		return 0;
	}
	if (*options.config_path != '/')
		return err_set(err, EINVAL,
			       "runtime options: ConfigPath '%s' is not an absolute path",
			       options.config_path);
	*ret = options.config_path;
	return 0;
}
