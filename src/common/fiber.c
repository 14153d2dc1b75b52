/* SPDX-License-Identifier: Apache-2.0 */
/*
 * DOC: Theory of operation
 *
 * A fiber has a stack of its own (mmap'ed, with a guard page below) and runs until it waits.
 * Waiting switches back to the loop; whatever ends the wait calls fiber_wake(), which records the
 * result and triggers the fiber's loop source, and the loop later switches into the fiber again.
 * Nothing else ever enters a fiber, so a wake-up is safe from any place, from other fibers too, and
 * the depth of switching is always one.
 *
 * Only the first wake-up of a wait counts: a timeout, a cancellation and an event may race within
 * one round.
 */
#include "common/fiber.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <ucontext.h>
#include <unistd.h>

#include "common/err.h"
#include "common/fd.h"
#include "common/fiber_sanitize.h"

/*
 * Address space: a page takes memory once it is touched. The deepest recursions are those over
 * protobuf and JSON trees, which are bounded in depth.
 */
#define FIBER_STACK_SIZE (320UL * 1024)
/* Of that, what must not be touched. Larger than any frame (-Wframe-larger-than in the Makefile). */
#define FIBER_GUARD_SIZE (64UL * 1024)
/* Ended stacks kept for the next fiber; more are unmapped. */
#define FIBER_STACKS_KEPT 4

enum fiber_state {
	FIBER_STATE_READY,   /* its trigger is set; the loop will enter it */
	FIBER_STATE_RUNNING, /* it is fiber_self() */
	FIBER_STATE_WAITING, /* inside fiber_block(); fiber_wake() is legal */
	FIBER_STATE_DONE,    /* its function returned; only fiber_join() may touch it */
};

struct fiber {
	ucontext_t context, caller;
	struct loop *loop;
	struct loop_source *trigger, *timer;
	char *stack;
	fiber_fn fn;
	void *arg;
	struct fiber_cond done;
	enum fiber_state state;
	int result; /* of the wait that ended last */
	bool detached, cancelled, mask_cancel;
	const void *caller_stack; /* for the sanitizer */
	size_t caller_stack_size;
	char name[24];
};

struct fiber_waiter {
	struct list node;
	struct fiber *fiber;
};

static struct fiber *current;
static char *kept_stacks[FIBER_STACKS_KEPT];
static size_t nr_kept_stacks;
static void (*wait_watch)(bool begins);

static char *stack_new(void)
{
	if (nr_kept_stacks)
		return kept_stacks[--nr_kept_stacks];
	char *p = mmap(NULL, FIBER_STACK_SIZE, PROT_READ | PROT_WRITE,
		       MAP_PRIVATE | MAP_ANONYMOUS | MAP_STACK | MAP_NORESERVE, -1, 0);
	if (p == MAP_FAILED)
		return NULL;
	if (mprotect(p, FIBER_GUARD_SIZE, PROT_NONE) < 0) {
		(void)munmap(p, FIBER_STACK_SIZE);
		return NULL;
	}
	return p;
}

static void stack_free(char *stack)
{
	if (!stack)
		return;
	if (nr_kept_stacks < FIBER_STACKS_KEPT)
		kept_stacks[nr_kept_stacks++] = stack;
	else
		(void)munmap(stack, FIBER_STACK_SIZE);
}

static void fiber_free(struct fiber *fiber)
{
	(void)loop_source_free(fiber->trigger);
	(void)loop_source_free(fiber->timer);
	stack_free(fiber->stack);
	free(fiber);
}

/* Switches from the fiber back to the loop. */
static void fiber_leave(struct fiber *fiber, bool for_good)
{
	void *fake_stack = NULL;

	__sanitizer_start_switch_fiber(for_good ? NULL : &fake_stack, fiber->caller_stack,
				       fiber->caller_stack_size);
	(void)swapcontext(&fiber->context,
			  &fiber->caller); /* fails only for want of memory it does not use */
	__sanitizer_finish_switch_fiber(fake_stack, &fiber->caller_stack,
					&fiber->caller_stack_size);
}

