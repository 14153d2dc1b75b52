/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Private to src/agent/container: the constructor of struct container.
 */
#pragma once

#include "agent/container/container.h"

int container_new(const struct container_create_args *args, struct container **ret,
		  struct err *err) must_check;
