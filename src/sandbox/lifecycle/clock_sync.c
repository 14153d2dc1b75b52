/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The exchange with the agent that keeps the guest's clock right. What follows from it is decided in
 * clock_discipline.c.
 */
#include "sandbox/lifecycle/clock_sync.h"

#include <errno.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/timerfd.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "common/fd.h"
#include "common/fiber.h"
#include "common/log.h"
#include "rpc/pb/admin_msg.h"
#include "rpc/pb/agent_msg.h"
#include "rpc/ttrpc/rpc.h"
#include "sandbox/lifecycle/clock_discipline.h"

#define NS_PER_S 1000000000LL
/* How long an answer may take; a guest that is stopped gives none. */
#define CLOCK_ANSWER_MS 5000
/* A look with a round trip up to this is good enough; otherwise the best of a few is taken. */
#define CLOCK_RTT_GOOD_NS 2000000LL
#define CLOCK_LOOKS 3
/* The VM or the host did something else meanwhile: such a look says nothing. */
#define CLOCK_RTT_BAD_NS 200000000LL
#define CLOCK_LOOKS_MAX 10
/* How far off it may be when the first process starts, and how often that is tried. */
#define CLOCK_START_NS 10000000LL
#define CLOCK_START_TRIES 5
/* No clock is there before the year 2116, and differences of such times fit into 64 bits. */
#define CLOCK_MAX_NS (1LL << 62)

struct clock_sync {
	struct loop *loop;
	struct rpc_client *agent;
	pid_t vmm_pid;
	struct clock_discipline discipline;
	struct fiber *fiber;
	struct fiber_cond woken;
	bool again; /* look now */
	int set_fd; /* readable when somebody sets the host's clock, or the host resumes */
	struct loop_source *set_watch, *child_watch;
};

static bool is_time(int64_t ns)
{
	return ns >= 0 && ns < CLOCK_MAX_NS;
}

static int look(struct clock_sync *sync, const struct extra_sync_clock_request *req,
		uint64_t deadline_ns, struct clock_sample *ret, struct err *err)
{
	struct extra_sync_clock_response resp = { 0 };
	int64_t host = loop_clock_ns(CLOCK_REALTIME), mono = loop_clock_ns(CLOCK_MONOTONIC);
	int r = rpc_call(sync->agent, &extra_sync_clock, req, &resp, NULL, deadline_ns, err);

	if (r < 0)
		return r;
	if (!is_time(resp.realtime_ns) || !is_time(resp.raw_ns))
		return err_set(err, EPROTO, "the guest's clock shows no time");
	int64_t rtt = loop_clock_ns(CLOCK_MONOTONIC) - mono;
	*ret = (struct clock_sample){
		.host_ns = host + rtt / 2,
		.mono_ns = mono + rtt / 2,
		.guest_ns = resp.realtime_ns,
		.raw_ns = resp.raw_ns,
		.rtt_ns = rtt,
	};
	return 0;
}

/* Before anything looks at the clock it may be set back as well. */
static int set_first(struct clock_sync *sync, uint64_t deadline_ns, struct err *err)
{
	struct extra_sync_clock_request req = { 0 };
	struct clock_sample sample;
	int64_t offset = 0, start = 0;
	int r = 0;

	for (int i = 0; i < CLOCK_START_TRIES; i++) {
		r = look(sync, &req, deadline_ns, &sample, err);
		if (r < 0)
			return r;
		offset = sample.guest_ns - sample.host_ns;
		if (!i)
			start = offset;
		if (llabs(offset) <= CLOCK_START_NS)
			break;
		req = (struct extra_sync_clock_request){ .correct_ns = -offset, .step = true };
	}
	log_debug("the guest's clock was %lld ms off, now it is %lld us",
		  (long long)start / 1000000, (long long)offset / 1000);
	return 0;
}

/* Another project's agent: it can be told the time, not be asked for it. */
static int set_blindly(struct clock_sync *sync, uint64_t deadline_ns, struct err *err)
{
	int64_t now = loop_clock_ns(CLOCK_REALTIME);
	const struct agent_set_guest_date_time_request req = {
		.sec = now / NS_PER_S,
		.usec = now % NS_PER_S / 1000,
	};

	log_warn("the guest's agent has no SyncClock: its clock is set now and not followed");
	return rpc_call(sync->agent, &agent_set_guest_date_time, &req, NULL, NULL, deadline_ns,
			err);
}

/* The look with the shortest round trip of a few. */
static int look_well(struct clock_sync *sync, struct clock_sample *ret, struct err *err)
{
	const struct extra_sync_clock_request req = { 0 };
	struct clock_sample best = { .rtt_ns = INT64_MAX }, sample;

	for (int i = 0; i < CLOCK_LOOKS_MAX; i++) {
		int r = look(sync, &req, loop_deadline_ms(CLOCK_ANSWER_MS), &sample, err);

		if (r < 0)
			return r;
		if (sample.rtt_ns < best.rtt_ns)
			best = sample;
		if (best.rtt_ns <= CLOCK_RTT_GOOD_NS ||
		    (i + 1 >= CLOCK_LOOKS && best.rtt_ns <= CLOCK_RTT_BAD_NS))
			break;
	}
	*ret = best;
	return 0;
}

