/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The command line as the manager of a shim: every process has a stand-in, and the shim ends with
 * its last container.
 */
#pragma once

#include "shim/core/shim.h"

struct standin_server;

struct cli_shim {
	struct shim shim; /* its ops are cli_frontend_ops */
	struct standin_server *standins;
	struct loop_source *launcher; /* watches who started us; NULL once that has gone */
};

extern const struct shim_frontend_ops cli_frontend_ops;