static void fiber_main(unsigned high, unsigned low)
{
	struct fiber *fiber = (struct fiber *)(((uintptr_t)high << 32) | (uintptr_t)low);

	__sanitizer_finish_switch_fiber(NULL, &fiber->caller_stack, &fiber->caller_stack_size);
	fiber->fn(fiber->arg);
	fiber->state = FIBER_STATE_DONE;
	fiber_leave(fiber, true);
}

/* The trigger's callback: switches from the loop into the fiber. */
static void fiber_enter(void *arg)
{
	struct fiber *fiber = arg;
	void *fake_stack = NULL;

	fiber->state = FIBER_STATE_RUNNING;
	current = fiber;
	__sanitizer_start_switch_fiber(&fake_stack, fiber->stack + FIBER_GUARD_SIZE,
				       FIBER_STACK_SIZE - FIBER_GUARD_SIZE);
	(void)swapcontext(&fiber->caller, &fiber->context);
	__sanitizer_finish_switch_fiber(fake_stack, NULL, NULL);
	current = NULL;
	if (fiber->state != FIBER_STATE_DONE)
		return;
	if (fiber->detached)
		fiber_free(fiber);
	else
		fiber_cond_broadcast(&fiber->done);
}

static void fiber_wake(struct fiber *fiber, int result)
{
	if (fiber->state != FIBER_STATE_WAITING)
		return;
	fiber->state = FIBER_STATE_READY;
	fiber->result = result;
	loop_trigger(fiber->trigger);
}

static void on_timeout(void *arg)
{
	fiber_wake(arg, -ETIMEDOUT);
}

/* Waits for fiber_wake(). */
static int fiber_block(uint64_t deadline_ns)
{
	struct fiber *self = current;
	int r = 0;

	if (self->cancelled && !self->mask_cancel)
		return -ECANCELED;
	if (deadline_ns != LOOP_FOREVER)
		r = loop_timer_set(self->timer, deadline_ns);
	if (r < 0)
		return r;
	if (wait_watch)
		wait_watch(true);
	self->state = FIBER_STATE_WAITING;
	fiber_leave(self, false);
	if (deadline_ns != LOOP_FOREVER)
		(void)loop_timer_set(self->timer, LOOP_FOREVER); /* disarming cannot fail */
	r = self->result;
	if (wait_watch)
		wait_watch(false);
	return r;
}

static int fiber_init(struct fiber *fiber)
{
	int r = loop_add_trigger(fiber->loop, fiber_enter, fiber, &fiber->trigger);

	if (r >= 0)
		r = loop_add_timer(fiber->loop, LOOP_FOREVER, on_timeout, fiber, &fiber->timer);
	if (r < 0)
		return r;
	fiber->stack = stack_new();
	if (!fiber->stack)
		return -ENOMEM;
	r = neg_errno(getcontext(&fiber->context));
	if (r < 0)
		return r;
	fiber->context.uc_stack.ss_sp = fiber->stack + FIBER_GUARD_SIZE;
	fiber->context.uc_stack.ss_size = FIBER_STACK_SIZE - FIBER_GUARD_SIZE;
	fiber->context.uc_link = NULL;
	/* makecontext(3) passes ints: the pointer travels in two halves. */
	makecontext(&fiber->context, (void (*)(void))fiber_main, 2,
		    (unsigned)((uintptr_t)fiber >> 32), (unsigned)(uintptr_t)fiber);
	return 0;
}

/**
 * fiber_spawn() - run a function in a new fiber
 * @loop: loop to run on
 * @name: for debugging, copied
 * @fn: function; the fiber ends when it returns
 * @arg: its argument
 * @ret_fiber: receives the fiber, which must then be joined; NULL: it releases itself
 *
 * The fiber starts from the loop, not before the caller waits or returns to the loop.
 *
 * Return: 0 or -ENOMEM.
 */
int fiber_spawn(struct loop *loop, const char *name, fiber_fn fn, void *arg,
		struct fiber **ret_fiber)
{
	struct fiber *fiber = calloc(1, sizeof(*fiber));

