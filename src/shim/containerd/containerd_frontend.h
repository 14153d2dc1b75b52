/* SPDX-License-Identifier: Apache-2.0 */
/*
 * containerd as the manager of a shim: it takes events, may use the sandbox API, and ends the shim
 * by Shutdown.
 */
#pragma once

#include "shim/core/shim.h"

struct events;
struct sandbox_api;

struct containerd_shim {
	struct shim shim;	    /* its ops are containerd_frontend_ops */
	struct events *events;	    /* NULL: nobody takes them, as CRI-O does not */
	struct sandbox_api *api;    /* NULL: no CreateSandbox has come */
	struct loop_source *lonely; /* see shim/containerd/lonely.h */
	bool client_left;	    /* one at least */
	bool forsaken;		    /* nobody knows of this shim any more */
};

extern const struct shim_frontend_ops containerd_frontend_ops;
