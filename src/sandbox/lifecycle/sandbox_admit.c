/* SPDX-License-Identifier: Apache-2.0 */
/*
 * DOC: Who may join a sandbox
 *
 * A container's annotations name its sandbox, and some managers hand on what the pod's user wrote
 * there. So the name alone opens no VM. What a user cannot choose is the network namespace: managers
 * make one per pod and give it to each container of the pod. A VM has one network, so a container
 * that is in another namespace than the sandbox would get the wrong one anyway.
 */
#include "sandbox/lifecycle/sandbox_admit.h"

#include <errno.h>
#include <sys/stat.h>

#include "common/fd.h"
#include "common/str.h"
#include "oci/namespaces.h"
#include "sandbox/core/container.h"
#include "sandbox/core/sandbox.h"
#include "sandbox/network/netns.h"

/*
 * Return: 1 with the namespace in @ret, 0 when the container is to have a new one or none. The path
 * is opened once: the namespace that is judged is the one that was found there, and nothing of the
 * container enters it by that path later.
 */
static int find_netns(const struct sandbox_candidate *candidate, struct stat *ret, struct err *err)
{
	const struct oci_namespace *ns = oci_namespace_find(candidate->spec, "network");
	cleanup_close int own = -1;
	int fd = candidate->netns_fd;

	if (fd < 0 && (!ns || str_empty(ns->path)))
		return 0;
	if (fd < 0)
		fd = own = netns_open(ns->path, err);
	if (fd < 0)
		return fd;
	if (fstat(fd, ret) < 0)
		return err_set_errno(err, -errno, "network namespace of container %s",
				     candidate->id);
	return 1;
}

/*
 * A sandbox without a network has room for those that are to have none. What no annotation brought
 * here, but the manager's own call, needs none of its own either.
 */
static int check_netns(const struct sandbox *sb, const struct sandbox_candidate *candidate,
		       struct err *err)
{
	struct stat own, pod;
	int r = find_netns(candidate, &own, err);

	if (r < 0 ||
	    (r == 0 && (sb->net.netns_fd < 0 || candidate->grouping.type == OCI_CONTAINER_SINGLE)))
		return r;
	if (sb->net.netns_fd >= 0 && fstat(sb->net.netns_fd, &pod) < 0)
		return err_set_errno(err, -errno, "network namespace of sandbox %s", sb->id);
	if (r == 1 && sb->net.netns_fd >= 0 && own.st_dev == pod.st_dev && own.st_ino == pod.st_ino)
		return 0;
	return err_set(err, EPERM,
		       "container %s may not join sandbox %s: it is not in that sandbox's network "
		       "namespace",
		       candidate->id, sb->id);
}

/**
 * sandbox_admit() - may a container be made in a sandbox?
 * @sb: sandbox in any state; one that is NEW is started for the container it admits
 * @candidate: the container
 * @err: says why not, in one line
 *
 * A sandbox that has stopped takes nobody in, which sandbox_start() says with its reason.
 *
 * Return: 0, -EPERM when it may not join, -EBUSY when what it wants to join is not there yet, -EEXIST
 * for an id in use, or -errno when its network namespace cannot be looked at.
 */
int sandbox_admit(const struct sandbox *sb, const struct sandbox_candidate *candidate,
		  struct err *err)
{
	const struct oci_grouping *grouping = &candidate->grouping;

	if (sb->state == SANDBOX_STATE_NEW) {
		if (grouping->type != OCI_CONTAINER_MEMBER)
			return 0;
		return err_set(err, EBUSY, "sandbox %s has not been started", grouping->sandbox_id);
	}
	if (sb->state != SANDBOX_STATE_STARTING && sb->state != SANDBOX_STATE_RUNNING)
		return 0;
	if (sb_container_find((struct sandbox *)(uintptr_t)sb, candidate->id))
		return err_set(err, EEXIST, "container %s already exists", candidate->id);
	if (grouping->type == OCI_CONTAINER_SANDBOX)
		return err_set(err, EPERM,
			       "container %s may not join sandbox %s: by its annotations it is a "
			       "sandbox by itself",
			       candidate->id, sb->id);
	if (grouping->type == OCI_CONTAINER_MEMBER && !str_eq(grouping->sandbox_id, sb->id))
		return err_set(err, EPERM,
			       "container %s may not join sandbox %s: by its annotations it "
			       "belongs to %s",
			       candidate->id, sb->id, grouping->sandbox_id);
	return check_netns(sb, candidate, err);
}
