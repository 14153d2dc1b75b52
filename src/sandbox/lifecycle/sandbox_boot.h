/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The steps of a sandbox's start.
 */
#pragma once

#include <stdint.h>

#include "common/err.h"

struct sandbox;

/* In a fiber. */
int sandbox_boot(struct sandbox *sb, uint64_t deadline_ns, struct err *err) must_check;
