/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What each process of a sandbox should not be able to do. docs/security.md has the same table, in
 * words.
 */
#include "runtime/cmd/admin/security_process.h"

#include <linux/capability.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "common/str.h"

#define NOBODY 65534
#define NS(ns) (1U << SECURITY_NS_##ns)
#define ALL_CAPS UINT64_MAX
#define NINE_P_CAPS                                                                               \
	(1ULL << CAP_CHOWN | 1ULL << CAP_DAC_OVERRIDE | 1ULL << CAP_FOWNER | 1ULL << CAP_FSETID | \
	 1ULL << CAP_MKNOD)

struct expected {
	uint32_t uid_base, uid_count; /* a count of 0: any user */
	uint64_t caps;		      /* at most */
	unsigned own_ns;	      /* at least */
	bool own_root, seccomp, no_new_privs, devices;
};

/* Of those that do not depend on the configuration; what is not listed is root of the host. */
static const struct expected expectations[SECURITY_ROLE_COUNT_] = {
	[SECURITY_ROLE_SHIM] = { .caps = ALL_CAPS,
				 .own_ns = NS(MOUNT),
				 .seccomp = true,
				 .no_new_privs = true },
	[SECURITY_ROLE_VIRTIOFSD] = { .caps = ~(1ULL << CAP_SYS_ADMIN | 1ULL << CAP_SYS_PTRACE |
						1ULL << CAP_SYS_MODULE | 1ULL << CAP_NET_ADMIN),
				      .own_ns = NS(MOUNT) | NS(PID) | NS(NET),
				      .own_root = true,
				      .seccomp = true },
	[SECURITY_ROLE_PROXY] = { .uid_base = NOBODY,
				  .uid_count = 1,
				  .own_ns = NS(MOUNT) | NS(NET) | NS(IPC) | NS(UTS),
				  .own_root = true,
				  .seccomp = true,
				  .no_new_privs = true },
	[SECURITY_ROLE_STANDIN] = { .caps = 1ULL << CAP_KILL | 1ULL << CAP_SETGID |
					    1ULL << CAP_SETUID | 1ULL << CAP_IPC_LOCK,
				    .own_ns = NS(MOUNT) | NS(PID),
				    .own_root = true,
				    .no_new_privs = true },
	[SECURITY_ROLE_HELPER] = { .caps = ALL_CAPS },
};

static struct expected expect_qemu(const struct security_policy *policy)
{
	struct expected e = {
		.caps = policy->jail ? 0 : 1ULL << CAP_DAC_READ_SEARCH,
		.seccomp = policy->qemu_filter,
		.no_new_privs = true,
	};

	if (policy->shared_by_9p)
		e.caps |= NINE_P_CAPS;
	if (!policy->jail)
		return e;
	e.uid_base = policy->uid_base;
	e.uid_count = policy->uid_count;
	e.own_ns = NS(MOUNT) | NS(PID) | NS(IPC) | NS(UTS);
	e.own_root = e.devices = true;
	return e;
}

static void complain(char *ret, size_t len, const char *fmt, ...) printf_format(3, 4);

static void complain(char *ret, size_t len, const char *fmt, ...)
{
	size_t used = strlen(ret);
	va_list ap;

	used += (size_t)snprintf(ret + used, len - used, "%s", used ? ", " : "weaker: ");
	va_start(ap, fmt);
	if (used < len)
		(void)vsnprintf(ret + used, len - used, fmt, ap);
	va_end(ap);
}

/**
 * security_judge() - is a process as confined as it should be
 * @p: process
 * @policy: what is configured
 * @ret: receives "ok", or what is weaker
 * @len: size of @ret
 *
 * Return: whether it is.
 */
bool security_judge(const struct security_process *p, const struct security_policy *policy,
		    char *ret, size_t len)
{
	const struct expected e = p->role == SECURITY_ROLE_QEMU ? expect_qemu(policy)
								: expectations[p->role];

	*ret = '\0';
	if (e.uid_count && (p->uid < e.uid_base || p->uid - e.uid_base >= e.uid_count))
		complain(ret, len, "user %u", (unsigned)p->uid);
	if (p->caps & ~e.caps)
		complain(ret, len, "%d capabilities too many",
			 __builtin_popcountll(p->caps & ~e.caps));
	for (unsigned i = 0; i < SECURITY_NS_COUNT_; i++)
		if ((e.own_ns >> i & 1) && !p->own_ns[i])
			complain(ret, len, "the host's %s namespace", security_ns_name(i));
	if (e.own_root && !p->own_root)
		complain(ret, len, "the host's root");
	if (e.seccomp && !p->seccomp)
		complain(ret, len, "no system call filter");
	if (e.no_new_privs && !p->no_new_privs)
		complain(ret, len, "may gain privileges");
	if (e.devices && p->devices != SECURITY_DEVICES_LISTED)
		complain(ret, len, "any device");
	if (*ret)
		return false;
	(void)snprintf(ret, len, "%s",
		       p->role == SECURITY_ROLE_QEMU && !policy->jail
			       ? "ROOT OF THE HOST: jail = false"
			       : "ok");
	return true;
}
