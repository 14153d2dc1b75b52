/* SPDX-License-Identifier: Apache-2.0 */
/*
 * See faults.h. The functions that the linker calls have its names, which no header declares.
 */
#include "faults.h"

#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <yajl/yajl_parse.h>

#include "common/fiber.h"
#include "common/loop.h"

#define ROUNDS_MAX 12
#define REAL(name) __real_##name
#define WRAP(name) __wrap_##name

#pragma GCC diagnostic ignored "-Wmissing-prototypes"

static unsigned long at, seen;
static bool held, hurried;

/**
 * faults_arm() - let a call fail
 * @nth: which one from now on, 1 is the next; 0 for none
 */
void faults_arm(unsigned long nth)
{
	at = nth;
	seen = 0;
	held = false;
}

/**
 * faults_seen() - how many calls could have failed
 *
 * Return: their number since the last faults_arm().
 */
unsigned long faults_seen(void)
{
	return seen;
}

/**
 * faults_hit() - has one failed
 *
 * Return: whether it has, since the last faults_arm().
 */
bool faults_hit(void)
{
	return at && seen >= at;
}

/**
 * faults_hold() - count nothing, for what a fuzzer itself does
 * @hold: whether
 *
 * Return: what it was before.
 */
bool faults_hold(bool hold)
{
	bool before = held;

	held = hold;
	return before;
}

/**
 * faults_hurry() - let time run out
 * @hurry: whether each deadline that is chosen from now on is now
 */
void faults_hurry(bool hurry)
{
	hurried = hurry;
}

static bool fails(int code)
{
	if (held || ++seen != at)
		return false;
	errno = code;
	return true;
}

/**
 * faults_each() - run an input as it is, and again with one call failing each time
 * @fn: what runs it
 * @data: input
 * @size: bytes of it
 *
 * Where there are many calls, some of them are taken, by the input.
 */
void faults_each(faults_fn fn, const uint8_t *data, size_t size)
{
	unsigned long sum = 0;

	faults_arm(0);
	fn(data, size);
	unsigned long calls = seen, step = calls / ROUNDS_MAX + 1;
	for (size_t i = 0; i < size; i++)
		sum = sum * 31 + data[i];
	for (unsigned long n = 1 + sum % step; n <= calls; n += step) {
		faults_arm(n);
		fn(data, size);
	}
	faults_arm(0);
}

#define POINTER(name, params, args, none) \
	void *REAL(name) params;          \
	void *WRAP(name) params;          \
	void *WRAP(name) params           \
	{                                 \
		if (fails(ENOMEM))        \
			return none;      \
		return REAL(name) args;   \
	}
#define NUMBER(type, name, code, params, args) \
	type REAL(name) params;                \
	type WRAP(name) params;                \
	type WRAP(name) params                 \
	{                                      \
		if (fails(code))               \
			return -1;             \
		return REAL(name) args;        \
	}
/* Of ours: they return what went wrong. */
#define OURS(name, params, args)        \
	int REAL(name) params;          \
	int WRAP(name) params;          \
	int WRAP(name) params           \
	{                               \
		if (fails(ENOMEM))      \
			return -ENOMEM; \
		return REAL(name) args; \
	}

POINTER(malloc, (size_t size), (size), NULL)
POINTER(calloc, (size_t nr, size_t size), (nr, size), NULL)
POINTER(realloc, (void *old, size_t size), (old, size), NULL)
POINTER(yajl_alloc, (const yajl_callbacks *fns, yajl_alloc_funcs *alloc, void *ctx),
	(fns, alloc, ctx), NULL)
POINTER(mmap, (void *addr, size_t len, int prot, int flags, int fd, off_t off),
	(addr, len, prot, flags, fd, off), MAP_FAILED)
NUMBER(int, socket, EMFILE, (int family, int type, int protocol), (family, type, protocol))
NUMBER(int, accept4, EMFILE, (int fd, void *addr, socklen_t *len, int flags),
       (fd, addr, len, flags))
NUMBER(int, fstat, EIO, (int fd, struct stat *st), (fd, st))
NUMBER(ssize_t, recv, EIO, (int fd, void *buf, size_t len, int flags), (fd, buf, len, flags))
NUMBER(ssize_t, send, EIO, (int fd, const void *buf, size_t len, int flags), (fd, buf, len, flags))
NUMBER(ssize_t, read, EIO, (int fd, void *buf, size_t len), (fd, buf, len))
NUMBER(ssize_t, write, EPIPE, (int fd, const void *buf, size_t len), (fd, buf, len))
NUMBER(ssize_t, sendmsg, EPIPE, (int fd, const struct msghdr *msg, int flags), (fd, msg, flags))
NUMBER(ssize_t, recvmsg, ECONNRESET, (int fd, struct msghdr *msg, int flags), (fd, msg, flags))
NUMBER(int, connect, EAGAIN, (int fd, const void *addr, socklen_t len), (fd, addr, len))
NUMBER(int, getsockopt, ENOTSOCK, (int fd, int level, int name, void *value, socklen_t *len),
       (fd, level, name, value, len))
OURS(fiber_spawn,
     (struct loop * loop, const char *name, fiber_fn fn, void *arg, struct fiber **ret),
     (loop, name, fn, arg, ret))
OURS(loop_add_io,
     (struct loop * loop, int fd, unsigned events, loop_io_fn fn, void *arg,
      struct loop_source **ret),
     (loop, fd, events, fn, arg, ret))
OURS(loop_add_timer,
     (struct loop * loop, uint64_t deadline_ns, loop_fn fn, void *arg, struct loop_source **ret),
     (loop, deadline_ns, fn, arg, ret))
OURS(loop_timer_set, (struct loop_source * src, uint64_t deadline_ns), (src, deadline_ns))

uint64_t REAL(loop_deadline_ms)(uint64_t ms);
uint64_t WRAP(loop_deadline_ms)(uint64_t ms);

uint64_t WRAP(loop_deadline_ms)(uint64_t ms)
{
	return REAL(loop_deadline_ms)(hurried ? 0 : ms);
}

int REAL(fcntl)(int fd, int what, ...);
int WRAP(fcntl)(int fd, int what, ...);
/* With 64 bits in a long it is the same. */
int WRAP(fcntl64)(int fd, int what, ...) __attribute__((alias("__wrap_fcntl")));

int WRAP(fcntl)(int fd, int what, ...)
{
	va_list ap;

	va_start(ap, what);
	long arg = va_arg(ap, long);
	va_end(ap);
	return fails(EMFILE) ? -1 : REAL(fcntl)(fd, what, arg);
}
