/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Reads the options a manager gives a runtime: Create's, CreateSandbox's, and those on the standard
 * input of start. It decides nothing: whether the file may be used is the configuration's affair.
 */
#include "shim/task/runtime_options.h"

#include <errno.h>
#include <string.h>

#include "common/log.h"
#include "common/str.h"
#include "rpc/pb/pb_bridge.h"
#include "rpc/pb/shim_msg.h"
#include "shim/core/options.h"

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

static int read_extensions(const struct bootstrap_params *params, struct arena *arena,
			   struct runtime_start_input *ret, struct err *err)
{
	for (size_t i = 0; !ret->config && i < params->nr_extensions; i++) {
		int r = runtime_options_config(&params->extensions[i].value, arena, &ret->config,
					       err);

		if (r < 0)
			return r;
	}
	return 0;
}

/**
 * runtime_options_read_input() - understand the standard input of start
 * @options: command line
 * @data: all of the input
 * @len: its length; 0 is what old managers send
 * @arena: receives the strings
 * @ret: receives what it says
 * @err: filled on failure
 *
 * An Any may decode as a BootstrapParams too: the ids tell them apart.
 *
 * Return: 0, or -errno when the input is neither.
 */
int runtime_options_read_input(const struct shim_options *options, const char *data, size_t len,
			       struct arena *arena, struct runtime_start_input *ret,
			       struct err *err)
{
	struct bootstrap_params params = { 0 };
	struct err ignored = ERR_NULL;
	struct pb_any any = { 0 };

	*ret = (struct runtime_start_input){ 0 };
	if (!len)
		return 0;
	if (pb_decode(&bootstrap_params_type, (const uint8_t *)data, len, arena, &params,
		      &ignored) >= 0 &&
	    str_eq(params.instance_id, options->id) &&
	    str_eq(params.namespace, options->namespace)) {
		ret->bootstrap = true;
		if (!str_empty(params.containerd_ttrpc_address))
			ret->ttrpc_address = params.containerd_ttrpc_address;
		if (!str_empty(params.socket_dir)) {
			if (*params.socket_dir != '/')
				return err_set(err, EINVAL,
					       "socket_dir '%s' is not an absolute path",
					       params.socket_dir);
			ret->socket_dir = params.socket_dir;
		}
		return read_extensions(&params, arena, ret, err);
	}
	int r = pb_decode(&pb_any_type, (const uint8_t *)data, len, arena, &any, err);
	return r < 0 ? err_wrap(err, "standard input of start")
		     : runtime_options_config(&any, arena, &ret->config, err);
}
