/* SPDX-License-Identifier: Apache-2.0 */
/*
 * DOC: Event loop
 *
 * The only file that includes libevent. A source is one struct event; event_free() takes effect at
 * once, so a callback may free any source, and a freed one never fires again. Regular files cannot
 * be polled: they count as always ready and are served by an active event.
 */
#include "common/loop.h"

#include <errno.h>
#include <event2/event.h>
#include <stdbool.h>
#include <stdlib.h>
#include <time.h>

struct loop {
	struct event_base *base;
	int exit_code;
};

struct loop_source {
	struct loop *loop;
	struct event *event;
	union {
		loop_io_fn io;
		loop_fn plain;
	} fn;
	void *arg;
};

/*
 * libevent would write to stderr, which may be a pipe nobody reads; what matters here comes back as
 * an errno.
 */
static void drop_message(int severity, const char *text)
{
	(void)severity;
	(void)text;
}

/**
 * loop_new() - make the event loop of a process
 * @ret: receives it; released with loop_free() after all its sources
 *
 * Return: 0 or -ENOMEM.
 */
int loop_new(struct loop **ret)
{
	struct loop *loop = calloc(1, sizeof(*loop));
	struct event_config *config;

	event_set_log_callback(drop_message);
	config = event_config_new();

	if (loop && config) {
		/* Timers of a few milliseconds matter here; coarse clocks would round them up. */
		(void)event_config_set_flag(config, EVENT_BASE_FLAG_PRECISE_TIMER);
		/* With a cached clock a timer set late in a long callback would fire early. */
		(void)event_config_set_flag(config, EVENT_BASE_FLAG_NO_CACHE_TIME);
		/*
		 * A fiber that yields becomes active again at once; without a limit descriptors
		 * would not be polled.
		 */
		(void)event_config_set_max_dispatch_interval(config, NULL, 32, 0);
		loop->base = event_base_new_with_config(config);
	}
	if (config)
		event_config_free(config);
	if (!loop || !loop->base) {
		free(loop);
		return -ENOMEM;
	}
	*ret = loop;
	return 0;
}

/**
 * loop_free() - release a loop
 * @loop: loop without sources, or NULL
 *
 * Return: NULL.
 */
struct loop *loop_free(struct loop *loop)
{
	if (loop) {
		event_base_free(loop->base);
		free(loop);
	}
	return NULL;
}

/**
 * loop_run() - dispatch events until loop_exit()
 * @loop: loop
 *
 * Return: the code given to loop_exit(), 0 when no source is left, or -EIO when polling fails.
 */
int loop_run(struct loop *loop)
{
	loop->exit_code = 0;
	if (event_base_dispatch(loop->base) < 0)
		return -EIO;
	return loop->exit_code;
}

/**
 * loop_exit() - make loop_run() return after the current callback
 * @loop: loop
 * @code: what loop_run() returns
 */
void loop_exit(struct loop *loop, int code)
{
	loop->exit_code = code;
	(void)event_base_loopbreak(loop->base); /* fails only without a base */
}

/**
 * loop_clock_ns() - read a clock
 * @id: one that every kernel has
 *
 * Return: its time in nanoseconds.
 */
int64_t loop_clock_ns(clockid_t id)
{
	struct timespec ts = { 0 };

	(void)clock_gettime(id, &ts); /* cannot fail for these clocks */
	return (int64_t)ts.tv_sec * 1000000000 + ts.tv_nsec;
}

/**
 * loop_now_ns() - the clock deadlines are measured on
 *
 * Return: CLOCK_MONOTONIC in nanoseconds.
 */
uint64_t loop_now_ns(void)
{
	return (uint64_t)loop_clock_ns(CLOCK_MONOTONIC);
}

/**
 * loop_deadline_ms() - a deadline from now
 * @ms: milliseconds
 *
 * Return: absolute nanoseconds.
 */
uint64_t loop_deadline_ms(uint64_t ms)
{
	return loop_now_ns() + ms * 1000000ULL;
}

static void on_io(evutil_socket_t fd, short what, void *arg)
{
	struct loop_source *src = arg;
	unsigned events = (what & EV_READ ? LOOP_READ : 0U) | (what & EV_WRITE ? LOOP_WRITE : 0U);

	(void)fd;
	src->fn.io(src->arg, events);
}

static void on_plain(evutil_socket_t fd, short what, void *arg)
{
	struct loop_source *src = arg;

	(void)fd;
	(void)what;
	src->fn.plain(src->arg);
}

static struct loop_source *source_new(struct loop *loop, void *arg)
{
	struct loop_source *src = calloc(1, sizeof(*src));

	if (src) {
		src->loop = loop;
		src->arg = arg;
	}
	return src;
}

static short to_libevent(unsigned events)
{
	return (short)((events & LOOP_READ ? EV_READ : 0) | (events & LOOP_WRITE ? EV_WRITE : 0) |
		       EV_PERSIST);
}

/**
 * loop_add_io() - watch a descriptor, level triggered
 * @loop: loop
 * @fd: descriptor, borrowed; the source must be freed before it is closed
 * @events: enum loop_events; 0 watches nothing yet. An error or hang-up shows as both.
 * @fn: callback
 * @arg: its argument
 * @ret: receives the source, owned by the caller
 *
 * Return: 0, -ENOMEM, or -EPERM for a file that cannot be polled.
 */
