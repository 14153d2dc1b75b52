/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Unit tests of the guest's clock: what follows from a look at it, against a guest that is played
 * with its drift, its stops and its round trips, and how the agent makes a correction.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <stdlib.h>

#include "agent/util/clock.h"
#include "sandbox/lifecycle/clock_discipline.h"

#define MS 1000000LL
#define SECOND (1000 * MS)

/* A guest and its host. */
struct world {
	int64_t host, raw, guest; /* ns; the host's two clocks are the same here */
	double drift;		  /* how much faster the guest counts: 1e-3 is 1000 ppm */
	int64_t rate_ppb;	  /* as the guest was told */
	int64_t slew_ppb, slew_left;
	int64_t rtt, lopsided; /* @lopsided: how much more of it is the way back */
	int64_t worst;
	unsigned looks;
	bool went_back;
};

static void run(struct world *w, int64_t ns, bool watched)
{
	for (int64_t done = 0; done < ns; done += MS) {
		int64_t counted = (int64_t)(MS * (1 + w->drift));
		int64_t rate = w->rate_ppb + (w->slew_left > 0 ? w->slew_ppb : 0);
		int64_t before = w->guest;

		w->host += MS;
		w->raw += counted;
		w->guest += counted + counted / 1000 * rate / 1000000;
		w->slew_left -= MS;
		if (w->guest < before)
			w->went_back = true;
		if (watched && llabs(w->guest - w->host) > w->worst)
			w->worst = llabs(w->guest - w->host);
	}
}

static void look(struct world *w, struct clock_discipline *d)
{
	int64_t skew = w->lopsided / 2;
	struct clock_sample sample = {
		.host_ns = w->host + skew,
		.mono_ns = w->host + skew,
		.guest_ns = w->guest,
		.raw_ns = w->raw,
		.rtt_ns = w->rtt,
	};
	struct clock_correction correction = clock_discipline_feed(d, &sample);

	w->looks++;
	if (correction.set_rate) {
		w->rate_ppb = correction.rate_ppb;
		w->slew_left = 0;
	}
	if (correction.correct_ns) {
		struct clock_slew slew = clock_slew_of(correction.correct_ns, false);

		if (slew.step_ns < 0)
			w->went_back = true;
		w->guest += slew.step_ns;
		w->slew_ppb = slew.rate_ppb;
		w->slew_left = (int64_t)slew.duration_ms * MS;
	}
}

/* Follows the guest, unwatched for the first ten seconds. */
static void follow(struct world *w, struct clock_discipline *d, int64_t ns)
{
	int64_t start = w->host;

	while (w->host - start < ns) {
		bool watched = w->host - start > 10 * SECOND;

		run(w, (int64_t)d->pause_ms * MS, watched);
		look(w, d);
	}
}

static void a_guest_that_counts_badly_stays_right(void **state)
{
	static const double drifts[] = { 0, 20e-6, -300e-6, 2e-3, -10e-3 };

	(void)state;
	for (size_t i = 0; i < sizeof(drifts) / sizeof(*drifts); i++) {
		struct world w = { .host = SECOND,
				   .guest = SECOND,
				   .drift = drifts[i],
				   .rtt = 4 * MS,
				   .lopsided = MS };
		struct clock_discipline d = { 0 };

		clock_discipline_restart(&d);
		follow(&w, &d, 600 * SECOND);
		assert_true(w.worst <= 20 * MS + w.rtt / 2);
		assert_false(w.went_back);
		assert_true(d.pause_ms >= 16000);
		assert_true(w.looks < 40);
	}
}

static void a_guest_that_was_stopped_is_right_at_the_next_look(void **state)
{
	struct world w = { .drift = 100e-6, .rtt = 2 * MS };
	struct clock_discipline d = { 0 };

	(void)state;
	clock_discipline_restart(&d);
	follow(&w, &d, 120 * SECOND);
	w.host += 20 * SECOND;
	clock_discipline_restart(&d);
	look(&w, &d);
	assert_true(llabs(w.guest - w.host) <= MS);
	assert_int_equal(d.pause_ms, CLOCK_PAUSE_MIN_MS);
	/* Nor does the stop pass for a count that is too slow. */
	assert_true(llabs(w.rate_ppb) < 300000);
	w.worst = 0;
	follow(&w, &d, 600 * SECOND);
	assert_true(w.worst <= 20 * MS);
}

