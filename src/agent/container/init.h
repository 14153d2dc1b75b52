/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Private to src/agent/container: what runs in a child.
 */
#pragma once

#include "common/err.h"

struct launch_plan;

int init_begin(struct launch_plan *launch, struct err *err) must_check;
void init_main(struct launch_plan *launch);
