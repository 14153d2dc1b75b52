/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Network namespaces: making one, entering one for a moment, telling them apart.
 */
#include "sandbox/network/netns.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "common/fd.h"
#include "common/io.h"
#include "common/str.h"

static bool same_file(const struct stat *a, const struct stat *b)
{
	return a->st_dev == b->st_dev && a->st_ino == b->st_ino;
}

/**
 * netns_run() - do something inside a network namespace
 * @netns_fd: namespace
 * @fn: what to do; must not wait
 * @arg: its argument
 * @err: filled on failure
 *
 * Sockets opened inside stay there, so one visit is enough for most work.
 *
 * Return: what @fn returned, or -errno when the namespace cannot be entered.
 */
int netns_run(int netns_fd, int (*fn)(void *arg, struct err *err), void *arg, struct err *err)
{
	cleanup_close int own = neg_errno(open("/proc/self/ns/net", O_RDONLY | O_CLOEXEC));

	if (own < 0)
		return err_set_errno(err, own, "open own network namespace");
	if (setns(netns_fd, CLONE_NEWNET) < 0)
		return err_set_errno(err, -errno, "enter network namespace");
	int r = fn(arg, err);
	if (setns(own, CLONE_NEWNET) < 0)
		return err_set_errno(err, -errno, "leave network namespace");
	return r;
}

/**
 * netns_open() - open a network namespace that somebody else named
 * @path: its path
 * @err: filled on failure
 *
 * Does not wait, whatever lies there.
 *
 * Return: a descriptor that the caller owns, or -errno.
 */
int netns_open(const char *path, struct err *err)
{
	int fd = neg_errno(open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK));

	return fd < 0 ? err_set_errno(err, fd, "network namespace %s", path) : fd;
}

/**
 * netns_new() - make a network namespace
 * @err: filled on failure
 *
 * Return: a descriptor of it, or -errno.
 */
int netns_new(struct err *err)
{
	cleanup_close int own = neg_errno(open("/proc/self/ns/net", O_RDONLY | O_CLOEXEC));

	if (own < 0)
		return err_set_errno(err, own, "open own network namespace");
	if (unshare(CLONE_NEWNET) < 0)
		return err_set_errno(err, -errno, "make a network namespace");
	cleanup_close int fd = neg_errno(open("/proc/self/ns/net", O_RDONLY | O_CLOEXEC));
	if (setns(own, CLONE_NEWNET) < 0)
		return err_set_errno(err, -errno, "leave network namespace");
	return fd < 0 ? err_set_errno(err, fd, "open network namespace") : TAKE_FD(fd);
}

/**
 * netns_is_hosts() - is this the namespace of the host's init or our own?
 * @netns_fd: namespace
 *
 * Return: true also when ours cannot be looked at: then nothing must be touched.
 */
bool netns_is_hosts(int netns_fd)
{
	struct stat st, host;

	if (fstat(netns_fd, &st) < 0 || stat("/proc/self/ns/net", &host) < 0 ||
	    same_file(&st, &host))
		return true;
	/*
	 * Where we may not look at init (we run in a container ourselves), ours is as far as "the
	 * host" goes.
	 */
	return stat("/proc/1/ns/net", &host) == 0 && same_file(&st, &host);
}

/*
 * A stand-in is told by its executable: nothing else about it is known here. And the VMM, which may be
 * there already, is a child of this process.
 */
static bool is_ours(int proc, uint32_t pid)
{
	char path[300], exe[4096];
	siginfo_t ignored;

	if (waitid(P_PID, (id_t)pid, &ignored, WEXITED | WNOHANG | WNOWAIT) == 0)
		return true;
	(void)snprintf(path, sizeof(path), "%u/exe", pid);
	ssize_t n = readlinkat(proc, path, exe, sizeof(exe) - 1);
	if (n < 0)
		return false;
	exe[n] = '\0';
	const char *slash = strrchr(exe, '/');
	return str_eq(slash ? slash + 1 : exe, "kata-runtime");
}

/**
 * netns_find_foreign_process() - does somebody else live in a namespace?
 * @netns_fd: namespace
 *
 * Return: a pid, or 0.
 */
int netns_find_foreign_process(int netns_fd)
{
	struct stat st, other;
	int found = 0;
	DIR *dir = opendir("/proc");

	if (!dir || fstat(netns_fd, &st) < 0) {
		if (dir)
			(void)closedir(dir);
		return 0;
	}
	for (struct dirent *e = readdir(dir); e && !found; e = readdir(dir)) {
		char path[300];
		uint32_t pid;

		if (str_to_u32(e->d_name, &pid) < 0 || (pid_t)pid == getpid())
			continue;
		(void)snprintf(path, sizeof(path), "%s/ns/net", e->d_name);
		if (fstatat(dirfd(dir), path, &other, 0) < 0 || !same_file(&st, &other))
			continue;
		if (!is_ours(dirfd(dir), pid))
			found = (int)pid;
	}
	(void)closedir(dir);
	return found;
}
