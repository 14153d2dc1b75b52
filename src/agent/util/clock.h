/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The guest's clock as the host corrects it: forward at once when it is far behind, everything else
 * by running a little faster or slower for a while. See adjtimex(2).
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "common/loop.h"

struct guest_clock {
	int64_t rate_ppb; /* parts of 10^9 that it always runs faster than its own count */
	struct loop_source *slew_end;
};

/* What adjtimex() is told for a rate. */
struct clock_rate {
	long tick; /* microseconds in a tick of USER_HZ */
	long freq; /* 2^-16 parts per million on top */
};

/* How an offset is taken away. */
struct clock_slew {
	int64_t step_ns;      /* at once */
	int64_t rate_ppb;     /* more than the usual, for @duration_ms */
	uint64_t duration_ms; /* 0: no slewing */
};

struct clock_rate clock_rate_of(int64_t rate_ppb);
struct clock_slew clock_slew_of(int64_t correct_ns, bool step);
int guest_clock_correct(struct guest_clock *clock, struct loop *loop, int64_t correct_ns,
			bool step) must_check;
int guest_clock_set_rate(struct guest_clock *clock, int64_t rate_ppb) must_check;
void guest_clock_deinit(struct guest_clock *clock);
