/* SPDX-License-Identifier: Apache-2.0 */
/*
 * IPC and UTS namespaces of the sandbox. The agent makes them by stepping in and out again: it has
 * one thread, so nothing else can run in between.
 */
#include "agent/sandbox/sandbox_ns.h"

#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <stdio.h>
#include <string.h>
#include <sys/mount.h>
#include <unistd.h>

#include "agent/core/agent.h"
#include "common/fd.h"
#include "common/io.h"
#include "common/log.h"

#define NS_DIR "/run/sandbox-ns"

static int open_own(const char *name)
{
	char path[32];

	(void)snprintf(path, sizeof(path), "/proc/self/ns/%s", name);
	return neg_errno(open(path, O_RDONLY | O_CLOEXEC));
}

/* A name in the file system for programs of the guest; the containers use the descriptors. */
static void pin(const char *name, int ns)
{
	char path[32], self[FD_PATH_MAX];

	(void)snprintf(path, sizeof(path), NS_DIR "/%s", name);
	int r = io_mkdir_p(NS_DIR, 0755);
	int fd = r < 0 ? r : neg_errno(open(path, O_RDONLY | O_CREAT | O_CLOEXEC, 0444));
	if (fd >= 0) {
		(void)fd_close(fd);
		r = neg_errno(mount(fd_path(ns, self), path, NULL, MS_BIND, NULL));
	} else {
		r = fd;
	}
	if (r < 0)
		log_warn_errno(r, "pin %s", path);
}

static int make(const char *hostname, int *ret_ipc, int *ret_uts)
{
	cleanup_close int old_ipc = open_own("ipc"), old_uts = open_own("uts");
	int r = 0;

	if (old_ipc < 0 || old_uts < 0)
		return old_ipc < 0 ? old_ipc : old_uts;
	if (unshare(CLONE_NEWIPC | CLONE_NEWUTS) < 0)
		return -errno;
	if (*hostname)
		r = neg_errno(sethostname(hostname, strlen(hostname)));
	*ret_ipc = open_own("ipc");
	*ret_uts = open_own("uts");
	/* Returning to one's own old namespaces cannot be refused. */
	if (setns(old_ipc, CLONE_NEWIPC) < 0 || setns(old_uts, CLONE_NEWUTS) < 0)
		r = -errno;
	if (r >= 0 && (*ret_ipc < 0 || *ret_uts < 0))
		r = *ret_ipc < 0 ? *ret_ipc : *ret_uts;
	return r;
}

/**
 * sandbox_ns_create() - make the namespaces
 * @sandbox: receives the descriptors, also some of them after a failure
 * @hostname: for the UTS namespace, "" leaves it as it is
 * @err: filled on failure
 *
 * Return: 0 or -errno.
 */
int sandbox_ns_create(struct guest_sandbox *sandbox, const char *hostname, struct err *err)
{
	int r = make(hostname, &sandbox->ipc_fd, &sandbox->uts_fd);

	if (r < 0)
		return err_set_errno(err, r, "namespaces of the sandbox");
	pin("ipc", sandbox->ipc_fd);
	pin("uts", sandbox->uts_fd);
	return 0;
}

/**
 * sandbox_ns_destroy() - let the namespaces go
 * @sandbox: sandbox; may be done twice
 */
void sandbox_ns_destroy(struct guest_sandbox *sandbox)
{
	sandbox->ipc_fd = fd_close(sandbox->ipc_fd);
	sandbox->uts_fd = fd_close(sandbox->uts_fd);
	(void)umount2(NS_DIR "/ipc", MNT_DETACH); /* not mounted when the sandbox was not made */
	(void)umount2(NS_DIR "/uts", MNT_DETACH);
}
