/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What a restored guest is told first: that it is a new one now. One line on its console, see
 * KATA_TEMPLATE_LINE in kata/guest.h.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "common/macros.h"
#include "kata/guest.h"

#define GUEST_WAKE_ENTROPY_LEN 64
/* The longest line, its newline included. */
#define GUEST_WAKE_LINE_MAX 320

struct guest_wake {
	uint64_t realtime_ns; /* since 1970 */
	uint8_t entropy[GUEST_WAKE_ENTROPY_LEN];
	bool has_secret;
	struct kata_secret secret;
};

size_t guest_wake_format(const struct guest_wake *wake, char buf[GUEST_WAKE_LINE_MAX + 1]);
int guest_wake_parse(const char *line, size_t len, struct guest_wake *ret) must_check;
