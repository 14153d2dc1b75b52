/* SPDX-License-Identifier: Apache-2.0 */
/*
 * When each step of a start began, for the start-up chart and for errors.
 */
#pragma once

#include <stddef.h>
#include <stdint.h>

#include "common/macros.h"
#include "common/str.h"

#define TIMELINE_MAX 48

struct timeline {
	struct {
		const char *name; /* static string */
		uint64_t at_ns;	  /* CLOCK_MONOTONIC */
	} marks[TIMELINE_MAX];
	size_t nr;
};

void timeline_mark(struct timeline *timeline, const char *name);
int timeline_to_json(const struct timeline *timeline, struct strbuf *out) must_check;
