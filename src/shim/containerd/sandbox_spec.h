/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The specification of a sandbox that has no pause container.
 */
#pragma once

#include "common/arena.h"
#include "common/err.h"
#include "oci/oci_spec.h"
#include "rpc/pb/shim_msg.h"

int sandbox_spec_make(struct oci_spec *spec, const struct sandboxapi_create_sandbox_request *req,
		      struct arena *arena, struct err *err) must_check;
int sandbox_spec_use_pod_config(struct oci_spec *spec,
				const struct sandboxapi_create_sandbox_request *req,
				struct arena *arena, struct err *err) must_check;