	if (!fiber)
		return -ENOMEM;
	fiber->loop = loop;
	fiber->fn = fn;
	fiber->arg = arg;
	fiber->detached = !ret_fiber;
	(void)snprintf(fiber->name, sizeof(fiber->name), "%s", name);
	fiber_cond_init(&fiber->done);
	int r = fiber_init(fiber);
	if (r < 0) {
		fiber_free(fiber);
		return r;
	}
	loop_trigger(fiber->trigger);
	if (ret_fiber)
		*ret_fiber = fiber;
	return 0;
}

/**
 * fiber_self() - the fiber that is running
 *
 * Return: the fiber, or NULL in a loop callback.
 */
struct fiber *fiber_self(void)
{
	return current;
}

/**
 * fiber_loop() - the loop of the running fiber
 *
 * Return: the loop. Only legal inside a fiber.
 */
struct loop *fiber_loop(void)
{
	return current->loop;
}

/**
 * fiber_cancel() - make a fiber's waits return -ECANCELED
 * @fiber: fiber that has not been released
 */
void fiber_cancel(struct fiber *fiber)
{
	fiber->cancelled = true;
	if (!fiber->mask_cancel)
		fiber_wake(fiber, -ECANCELED);
}

/**
 * fiber_interrupt() - end the wait a fiber is in, once
 * @fiber: fiber that has not been released
 *
 * The wait returns -EINTR. A fiber that is not waiting notices nothing: it is for making it look at
 * a flag again.
 */
void fiber_interrupt(struct fiber *fiber)
{
	fiber_wake(fiber, -EINTR);
}

/**
 * fiber_mask_cancel() - let the running fiber wait although it was cancelled, for its clean-up
 * @mask: new value
 *
 * Return: the old value, to be restored.
 */
bool fiber_mask_cancel(bool mask)
{
	bool old = current->mask_cancel;

	current->mask_cancel = mask;
	return old;
}

/**
 * fiber_join() - wait for a fiber's end and release it
 * @fiber: fiber spawned with @ret_fiber
 * @deadline_ns: absolute time
 *
 * Return: 0 and @fiber is gone, or -ETIMEDOUT/-ECANCELED and it is still there.
 */
int fiber_join(struct fiber *fiber, uint64_t deadline_ns)
{
	while (fiber->state != FIBER_STATE_DONE) {
		int r = fiber_cond_wait(&fiber->done, deadline_ns);

		if (r < 0)
			return r;
	}
	fiber_free(fiber);
	return 0;
}

/**
 * fiber_yield() - let everything else that is ready run first
 */
void fiber_yield(void)
{
	struct fiber *self = current;

	self->state = FIBER_STATE_READY;
	loop_trigger(self->trigger);
	fiber_leave(self, false);
}

struct fd_wait {
	struct fiber *fiber;
	struct loop_source *source;
};

static void on_fd(void *arg, unsigned events)
{
	struct fd_wait *wait = arg;

	/* Level triggered: silence it, or it fires until the fiber has run. */
	wait->source = loop_source_free(wait->source);
	fiber_wake(wait->fiber, (int)events);
}

/**
 * fiber_wait_fd() - wait until a descriptor is ready
 * @fd: descriptor; must stay open meanwhile
 * @events: enum loop_events
 * @deadline_ns: absolute time
 *
 * Return: the events that are ready (an error or hang-up counts as those asked for), -ETIMEDOUT,
 * -ECANCELED, -ENOMEM. Files that cannot be polled are always ready.
 */
int fiber_wait_fd(int fd, unsigned events, uint64_t deadline_ns)
{
	struct fd_wait wait = { .fiber = current };
	int r = loop_add_io(current->loop, fd, events, on_fd, &wait, &wait.source);

	if (r == -EPERM)
		return (int)events;
	if (r < 0)
		return r;
	r = fiber_block(deadline_ns);
	(void)loop_source_free(wait.source);
	return r;
}

/**
 * fiber_sleep_until() - wait for a time
 * @deadline_ns: absolute time
 *
 * Return: 0 or -ECANCELED.
 */
