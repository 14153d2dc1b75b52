/* SPDX-License-Identifier: Apache-2.0 */
/*
 * DOC: Users of VMs
 *
 * A number is taken by a lock on one byte of a file of root's, which is empty and stays so
 * (fcntl_locking(2), open file description locks). Nothing is written, so nothing has to be undone
 * after a shim was killed. The descriptor stays with the shim: in QEMU it would let a guest take
 * all numbers. So a QEMU that is just dying may outlive its lock, and anything else on the host may
 * use a number of the range; both are seen, as a number is passed over while processes of it live.
 */
#include "jail/user.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <sys/random.h>
#include <sys/resource.h>
#include <unistd.h>

#include "common/fd.h"
#include "common/io.h"

#define USERS_NAME ".jail-users" /* not a valid id, so no container's directory */

static bool has_processes(uid_t uid)
{
	/* -1 may be a priority, too: what counts is that nobody was found. */
	errno = 0;
	return getpriority(PRIO_USER, uid) >= 0 || errno != ESRCH;
}

static int lock_byte(int fd, uint32_t at)
{
	struct flock lock = { .l_type = F_WRLCK, .l_whence = SEEK_SET, .l_start = at, .l_len = 1 };

	return neg_errno(fcntl(fd, F_OFD_SETLK, &lock));
}

static void unlock_byte(int fd, uint32_t at)
{
	struct flock lock = { .l_type = F_UNLCK, .l_whence = SEEK_SET, .l_start = at, .l_len = 1 };

	(void)fcntl(fd, F_OFD_SETLK, &lock); /* closing it does so, too */
}

/**
 * user_claim() - take a number that nobody has
 * @dir: directory of root's that all shims of the host share; made if missing
 * @range: numbers to choose from; must not be empty nor hold 0
 * @ret_uid: receives the number, good for a group as well
 * @err: filled on failure
 *
 * The search begins anywhere in the range, so that a number is not used again soon.
 *
 * Return: a descriptor that holds the number, -EUSERS when all are taken, or -errno.
 */
int user_claim(const char *dir, const struct user_range *range, uid_t *ret_uid, struct err *err)
{
	char path[PATH_MAX];
	uint32_t start = 0;

	if (!range->first || !range->nr || range->first > INT32_MAX ||
	    range->nr > INT32_MAX - range->first)
		return err_set(err, EINVAL, "users of VMs: %u numbers from %u on are not a range",
			       range->nr, range->first);
	if (snprintf(path, sizeof(path), "%s/" USERS_NAME, dir) >= (int)sizeof(path))
		return err_set(err, ENAMETOOLONG, "%s", dir);
	int r = io_mkdir_p(dir, 0711);
	cleanup_close int fd =
		r < 0 ? r
		      : neg_errno(open(path, O_RDWR | O_CREAT | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC,
				       0600));
	if (fd < 0)
		return err_set_errno(err, fd, "open %s", path);
	if (getrandom(&start, sizeof(start), 0) < 0)
		start = (uint32_t)getpid();
	for (uint32_t i = 0; i < range->nr; i++) {
		uint32_t uid = range->first + (uint32_t)(((uint64_t)start + i) % range->nr);

		if (lock_byte(fd, uid) < 0)
			continue;
		if (!has_processes(uid)) {
			*ret_uid = uid;
			return TAKE_FD(fd);
		}
		unlock_byte(fd, uid);
	}
	return err_set(err, EUSERS, "users of VMs: all %u numbers from %u on are taken", range->nr,
		       range->first);
}
