/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Giving up an identity. System calls are made directly: the C library's setresuid() is for all
 * threads of a process, and a child that was cloned from one with several threads has only one.
 */
#include "jail/identity.h"

#include <errno.h>
#include <linux/capability.h>
#include <stdbool.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <unistd.h>

static void drop_bounding_set(uint64_t keep)
{
	/*
	 * Needs CAP_SETPCAP; who never had it cannot gain from the bounding set either
	 * (no_new_privs).
	 */
	for (int cap = 0; prctl(PR_CAPBSET_READ, cap, 0, 0, 0) >= 0; cap++)
		if (!(keep >> cap & 1))
			(void)prctl(PR_CAPBSET_DROP, cap, 0, 0, 0);
}

static int change_user(const struct identity *id, struct err *err)
{
	if (geteuid() != 0)
		return 0;
	/* Otherwise the permitted set would go with the user id. */
	if (id->caps && prctl(PR_SET_KEEPCAPS, 1, 0, 0, 0) < 0)
		return err_set_errno(err, -errno, "keep capabilities");
	if (syscall(SYS_setgroups, 0, NULL) < 0 ||
	    syscall(SYS_setresgid, id->gid, id->gid, id->gid) < 0 ||
	    syscall(SYS_setresuid, id->uid, id->uid, id->uid) < 0)
		return err_set_errno(err, -errno, "become user %u:%u", (unsigned)id->uid,
				     (unsigned)id->gid);
	return 0;
}

static int limit_capabilities(uint64_t caps, struct err *err)
{
	struct __user_cap_header_struct header = { .version = _LINUX_CAPABILITY_VERSION_3 };
	struct __user_cap_data_struct sets[_LINUX_CAPABILITY_U32S_3] = { { 0 } };

	(void)prctl(PR_CAP_AMBIENT, PR_CAP_AMBIENT_CLEAR_ALL, 0, 0,
		    0); /* EINVAL: a kernel without them */
	for (size_t i = 0; i < ARRAY_SIZE(sets); i++) {
		sets[i].permitted = (uint32_t)(caps >> (32 * i));
		sets[i].effective = sets[i].permitted;
		sets[i].inheritable = sets[i].permitted;
	}
	if (syscall(SYS_capset, &header, sets) < 0)
		return err_set_errno(err, -errno, "limit capabilities");
	/* A user other than root keeps over an exec what is ambient, and nothing else. */
	for (int cap = 0; cap < 64; cap++)
		if ((caps >> cap & 1) && prctl(PR_CAP_AMBIENT, PR_CAP_AMBIENT_RAISE, cap, 0, 0) < 0)
			return err_set_errno(err, -errno, "keep capability %d", cap);
	return 0;
}

/**
 * identity_assume() - become somebody, with no way back
 * @id: who; without root's rights the user stays who it is
 * @err: error
 *
 * For the only thread of a process. The bounding set goes first, while the capability that it needs
 * is there. The signal of the parent's death (prctl(2), PR_SET_PDEATHSIG), which the kernel forgets
 * when the user changes, is set again: the caller has to look afterwards whether the parent lives.
 *
 * Return: 0, -EPERM when there would be a way back, or -errno.
 */
int identity_assume(const struct identity *id, struct err *err)
{
	bool was_root = geteuid() == 0;
	int death = 0;

	if (prctl(PR_GET_PDEATHSIG, &death, 0, 0, 0) < 0)
		death = 0;
	drop_bounding_set(id->caps);
	if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) < 0)
		return err_set_errno(err, -errno, "no_new_privs");
	int r = change_user(id, err);
	if (r == 0)
		r = limit_capabilities(id->caps, err);
	if (r < 0)
		return r;
	if (was_root && id->uid != 0 && syscall(SYS_setresuid, 0, 0, 0) == 0)
		return err_set(err, EPERM, "could become root again");
	if (death && prctl(PR_SET_PDEATHSIG, death, 0, 0, 0) < 0)
		return err_set_errno(err, -errno, "die with the parent");
	return 0;
}