int fiber_sleep_until(uint64_t deadline_ns)
{
	int r = fiber_block(deadline_ns);

	return r == -ETIMEDOUT ? 0 : r;
}

/**
 * fiber_wait_pidfd() - wait for a child's end and reap it
 * @pidfd: pidfd of a child of this process
 * @deadline_ns: absolute time
 * @ret_wstatus: receives the status in waitpid(2)'s form; may be NULL
 *
 * Return: 0, -ETIMEDOUT, -ECANCELED, or -errno of waitid(2).
 */
int fiber_wait_pidfd(int pidfd, uint64_t deadline_ns, int *ret_wstatus)
{
	siginfo_t info = { 0 };
	int r = fiber_wait_fd(pidfd, LOOP_READ, deadline_ns);

	if (r < 0)
		return r;
	r = neg_errno(waitid(P_PIDFD, (id_t)pidfd, &info, WEXITED));
	if (r >= 0 && ret_wstatus)
		*ret_wstatus = info.si_code == CLD_EXITED ? W_EXITCODE(info.si_status, 0)
							  : W_EXITCODE(0, info.si_status);
	return r;
}

/**
 * fiber_cond_init() - make a condition nobody waits for
 * @cond: condition
 */
void fiber_cond_init(struct fiber_cond *cond)
{
	list_init(&cond->waiters);
}

/**
 * fiber_cond_wait() - wait for the next broadcast
 * @cond: condition; must outlive the wait
 * @deadline_ns: absolute time
 *
 * Return: 0, -ETIMEDOUT or -ECANCELED. What was waited for must be checked again.
 */
int fiber_cond_wait(struct fiber_cond *cond, uint64_t deadline_ns)
{
	struct fiber_waiter waiter = { .fiber = current };

	list_add_tail(&cond->waiters, &waiter.node);
	int r = fiber_block(deadline_ns);
	list_del(&waiter.node);
	return r;
}

/**
 * fiber_cond_broadcast() - wake everybody who waits
 * @cond: condition; may be dropped right after, the waiters no longer refer to it
 */
void fiber_cond_broadcast(struct fiber_cond *cond)
{
	while (!list_empty(&cond->waiters)) {
		struct fiber_waiter *waiter =
			list_entry(cond->waiters.next, struct fiber_waiter, node);

		list_del(&waiter->node);
		fiber_wake(waiter->fiber, 0);
	}
}

/**
 * fiber_mutex_init() - make an unlocked mutex
 * @mutex: mutex
 */
void fiber_mutex_init(struct fiber_mutex *mutex)
{
	mutex->owner = NULL;
	fiber_cond_init(&mutex->cond);
}

/**
 * fiber_lock() - take a mutex
 * @mutex: mutex, not held by this fiber
 * @deadline_ns: absolute time
 *
 * Return: 0, -ETIMEDOUT or -ECANCELED.
 */
int fiber_lock(struct fiber_mutex *mutex, uint64_t deadline_ns)
{
	while (mutex->owner) {
		int r = fiber_cond_wait(&mutex->cond, deadline_ns);

		if (r < 0)
			return r;
	}
	mutex->owner = current;
	return 0;
}

/**
 * fiber_unlock() - give a mutex back
 * @mutex: mutex held by this fiber
 */
void fiber_unlock(struct fiber_mutex *mutex)
{
	mutex->owner = NULL;
	fiber_cond_broadcast(&mutex->cond);
}

/**
 * fiber_read() - read what is there, waiting for the first byte
 * @fd: non-blocking descriptor
 * @buf: buffer
 * @len: its size, not 0
 * @deadline_ns: absolute time
 *
 * Return: bytes read, 0 at end of file, or -errno.
 */
ssize_t fiber_read(int fd, void *buf, size_t len, uint64_t deadline_ns)
{
	for (;;) {
		ssize_t n = read(fd, buf, len);

		if (n >= 0)
			return n;
		if (errno == EINTR)
			continue;
		if (errno != EAGAIN)
			return -errno;
		int r = fiber_wait_fd(fd, LOOP_READ, deadline_ns);
		if (r < 0)
			return r;
	}
}

