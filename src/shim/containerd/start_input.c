/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The standard input of the start action: nothing, an Any with runtime options, or, since
 * containerd 2.3, bootstrap parameters that hold such options among their extensions.
 */
#include "shim/containerd/start_input.h"

#include <errno.h>

#include "common/str.h"
#include "rpc/pb/pb_bridge.h"
#include "rpc/pb/shim_msg.h"
#include "shim/core/options.h"
#include "shim/task/runtime_options.h"

static int read_extensions(const struct bootstrap_params *params, struct arena *arena,
			   struct start_input *ret, struct err *err)
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
 * start_input_read() - understand the standard input of start
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
int start_input_read(const struct shim_options *options, const char *data, size_t len,
		     struct arena *arena, struct start_input *ret, struct err *err)
{
	struct bootstrap_params params = { 0 };
	struct err ignored = ERR_NULL;
	struct pb_any any = { 0 };

	*ret = (struct start_input){ 0 };
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
