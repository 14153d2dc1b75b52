/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Private to src/agent/container. Labels of Linux security modules.
 */
#pragma once

#include "common/err.h"

struct launch;

int label_plan(struct launch *launch, struct err *err) must_check;
int label_open(struct launch *launch, struct err *err) must_check;
int label_apply(const struct launch *launch, struct err *err) must_check;
