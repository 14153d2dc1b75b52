/* SPDX-License-Identifier: Apache-2.0 */
/*
 * DOC: The guest's clock, and how it is kept right
 *
 * The host asks for the guest's time and takes it for the time in the middle between question and
 * answer, so it is wrong by half the round trip at most. From the offset follows a correction; from
 * two looks that are far apart, how much faster or slower the guest counts (its
 * CLOCK_MONOTONIC_RAW, which no correction touches), which is made up for as well. While all is well
 * the looks become rare. Nothing here waits or asks a clock.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

/* One look, all in nanoseconds. */
struct clock_sample {
	int64_t host_ns,
		mono_ns; /* CLOCK_REALTIME and CLOCK_MONOTONIC of the host, in the middle */
	int64_t guest_ns, raw_ns; /* CLOCK_REALTIME and CLOCK_MONOTONIC_RAW of the guest */
	int64_t rtt_ns;
};

struct clock_discipline {
	bool anchored; /* @anchor is from after the last stop */
	struct clock_sample anchor;
	int64_t rate_ppb;  /* what the guest was told */
	uint64_t pause_ms; /* until the next look */
};

/* What to do after a look. */
struct clock_correction {
	int64_t correct_ns; /* to be added to the guest's clock */
	int64_t rate_ppb;   /* if set_rate */
	bool set_rate;
};

#define CLOCK_PAUSE_MIN_MS 1000
#define CLOCK_PAUSE_MAX_MS 64000

void clock_discipline_restart(struct clock_discipline *d);
struct clock_correction clock_discipline_feed(struct clock_discipline *d,
					      const struct clock_sample *sample);
