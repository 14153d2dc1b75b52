/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Which annotations the configuration lists. Private to src/config.
 */
#pragma once

#include "common/err.h"
#include "common/arena.h"

int config_patterns_check(const struct strv *patterns, struct err *err) must_check;
int config_patterns_match(const struct strv *patterns, const char *name,
			  struct err *err) must_check;