static int follow_once(struct clock_sync *sync, struct err *err)
{
	struct clock_sample sample;
	int r = look_well(sync, &sample, err);

	if (r < 0)
		return r;
	struct clock_correction correction = clock_discipline_feed(&sync->discipline, &sample);
	if (!correction.correct_ns && !correction.set_rate)
		return 0;
	const struct extra_sync_clock_request req = {
		.correct_ns = correction.correct_ns,
		.rate_ppb = correction.rate_ppb,
		.set_rate = correction.set_rate,
	};
	log_debug("the guest's clock is %lld us off", (long long)-correction.correct_ns / 1000);
	return look(sync, &req, loop_deadline_ms(CLOCK_ANSWER_MS), &sample, err);
}

static void follow_main(void *arg)
{
	struct clock_sync *sync = arg;

	for (;;) {
		uint64_t deadline_ns = loop_deadline_ms(sync->discipline.pause_ms);
		struct err err = ERR_NULL;
		int r = 0;

		while (!sync->again && r != -ETIMEDOUT) {
			r = fiber_cond_wait(&sync->woken, deadline_ns);
			if (r < 0 && r != -ETIMEDOUT)
				return;
		}
		if (sync->again)
			clock_discipline_restart(&sync->discipline);
		sync->again = false;
		r = follow_once(sync, &err);
		if (r >= 0)
			continue;
		log_debug("the guest's clock: %s", err.text);
		if (r != -ETIMEDOUT)
			return; /* no agent, no sandbox; its end is told by others */
		clock_discipline_restart(&sync->discipline);
	}
}

/**
 * clock_sync_now() - the VM was stopped and runs again, or the host's clock was set
 * @sync: or NULL
 */
void clock_sync_now(struct clock_sync *sync)
{
	if (!sync)
		return;
	sync->again = true;
	fiber_cond_broadcast(&sync->woken);
}

/* waitid(2): the VMM is our child, so its SIGCONT is told, whoever sent it. */
static void on_child(void *arg)
{
	struct clock_sync *sync = arg;
	siginfo_t info = { 0 };

	if (waitid(P_PID, (id_t)sync->vmm_pid, &info, WCONTINUED | WNOHANG) == 0 && info.si_pid)
		clock_sync_now(sync);
}

/* A far date; the timer is for its cancellation only, see timerfd_create(2). */
static int arm_set_watch(struct clock_sync *sync)
{
	const struct itimerspec far_off = { .it_value = { .tv_sec = INT32_MAX } };

	return neg_errno(timerfd_settime(sync->set_fd, TFD_TIMER_ABSTIME | TFD_TIMER_CANCEL_ON_SET,
					 &far_off, NULL));
}

static void on_clock_set(void *arg, unsigned events)
{
	struct clock_sync *sync = arg;
	uint64_t count;

	(void)events;
	(void)!read(sync->set_fd, &count, sizeof(count)); /* ECANCELED is what it has to say */
	if (arm_set_watch(sync) < 0)
		sync->set_watch = loop_source_free(sync->set_watch);
	clock_sync_now(sync);
}

static int watch(struct clock_sync *sync)
{
	int r = 0;

	sync->set_fd = neg_errno(timerfd_create(CLOCK_REALTIME, TFD_CLOEXEC | TFD_NONBLOCK));
	if (sync->set_fd < 0)
		return sync->set_fd;
	r = arm_set_watch(sync);
	if (r >= 0)
		r = loop_add_io(sync->loop, sync->set_fd, LOOP_READ, on_clock_set, sync,
				&sync->set_watch);
	if (r >= 0 && sync->vmm_pid > 0)
		r = loop_add_signal(sync->loop, SIGCHLD, on_child, sync, &sync->child_watch);
	if (r >= 0)
		r = fiber_spawn(sync->loop, "clock", follow_main, sync, &sync->fiber);
	return r;
}

/**
 * clock_sync_new() - set the guest's clock and follow it from now on
 * @loop: loop
 * @agent: connection to the agent; must outlive the result
 * @vmm_pid: the VMM, a child of this process, which somebody may stop; 0: none
 * @deadline_ns: absolute time for the first exchange
 * @ret: receives it; released with clock_sync_free()
 * @err: filled on failure
 *
 * Return: 0 or -errno.
 */
int clock_sync_new(struct loop *loop, struct rpc_client *agent, pid_t vmm_pid, uint64_t deadline_ns,
		   struct clock_sync **ret, struct err *err)
{
	struct clock_sync *sync = calloc(1, sizeof(*sync));

	if (!sync)
		return err_set(err, ENOMEM, "out of memory");
	sync->loop = loop;
	sync->agent = agent;
	sync->vmm_pid = vmm_pid;
	sync->set_fd = -1;
	fiber_cond_init(&sync->woken);
	clock_discipline_restart(&sync->discipline);
	int r = set_first(sync, deadline_ns, err);
	if (r == -EOPNOTSUPP) {
		*err = ERR_NULL;
		r = set_blindly(sync, deadline_ns, err);
	} else if (r >= 0) {
		r = watch(sync);
		if (r < 0)
			(void)err_set_errno(err, r, "watch the clock");
	}
	if (r < 0) {
		(void)clock_sync_free(sync);
		return r;
	}
	*ret = sync;
	return 0;
}

/**
 * clock_sync_free() - follow the guest's clock no longer
 * @sync: or NULL
 *
 * Return: NULL.
 */
struct clock_sync *clock_sync_free(struct clock_sync *sync)
{
	if (!sync)
		return NULL;
	if (sync->fiber) {
		fiber_cancel(sync->fiber);
		(void)fiber_join(sync->fiber, LOOP_FOREVER); /* it ends at its next wait */
	}
	sync->set_watch = loop_source_free(sync->set_watch);
	sync->child_watch = loop_source_free(sync->child_watch);
	(void)fd_close(sync->set_fd);
	free(sync);
	return NULL;
}
