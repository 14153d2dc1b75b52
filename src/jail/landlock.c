/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Landlock (landlock(7)): a process gives up, for itself and its children, what no other layer of a
 * jail takes away. It names no file: with nothing allowed in it, a ruleset forbids what it handles.
 *
 *	TCP sockets: neither listen nor connect, in a network that is the sandbox's (version 4)
 *	abstract unix sockets of anybody outside, which belong to a network, too (version 6)
 *	signals to anybody outside (version 6)
 *	files: to make, to remove and to rename any (version 1), to link into other directories (2)
 *
 * Descriptors that it has already are not touched. The numbers are the kernel's; headers of
 * distributions lack the newer ones.
 */
#include "jail/landlock.h"

#include <errno.h>
#include <stdint.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "common/fd.h"

#define CREATE_RULESET_VERSION 1U

/* LANDLOCK_ACCESS_FS_REMOVE_DIR to _MAKE_SYM; _REFER */
#define FS_CHANGES (0x1ff0ULL)
#define FS_REFER (1ULL << 13)
#define NET_TCP (3ULL)	 /* LANDLOCK_ACCESS_NET_BIND_TCP and _CONNECT_TCP */
#define SCOPE_ALL (3ULL) /* LANDLOCK_SCOPE_ABSTRACT_UNIX_SOCKET and _SIGNAL */

/* struct landlock_ruleset_attr; older kernels take its beginning. */
struct ruleset {
	uint64_t fs, net, scoped;
};

/**
 * landlock_version() - what the kernel has
 *
 * Return: the version of its interface, 0 for none: not built, not switched on, or hidden.
 */
int landlock_version(void)
{
	long version = syscall(SYS_landlock_create_ruleset, NULL, 0, CREATE_RULESET_VERSION);

	return version > 0 ? (int)version : 0;
}

/**
 * landlock_give_up() - with no way back, as far as the kernel has it
 * @files: that nothing is made, removed or renamed, too
 * @err: filled on failure
 *
 * The process must have no_new_privs.
 *
 * Return: 0, also where the kernel has no Landlock, or -errno.
 */
int landlock_give_up(bool files, struct err *err)
{
	const int version = landlock_version();
	const struct ruleset ruleset = {
		.fs = !files	    ? 0
		      : version > 1 ? FS_CHANGES | FS_REFER
				    : FS_CHANGES,
		.net = version >= 4 ? NET_TCP : 0,
		.scoped = version >= 6 ? SCOPE_ALL : 0,
	};
	/* What it does not know must not be there, unless it is zero. */
	const size_t size = sizeof(ruleset);

	if (!version || !(ruleset.fs | ruleset.net | ruleset.scoped))
		return 0;
	cleanup_close int fd =
		neg_errno((int)syscall(SYS_landlock_create_ruleset, &ruleset, size, 0));
	if (fd < 0)
		return err_set_errno(err, fd, "landlock");
	if (syscall(SYS_landlock_restrict_self, fd, 0) < 0)
		return err_set_errno(err, -errno, "landlock");
	return 0;
}
