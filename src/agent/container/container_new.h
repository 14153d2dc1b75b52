/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Private to src/agent/container: the part of a spec that outlives the request which brought it.
 */
#pragma once

#include "agent/container/container.h"

int container_new(const struct container_create_args *args, struct container **ret,
		  struct err *err) must_check;
