/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Kernel parameters. They are written through the agent's own procfs: which namespace's value a
 * file shows is a matter of who opens it, not of which procfs it is in, and the container's /proc
 * is never trusted. A pod has a kernel of its own, so parameters without a namespace are allowed
 * too.
 */
#include "agent/container/attr/sysctl.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/magic.h>
#include <linux/openat2.h>
#include <stdio.h>
#include <string.h>
#include <sys/statfs.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "common/fd.h"
#include "common/str.h"

#define SYSCTLS_MAX 1024
#define SYSCTL_NAME_MAX 256

/*
 * "net.ipv4.ip_forward" or "net/ipv4/ip_forward": the separator seen first is the separator, so
 * that names of network interfaces may hold a dot ("net/ipv4/conf/eth0.1/forwarding"; with dots it
 * is written "eth0/1").
 */
static int to_path(const char *key, char path[SYSCTL_NAME_MAX])
{
	size_t len = strlen(key);
	const char *first = strpbrk(key, "./");

	if (!len || len >= SYSCTL_NAME_MAX)
		return -EINVAL;
	bool dots = first && *first == '.';
	for (size_t i = 0; i <= len; i++)
		path[i] = !dots ? key[i] : key[i] == '.' ? '/' : key[i] == '/' ? '.' : key[i];
	return 0;
}

static int open_parameter(int sys_fd, const char *path)
{
	struct open_how how = {
		.flags = O_WRONLY | O_CLOEXEC,
		.resolve = RESOLVE_BENEATH | RESOLVE_NO_SYMLINKS | RESOLVE_NO_XDEV,
	};

	return neg_errno(syscall(SYS_openat2, sys_fd, path, &how, sizeof(how)));
}

/**
 * sysctl_apply() - set kernel parameters in the namespaces of the calling process
 * @sysctl: names and values
 * @nr: number of them
 * @err: names the one that failed
 *
 * Return: 0 or -errno.
 */
int sysctl_apply(const struct kv *sysctl, size_t nr, struct err *err)
{
	struct statfs fs;

	if (!nr)
		return 0;
	if (nr > SYSCTLS_MAX)
		return err_set(err, E2BIG, "more than %d sysctls", SYSCTLS_MAX);
	cleanup_close int sys_fd = neg_errno(open("/proc/sys", O_PATH | O_DIRECTORY | O_CLOEXEC));
	if (sys_fd < 0)
		return err_set_errno(err, sys_fd, "open /proc/sys");
	if (fstatfs(sys_fd, &fs) < 0 || fs.f_type != PROC_SUPER_MAGIC)
		return err_set(err, EINVAL, "/proc is not procfs");
	for (size_t i = 0; i < nr; i++) {
		char path[SYSCTL_NAME_MAX];
		const char *value = sysctl[i].value ? sysctl[i].value : "";

		if (to_path(sysctl[i].key, path) < 0)
			return err_set(err, EINVAL, "wrong sysctl name \"%.64s\"", sysctl[i].key);
		cleanup_close int fd = open_parameter(sys_fd, path);
		if (fd < 0)
			return err_set_errno(err, fd, "sysctl %s", sysctl[i].key);
		ssize_t n = neg_errno_sz(write(fd, value, strlen(value)));
		if (n < 0)
			return err_set_errno(err, (int)n, "sysctl %s = %.64s", sysctl[i].key,
					     value);
	}
	return 0;
}