int loop_add_io(struct loop *loop, int fd, unsigned events, loop_io_fn fn, void *arg,
		struct loop_source **ret)
{
	struct loop_source *src = source_new(loop, arg);

	if (!src)
		return -ENOMEM;
	src->fn.io = fn;
	src->event = event_new(loop->base, fd, to_libevent(events), on_io, src);
	if (!src->event) {
		free(src);
		return -ENOMEM;
	}
	if (events && event_add(src->event, NULL) < 0) {
		(void)loop_source_free(src);
		return -EPERM;
	}
	*ret = src;
	return 0;
}

/**
 * loop_io_set_events() - change what a descriptor is watched for
 * @src: source of loop_add_io()
 * @events: enum loop_events, 0 for nothing
 *
 * Return: 0, -ENOMEM or -EPERM.
 */
int loop_io_set_events(struct loop_source *src, unsigned events)
{
	evutil_socket_t fd = event_get_fd(src->event);

	(void)event_del(src->event); /* fails when it is not waited for now */
	if (event_assign(src->event, src->loop->base, fd, to_libevent(events), on_io, src) < 0)
		return -ENOMEM;
	if (events && event_add(src->event, NULL) < 0)
		return -EPERM;
	return 0;
}

/**
 * loop_timer_set() - arm a timer anew
 * @src: source of loop_add_timer()
 * @deadline_ns: absolute time, LOOP_FOREVER disarms
 *
 * Return: 0 or -ENOMEM.
 */
int loop_timer_set(struct loop_source *src, uint64_t deadline_ns)
{
	uint64_t now = loop_now_ns(), left = deadline_ns > now ? deadline_ns - now : 0;
	struct timeval tv = { .tv_sec = (time_t)(left / 1000000000ULL),
			      .tv_usec = (suseconds_t)((left % 1000000000ULL + 999) / 1000) };

	if (deadline_ns == LOOP_FOREVER) {
		(void)event_del(src->event); /* not being added is fine */
		return 0;
	}
	if (tv.tv_usec >= 1000000) {
		tv.tv_sec++;
		tv.tv_usec -= 1000000;
	}
	return event_add(src->event, &tv) < 0 ? -ENOMEM : 0;
}

/**
 * loop_add_timer() - call back once at a time
 * @loop: loop
 * @deadline_ns: absolute time, LOOP_FOREVER to arm it later
 * @fn: callback; the source stays and can be armed again
 * @arg: its argument
 * @ret: receives the source, owned by the caller
 *
 * Return: 0 or -ENOMEM.
 */
int loop_add_timer(struct loop *loop, uint64_t deadline_ns, loop_fn fn, void *arg,
		   struct loop_source **ret)
{
	struct loop_source *src = source_new(loop, arg);

	if (!src)
		return -ENOMEM;
	src->fn.plain = fn;
	src->event = evtimer_new(loop->base, on_plain, src);
	if (!src->event || loop_timer_set(src, deadline_ns) < 0) {
		(void)loop_source_free(src);
		return -ENOMEM;
	}
	*ret = src;
	return 0;
}

/**
 * loop_add_signal() - call back when a signal arrives
 * @loop: loop
 * @signo: signal; it must not be blocked, the loop installs its own handler
 * @fn: callback
 * @arg: its argument
 * @ret: receives the source, owned by the caller
 *
 * Return: 0 or -ENOMEM.
 */
int loop_add_signal(struct loop *loop, int signo, loop_fn fn, void *arg, struct loop_source **ret)
{
	struct loop_source *src = source_new(loop, arg);

	if (!src)
		return -ENOMEM;
	src->fn.plain = fn;
	src->event = evsignal_new(loop->base, signo, on_plain, src);
	if (!src->event || event_add(src->event, NULL) < 0) {
		(void)loop_source_free(src);
		return -ENOMEM;
	}
	*ret = src;
	return 0;
}

/**
 * loop_add_trigger() - make a callback that runs when it is triggered
 * @loop: loop
 * @fn: callback
 * @arg: its argument
 * @ret: receives the source, owned by the caller
 *
 * Return: 0 or -ENOMEM.
 */
int loop_add_trigger(struct loop *loop, loop_fn fn, void *arg, struct loop_source **ret)
{
	struct loop_source *src = source_new(loop, arg);

	if (!src)
		return -ENOMEM;
	src->fn.plain = fn;
	src->event = event_new(loop->base, -1, 0, on_plain, src);
	if (!src->event) {
		(void)loop_source_free(src);
		return -ENOMEM;
	}
	*ret = src;
	return 0;
}

/**
 * loop_trigger() - run a trigger's callback from the loop, after what is running now
 * @src: source of loop_add_trigger(); triggering it again before it ran does nothing
 *
 * Cannot fail, so that waking somebody up never needs memory.
 */
void loop_trigger(struct loop_source *src)
{
	event_active(src->event, EV_TIMEOUT, 1);
}

/**
 * loop_source_free() - stop and release a source
 * @src: source or NULL; its callback does not run any more
 *
 * Return: NULL.
 */
struct loop_source *loop_source_free(struct loop_source *src)
{
	if (src) {
		if (src->event)
			event_free(src->event);
		free(src);
	}
	return NULL;
}