/**
 * fiber_read_full() - read exactly @len bytes
 * @fd: non-blocking descriptor
 * @buf: buffer
 * @len: bytes to read
 * @deadline_ns: absolute time
 *
 * Return: 0, -errno, or -ENODATA when the peer ends before.
 */
int fiber_read_full(int fd, void *buf, size_t len, uint64_t deadline_ns)
{
	for (size_t done = 0; done < len;) {
		ssize_t n = fiber_read(fd, (char *)buf + done, len - done, deadline_ns);

		if (n < 0)
			return (int)n;
		if (n == 0)
			return -ENODATA;
		done += (size_t)n;
	}
	return 0;
}

/**
 * fiber_write_full() - write all bytes, waiting for room
 * @fd: non-blocking descriptor
 * @buf: bytes
 * @len: number of bytes
 * @deadline_ns: absolute time
 *
 * Return: 0 or -errno. SIGPIPE must be ignored by the process.
 */
int fiber_write_full(int fd, const void *buf, size_t len, uint64_t deadline_ns)
{
	for (size_t done = 0; done < len;) {
		ssize_t n = write(fd, (const char *)buf + done, len - done);

		if (n > 0) {
			done += (size_t)n;
			continue;
		}
		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0 && errno != EAGAIN)
			return -errno;
		int r = fiber_wait_fd(fd, LOOP_WRITE, deadline_ns);
		if (r < 0)
			return r;
	}
	return 0;
}

/**
 * fiber_connect_unix() - connect to a unix stream socket
 * @path: path of the socket
 * @deadline_ns: absolute time
 *
 * Return: a connected non-blocking descriptor owned by the caller, or -errno (-ENAMETOOLONG: see
 * unix(7)).
 */
int fiber_connect_unix(const char *path, uint64_t deadline_ns)
{
	struct sockaddr_un addr = { .sun_family = AF_UNIX };

	if (strlen(path) >= sizeof(addr.sun_path))
		return -ENAMETOOLONG;
	memcpy(addr.sun_path, path, strlen(path) + 1);
	cleanup_close int fd =
		neg_errno(socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0));
	if (fd < 0)
		return fd;
	/*
	 * A unix socket connects at once or says EAGAIN when the backlog is full; it becomes
	 * writable with room.
	 */
	while (connect(fd, (struct sockaddr *)&addr, sizeof(addr)) < 0) {
		if (errno == EINTR)
			continue;
		if (errno != EAGAIN)
			return -errno;
		int r = fiber_sleep_until(MIN(deadline_ns, loop_deadline_ms(2)));
		if (r < 0)
			return r;
		if (loop_now_ns() >= deadline_ns)
			return -ETIMEDOUT;
	}
	return TAKE_FD(fd);
}

/**
 * fiber_watch_for_test() - be called whenever a fiber begins or has ended to wait
 * @fn: runs in that fiber; when a wait has ended it may wait itself, and the fiber does not know of
 *	its own one's end before. NULL: nobody is called
 */
void fiber_watch_for_test(void (*fn)(bool begins))
{
	wait_watch = fn;
}

struct main_call {
	int (*fn)(void *arg);
	void *arg;
	int result;
};

static void main_fiber(void *arg)
{
	struct main_call *call = arg;

	call->result = call->fn(call->arg);
	loop_exit(current->loop, 0);
}

/**
 * fiber_run_main() - run a function in a fiber on a loop of its own
 * @fn: function
 * @arg: its argument
 *
 * For command-line tools, which then use the same waiting calls as the daemons.
 *
 * Return: what @fn returned, or -errno when the loop could not run.
 */
int fiber_run_main(int (*fn)(void *arg), void *arg)
{
	struct main_call call = { .fn = fn, .arg = arg };
	struct loop *loop;
	int r = loop_new(&loop);

	if (r < 0)
		return r;
	r = fiber_spawn(loop, "main", main_fiber, &call, NULL);
	if (r >= 0)
		r = loop_run(loop);
	(void)loop_free(loop);
	return r < 0 ? r : call.result;
}