static void a_stop_that_nobody_told_is_found(void **state)
{
	struct world w = { .rtt = 2 * MS };
	struct clock_discipline d = { 0 };

	(void)state;
	clock_discipline_restart(&d);
	follow(&w, &d, 300 * SECOND);
	w.host += 700 * MS;
	look(&w, &d);
	assert_true(llabs(w.guest - w.host) <= MS);
	assert_int_equal(d.pause_ms, CLOCK_PAUSE_MIN_MS);
	follow(&w, &d, 60 * SECOND);
	assert_true(llabs(w.rate_ppb) < 300000);
}

static void a_clock_that_is_ahead_never_goes_back(void **state)
{
	struct world w = { .guest = 3 * SECOND, .rtt = MS };
	struct clock_discipline d = { 0 };

	(void)state;
	clock_discipline_restart(&d);
	look(&w, &d);
	assert_true(w.guest - w.host > 2 * SECOND);
	follow(&w, &d, 300 * SECOND);
	assert_false(w.went_back);
	assert_true(llabs(w.guest - w.host) <= 20 * MS);
}

static void a_slow_answer_is_not_taken_for_an_offset(void **state)
{
	struct world w = { .rtt = 80 * MS, .lopsided = 70 * MS };
	struct clock_discipline d = { 0 };

	(void)state;
	clock_discipline_restart(&d);
	look(&w, &d);
	assert_int_equal(w.slew_left, 0);
	assert_int_equal(w.guest, w.host);
}

static void only_what_is_behind_is_stepped(void **state)
{
	(void)state;
	assert_int_equal(clock_slew_of(5 * SECOND, false).step_ns, 5 * SECOND);
	assert_int_equal(clock_slew_of(5 * SECOND, false).duration_ms, 0);
	assert_int_equal(clock_slew_of(-5 * SECOND, true).step_ns, -5 * SECOND);
	assert_int_equal(clock_slew_of(-5 * SECOND, false).step_ns, 0);
	assert_int_equal(clock_slew_of(-5 * SECOND, false).rate_ppb, -50000000);
	assert_int_equal(clock_slew_of(-5 * SECOND, false).duration_ms, 100000);
	assert_int_equal(clock_slew_of(2 * MS, false).rate_ppb, 2000000);
	assert_int_equal(clock_slew_of(2 * MS, false).duration_ms, 1000);
	assert_int_equal(clock_slew_of(INT64_MIN, false).step_ns, 0);
	assert_int_equal(clock_slew_of(INT64_MAX, false).step_ns, INT64_MAX);
	assert_int_equal(clock_slew_of(0, false).duration_ms, 0);
}

static void a_rate_is_a_tick_and_a_frequency(void **state)
{
	(void)state;
	assert_int_equal(clock_rate_of(0).tick, 10000);
	assert_int_equal(clock_rate_of(0).freq, 0);
	assert_int_equal(clock_rate_of(1000).freq, 65536);
	assert_int_equal(clock_rate_of(-20000).freq, -20 * 65536);
	assert_int_equal(clock_rate_of(50000000).tick, 10500);
	assert_int_equal(clock_rate_of(-123456).tick, 9999);
	assert_int_equal(clock_rate_of(-123456).freq, -23456LL * 65536 / 1000);
	assert_int_equal(clock_rate_of(INT64_MAX).tick, 11000);
	assert_int_equal(clock_rate_of(INT64_MIN).tick, 9000);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_guest_that_counts_badly_stays_right),
		cmocka_unit_test(a_guest_that_was_stopped_is_right_at_the_next_look),
		cmocka_unit_test(a_stop_that_nobody_told_is_found),
		cmocka_unit_test(a_clock_that_is_ahead_never_goes_back),
		cmocka_unit_test(a_slow_answer_is_not_taken_for_an_offset),
		cmocka_unit_test(only_what_is_behind_is_stepped),
		cmocka_unit_test(a_rate_is_a_tick_and_a_frequency),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
