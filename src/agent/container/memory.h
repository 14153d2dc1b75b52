/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Private to src/agent/container. What a fork of the agent does not take along.
 */
#pragma once

#include <stddef.h>
#include <stdint.h>

#include "common/macros.h"

#define MEMORY_RANGES_MAX 64

struct memory_ranges {
	struct {
		uintptr_t start, end;
	} v[MEMORY_RANGES_MAX];
	size_t nr;
};

int memory_note(struct memory_ranges *ret) must_check;
int memory_forget_on_fork(const struct memory_ranges *ranges) must_check;
