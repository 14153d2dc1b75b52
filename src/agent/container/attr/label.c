/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Labels of Linux security modules for the program that will be executed. The attribute file is
 * opened through the agent's own procfs, before the root changes: the container's /proc may be
 * anything.
 */
#include "agent/container/attr/label.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/magic.h>
#include <stdio.h>
#include <string.h>
#include <sys/statfs.h>
#include <unistd.h>

#include "common/fd.h"
#include "common/io.h"
#include "common/str.h"

static bool apparmor_enabled(void)
{
	cleanup_free char *enabled = NULL;

	return io_read_file_at(AT_FDCWD, "/sys/module/apparmor/parameters/enabled", 16, &enabled) >
		       0 &&
	       enabled[0] == 'Y';
}

static bool selinux_enabled(void)
{
	return access("/sys/fs/selinux/enforce", F_OK) == 0;
}

/**
 * label_plan_check() - check that the kernel has what the labels need
 * @plan: its labels are checked; an empty one is taken for none, and so is "unconfined" where
 * there is no AppArmor
 * @err: says which module is missing
 *
 * Return: 0, or -ENOTSUP.
 */
int label_plan_check(struct label_plan *plan, struct err *err)
{
	if (str_empty(plan->apparmor_profile))
		plan->apparmor_profile = NULL;
	if (str_empty(plan->selinux_label))
		plan->selinux_label = NULL;
	if (plan->apparmor_profile && !apparmor_enabled()) {
		if (!str_eq(plan->apparmor_profile, "unconfined"))
			return err_set(err, ENOTSUP,
				       "not supported: AppArmor profile %.64s, the guest kernel "
				       "has no AppArmor",
				       plan->apparmor_profile);
		plan->apparmor_profile = NULL;
	}
	if (plan->selinux_label && !selinux_enabled())
		return err_set(
			err, ENOTSUP,
			"not supported: SELinux label %.64s, the guest kernel has no SELinux",
			plan->selinux_label);
	if (plan->selinux_label && plan->apparmor_profile)
		return err_set(err, EINVAL, "both an AppArmor profile and an SELinux label");
	return 0;
}

/**
 * label_open() - in the child, in the agent's mount namespace: open the attribute
 * @plan: receives the descriptor
 * @err: filled on failure
 *
 * Return: 0 or -errno.
 */
int label_open(struct label_plan *plan, struct err *err)
{
	struct statfs fs;

	if (!plan->apparmor_profile && !plan->selinux_label)
		return 0;
	int fd = -ENOENT;
	if (plan->apparmor_profile)
		fd = neg_errno(open("/proc/thread-self/attr/apparmor/exec", O_WRONLY | O_CLOEXEC));
	if (fd == -ENOENT)
		fd = neg_errno(open("/proc/thread-self/attr/exec", O_WRONLY | O_CLOEXEC));
	if (fd < 0)
		return err_set_errno(err, fd, "open /proc/thread-self/attr/exec");
	plan->fd = fd;
	if (fstatfs(fd, &fs) < 0 || fs.f_type != PROC_SUPER_MAGIC)
		return err_set(err, EINVAL, "/proc is not procfs");
	return 0;
}

/**
 * label_apply() - set the label that the next execve takes
 * @plan: plan, after label_open()
 * @err: filled on failure
 *
 * Return: 0 or -errno.
 */
int label_apply(const struct label_plan *plan, struct err *err)
{
	char text[512];
	int n;

	if (plan->fd < 0)
		return 0;
	if (plan->apparmor_profile)
		n = snprintf(text, sizeof(text), "exec %s", plan->apparmor_profile);
	else
		n = snprintf(text, sizeof(text), "%s", plan->selinux_label);
	if (n < 0 || (size_t)n >= sizeof(text))
		return err_set(err, ENAMETOOLONG, "security label is too long");
	if (write(plan->fd, text, (size_t)n) != n)
		return err_set_errno(err, -errno, "set security label %.64s",
				     plan->apparmor_profile ? plan->apparmor_profile
							    : plan->selinux_label);
	return 0;
}
