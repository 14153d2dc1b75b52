/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Corrections of the guest's clock. Programs must not see it go back, so only what it is behind is
 * stepped.
 */
#include "agent/util/clock.h"

#include <errno.h>
#include <stdlib.h>
#include <sys/timex.h>

#define NS_PER_S 1000000000LL
/* A clock that is this much behind is stepped: to slew it would take longer than it may be off. */
#define CLOCK_STEP_NS 10000000LL
/* Fastest change of the rate, and the shortest time for it; programs measure time meanwhile. */
#define CLOCK_SLEW_PPB 50000000LL
#define CLOCK_SLEW_MS 1000ULL
/* The kernel takes 10 % in both together. */
#define CLOCK_RATE_MAX_PPB 50000000LL
/* adjtimex(2): a tick has 10000 microseconds (USER_HZ is 100), each is 100 millionth parts. */
#define TICK_US 10000
#define TICK_PPB 100000LL

static int64_t clamp(int64_t value, int64_t limit)
{
	return value > limit ? limit : value < -limit ? -limit : value;
}

/**
 * clock_rate_of() - a rate in the units of adjtimex()
 * @rate_ppb: parts of 10^9 that the clock is to run faster
 *
 * Return: the tick nearest to it and the rest as a frequency.
 */
struct clock_rate clock_rate_of(int64_t rate_ppb)
{
	rate_ppb = clamp(rate_ppb, CLOCK_RATE_MAX_PPB + CLOCK_SLEW_PPB);
	int64_t half = rate_ppb < 0 ? -TICK_PPB / 2 : TICK_PPB / 2;
	int64_t ticks = (rate_ppb + half) / TICK_PPB;

	return (struct clock_rate){ .tick = (long)(TICK_US + ticks),
				    .freq = (long)((rate_ppb - ticks * TICK_PPB) * 65536 / 1000) };
}

/**
 * clock_slew_of() - how a correction is made
 * @correct_ns: what is to be added to the clock
 * @step: nobody looks at it yet: all at once
 *
 * Return: a step, or a rate and how long it is to be kept.
 */
struct clock_slew clock_slew_of(int64_t correct_ns, bool step)
{
	if (step || correct_ns >= CLOCK_STEP_NS)
		return (struct clock_slew){ .step_ns = correct_ns };
	if (!correct_ns)
		return (struct clock_slew){ 0 };
	uint64_t size = correct_ns < 0 ? 0 - (uint64_t)correct_ns : (uint64_t)correct_ns;
	uint64_t ms = size / (CLOCK_SLEW_PPB / 1000); /* a second at a rate of 10^9 is 10^9 ns */
	if (ms >= CLOCK_SLEW_MS)
		return (struct clock_slew){
			.rate_ppb = correct_ns < 0 ? -CLOCK_SLEW_PPB : CLOCK_SLEW_PPB,
			.duration_ms = ms,
		};
	return (struct clock_slew){ .rate_ppb = correct_ns * 1000 / (int64_t)CLOCK_SLEW_MS,
				    .duration_ms = CLOCK_SLEW_MS };
}

static int run_at(int64_t rate_ppb)
{
	struct clock_rate rate = clock_rate_of(rate_ppb);
	struct timex timex = { .modes = ADJ_TICK | ADJ_FREQUENCY,
			       .tick = rate.tick,
			       .freq = rate.freq };

	return adjtimex(&timex) < 0 ? -errno : 0;
}

static int step(int64_t step_ns)
{
	int64_t seconds = step_ns / NS_PER_S, ns = step_ns % NS_PER_S;

	if (ns < 0) {
		seconds--;
		ns += NS_PER_S;
	}
	/* ADJ_NANO would stay on, and change what adjtimex(2) tells everybody else. */
	struct timex timex = { .modes = ADJ_SETOFFSET,
			       .time = { .tv_sec = seconds, .tv_usec = ns / 1000 } };
	return adjtimex(&timex) < 0 ? -errno : 0;
}

static void on_slew_end(void *arg)
{
	struct guest_clock *clock = arg;

	clock->slew_end = loop_source_free(clock->slew_end);
	(void)run_at(clock->rate_ppb); /* it took the rate before */
}

/**
 * guest_clock_correct() - add to the clock, in place of what was still to be added
 * @clock: clock
 * @loop: loop that ends a slewing
 * @correct_ns: what to add
 * @now: all at once, backward too
 *
 * Return: 0 or -errno.
 */
int guest_clock_correct(struct guest_clock *clock, struct loop *loop, int64_t correct_ns, bool now)
{
	struct clock_slew slew = clock_slew_of(correct_ns, now);
	int r = slew.step_ns ? step(slew.step_ns) : 0;

	clock->slew_end = loop_source_free(clock->slew_end);
	if (r >= 0 && slew.duration_ms)
		r = loop_add_timer(loop, loop_deadline_ms(slew.duration_ms), on_slew_end, clock,
				   &clock->slew_end);
	if (r < 0)
		return r;
	return run_at(clock->rate_ppb + slew.rate_ppb);
}

/**
 * guest_clock_set_rate() - make up for a count that is too slow or too fast
 * @clock: clock
 * @rate_ppb: parts of 10^9 that it is to run faster than its count
 *
 * It ends a slewing.
 *
 * Return: 0 or -errno.
 */
int guest_clock_set_rate(struct guest_clock *clock, int64_t rate_ppb)
{
	clock->rate_ppb = clamp(rate_ppb, CLOCK_RATE_MAX_PPB);
	clock->slew_end = loop_source_free(clock->slew_end);
	return run_at(clock->rate_ppb);
}

/**
 * guest_clock_deinit() - forget what was still to be added
 * @clock: clock
 */
void guest_clock_deinit(struct guest_clock *clock)
{
	clock->slew_end = loop_source_free(clock->slew_end);
}
