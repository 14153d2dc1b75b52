/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What follows from a look at the guest's clock.
 */
#include "sandbox/lifecycle/clock_discipline.h"

#include <stdlib.h>

#include "common/macros.h"

#define MS 1000000LL
/* Below this, or half the round trip, an offset is left alone: it is not better known. */
#define CLOCK_DEADBAND_NS (1 * MS)
/* Above this, on top of half the round trip, looks become more frequent. */
#define CLOCK_GOOD_NS (5 * MS)
/* No drift in a pause: the guest was stopped, or somebody set a clock. */
#define CLOCK_JUMP_NS (50 * MS)
/* The shortest time that tells how fast the guest counts. */
#define CLOCK_RATE_SPAN_NS (3000 * MS)
#define CLOCK_RATE_MAX_PPB 50000000.0

/**
 * clock_discipline_restart() - the guest was, or may have been, stopped
 * @d: discipline; zeroes are its state at the start
 *
 * What it is known to count stays known; the time from before is not compared with any more.
 */
void clock_discipline_restart(struct clock_discipline *d)
{
	d->anchored = false;
	d->pause_ms = CLOCK_PAUSE_MIN_MS;
}

static void find_rate(struct clock_discipline *d, const struct clock_sample *sample,
		      struct clock_correction *ret)
{
	double guest = (double)(sample->raw_ns - d->anchor.raw_ns);
	double host = (double)(sample->mono_ns - d->anchor.mono_ns);

	if (guest < CLOCK_RATE_SPAN_NS || host < CLOCK_RATE_SPAN_NS)
		return;
	double rate = (host - guest) * 1e9 / guest;
	double doubt = (double)(sample->rtt_ns + d->anchor.rtt_ns) / 2 * 1e9 / guest;
	double change = rate - (double)d->rate_ppb;
	/* A guest that counts that badly was stopped, unnoticed. */
	if (rate > CLOCK_RATE_MAX_PPB || rate < -CLOCK_RATE_MAX_PPB) {
		d->anchor = *sample;
		return;
	}
	if (change < doubt && change > -doubt)
		return;
	d->rate_ppb = (int64_t)rate;
	ret->rate_ppb = d->rate_ppb;
	ret->set_rate = true;
}

/**
 * clock_discipline_feed() - learn from a look
 * @d: discipline
 * @sample: the look
 *
 * Return: what to tell the guest; d->pause_ms is the time until the next look.
 */
struct clock_correction clock_discipline_feed(struct clock_discipline *d,
					      const struct clock_sample *sample)
{
	struct clock_correction ret = { 0 };
	int64_t offset = sample->guest_ns - sample->host_ns, error = sample->rtt_ns / 2;
	int64_t size = llabs(offset);

	if (size > MAX(error, CLOCK_DEADBAND_NS))
		ret.correct_ns = -offset;
	if (size > error + CLOCK_JUMP_NS)
		clock_discipline_restart(d);
	if (!d->anchored)
		d->anchor = *sample;
	else
		find_rate(d, sample, &ret);
	if (!d->anchored || !d->pause_ms)
		d->pause_ms = CLOCK_PAUSE_MIN_MS;
	else if (size <= error + CLOCK_GOOD_NS)
		d->pause_ms = MIN(d->pause_ms * 2, (uint64_t)CLOCK_PAUSE_MAX_MS);
	else
		d->pause_ms = MAX(d->pause_ms / 2, (uint64_t)CLOCK_PAUSE_MIN_MS);
	d->anchored = true;
	return ret;
}
