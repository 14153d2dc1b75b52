/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A privileged container was given all nodes that its machine had when it was made
 * (agent/device/guest_devices.h). What comes later, a loop device or a disk, it gets then: whoever
 * makes one there expects to find it. Nodes of what goes stay.
 *
 * The container may have mounted what it likes on its /dev. Nodes are made in a file system in
 * memory only, which cannot be the host's, and no link is followed.
 */
#include "agent/sandbox/late_devices.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/magic.h>
#include <stdio.h>
#include <string.h>
#include <sys/vfs.h>

#include "agent/container/container.h"
#include "agent/container/process.h"
#include "agent/core/agent.h"
#include "agent/device/guest_devices.h"
#include "agent/sandbox/agent_container.h"
#include "agent/util/path.h"
#include "common/fd.h"
#include "common/log.h"
#include "oci/devices.h"

/* Return: the container's /dev, or -errno. */
static int open_dev(const struct agent_container *ctr)
{
	char path[48];
	struct statfs fs;

	(void)snprintf(path, sizeof(path), "/proc/%d/root", (int)ctr->c->init->pid);
	cleanup_close int root = neg_errno(open(path, O_PATH | O_DIRECTORY | O_CLOEXEC));
	cleanup_close int dev =
		root < 0 ? root
			 : path_open_plain_in(root, "dev", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (dev < 0)
		return dev;
	if (fstatfs(dev, &fs) < 0)
		return -errno;
	return fs.f_type == TMPFS_MAGIC ? TAKE_FD(dev) : -EXDEV;
}

static void on_change(void *arg)
{
	struct agent_container *ctr = arg;

	if (!ctr->c || ctr->c->init->exited)
		return;
	cleanup_close int dev = open_dev(ctr);
	if (dev < 0)
		log_debug("container %s: its /dev gets no new nodes: %s", ctr->id, strerror(-dev));
	else
		guest_devices_copy("/dev", dev);
}

/**
 * late_devices_watch() - give a privileged container the nodes of what comes from now on
 * @ctr: container with its kernel part made
 * @spec: with linux; says whether it is privileged
 */
void late_devices_watch(struct agent_container *ctr, const struct oci_spec *spec)
{
	if (oci_devices_allow_all(spec->linux_->resources))
		uevents_listen(&ctr->agent->uevents, &ctr->devices, on_change, ctr);
}

/**
 * late_devices_unwatch() - no more
 * @ctr: container; may be done twice
 */
void late_devices_unwatch(struct agent_container *ctr)
{
	uevents_unlisten(&ctr->devices);
}
