/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Many guests wake from one saved memory. What must not be the same in all of them is either not
 * there yet (nobody has asked the kernel for random numbers or its boot id, no container exists, the
 * devices with addresses come later), or is given here, before anything else runs.
 */
#include "agent/server/wake.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/ioctl.h>
#include <time.h>

#include <linux/random.h>

#include "agent/device/drivers.h"
#include "agent/server/console_line.h"
#include "common/fd.h"
#include "common/io.h"
#include "common/log.h"
#include "common/loop.h"

#define NS_PER_S 1000000000ULL

/* The kernel mixes it in, and takes a new key from all it has at once. */
static int renew_randomness(const uint8_t entropy[GUEST_WAKE_ENTROPY_LEN])
{
	cleanup_close int fd = neg_errno(open("/dev/urandom", O_WRONLY | O_CLOEXEC));
	/* struct rand_pool_info of linux/random.h with room in its array, see random(4) */
	struct {
		int entropy_count, buf_size;
		uint8_t buf[GUEST_WAKE_ENTROPY_LEN];
	} pool = { .entropy_count = GUEST_WAKE_ENTROPY_LEN * 8,
		   .buf_size = GUEST_WAKE_ENTROPY_LEN };

	if (fd < 0)
		return fd;
	memcpy(pool.buf, entropy, sizeof(pool.buf));
	int r = neg_errno(ioctl(fd, RNDADDENTROPY, &pool));
	if (r >= 0)
		r = neg_errno(ioctl(fd, RNDRESEEDCRNG));
	explicit_bzero(&pool, sizeof(pool));
	return r;
}

static int set_clock(uint64_t realtime_ns)
{
	const struct timespec now = { .tv_sec = (time_t)(realtime_ns / NS_PER_S),
				      .tv_nsec = (long)(realtime_ns % NS_PER_S) };

	return neg_errno(clock_settime(CLOCK_REALTIME, &now));
}

static int read_wake(int console_fd, struct guest_wake *ret)
{
	char line[GUEST_WAKE_LINE_MAX];
	ssize_t n = console_line_read(console_fd, line, sizeof(line), LOOP_FOREVER);
	int r = n < 0 ? (int)n : guest_wake_parse(line, (size_t)n, ret);

	explicit_bzero(line, sizeof(line));
	return r;
}

/**
 * wake_await() - say that the guest can be saved, and wait until it is told that it is a new one
 * @console_fd: the console
 * @ret: receives what it was told; @entropy is used up
 * @err: filled on failure
 *
 * See KATA_TEMPLATE_LINE in kata/guest.h. Its devices have drivers when this returns.
 *
 * Return: 0 or -errno; a guest that could not be made its own must not go on.
 */
int wake_await(int console_fd, struct guest_wake *ret, struct err *err)
{
	static const char line[] = KATA_TEMPLATE_LINE "\n";
	int r = console_fd < 0 ? -ENODEV : console_line_set_echo(console_fd, false);

	drivers_expect_devices();
	if (r >= 0)
		r = io_write_full(console_fd, line, sizeof(line) - 1);
	if (r >= 0)
		r = read_wake(console_fd, ret);
	if (r < 0)
		return err_set_errno(err, r, "wait to be woken");
	r = renew_randomness(ret->entropy);
	explicit_bzero(ret->entropy, sizeof(ret->entropy));
	if (r < 0)
		return err_set_errno(err, r, "renew the kernel's random numbers");
	r = set_clock(ret->realtime_ns);
	if (r < 0)
		return err_set_errno(err, r, "set the clock");
	(void)console_line_set_echo(console_fd, true); /* a debug shell there would be blind */
	r = drivers_find_devices();
	return r < 0 ? err_set_errno(err, r, "look for devices") : 0;
}
