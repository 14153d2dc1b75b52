/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The first process of a container, from the fork to the execve: carries out its launch plan step
 * by step in the order that launch.h shows. Runs in the child only; whatever fails is told to the
 * agent.
 */
#include "agent/container/init.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <sys/prctl.h>
#include <unistd.h>

#include "agent/container/attr/label.h"
#include "agent/container/attr/sysctl.h"
#include "agent/container/attr/user.h"
#include "agent/container/hooks.h"
#include "agent/container/launch.h"
#include "agent/container/namespace.h"
#include "agent/container/program.h"
#include "agent/container/rootfs/rootfs.h"
#include "agent/container/sync.h"
#include "agent/container/terminal.h"
#include "common/fd.h"

static int take_stdio(const struct launch_plan *launch, struct err *err)
{
	for (int fd = 0; fd <= 2; fd++)
		if (launch->stdio[fd] >= 0 && dup2(launch->stdio[fd], fd) < 0)
			return err_set_errno(err, -errno, "dup2");
	return 0;
}

/**
 * init_begin() - the first steps of any process of a container
 * @launch: plan
 * @err: filled on failure
 *
 * Return: 0 or -errno.
 */
int init_begin(struct launch_plan *launch, struct err *err)
{
	program_reset_signals();
	/*
	 * Nobody in a namespace that is joined below may trace us or use our descriptors:
	 * CVE-2016-9962.
	 */
	if (prctl(PR_SET_DUMPABLE, 0, 0, 0, 0) < 0)
		return err_set_errno(err, -errno, "make the process not dumpable");
	if (setsid() < 0)
		return err_set_errno(err, -errno, "setsid");
	return take_stdio(launch, err);
}

static int enter_namespaces(struct launch_plan *launch, struct err *err)
{
	int r = label_open(&launch->label, err);

	if (r >= 0 && !launch->joined)
		r = namespace_join_all(launch->ns, false, err);
	if (r >= 0)
		r = namespace_unshare_late(launch->ns, launch->linux_, err);
	if (r < 0)
		return r;
	/*
	 * In a user namespace the agent has done these: they may belong to a namespace we have no
	 * rights in.
	 */
	if (launch->userns)
		return user_become_ns_root(err);
	r = sysctl_apply(launch->linux_->sysctl, launch->linux_->nr_sysctl, err);
	return r < 0 ? r : namespace_set_names(launch->spec, &launch->ns[CONTAINER_NS_UTS], err);
}

static int run_create_hooks(const struct launch_plan *launch, struct err *err)
{
	const struct oci_hooks *hooks = launch->spec->hooks;
	const struct container *c = launch->container;

	if (!hooks)
		return 0;
	if (hooks->nr_prestart || hooks->nr_create_runtime) {
		int r = sync_send(launch->sync_fd, SYNC_HOOKS, -1);
		if (r < 0)
			return err_set_errno(err, r, "tell the agent");
		r = sync_wait_child(launch->sync_fd, SYNC_RESUME, err);
		if (r < 0)
			return r;
	}
	return hooks_run_child(c, "createContainer", hooks->create_container,
			       hooks->nr_create_container, "creating",
			       launch->process->env.nr ? launch->process->env.v : NULL, err);
}

/* A joined mount namespace is complete: nothing is mounted there, and its root is used as it is. */
static int use_joined_root(struct launch_plan *launch, int *ret_master, struct err *err)
{
	if (chdir("/") < 0)
		return err_set_errno(err, -errno, "enter the root of the mount namespace");
	cleanup_close int root = neg_errno(open("/", O_PATH | O_DIRECTORY | O_CLOEXEC));
	if (root < 0)
		return err_set_errno(err, root, "open /");
	int r = launch->process->terminal ? terminal_open(launch, root, ret_master, err) : 0;
	return r < 0 ? r : run_create_hooks(launch, err);
}

static int build_root(struct launch_plan *launch, int *ret_master, struct err *err)
{
	if (launch->root.fd < 0)
		return use_joined_root(launch, ret_master, err);
	int r = rootfs_attach(&launch->root, err);
	if (r >= 0)
		r = rootfs_prepare(&launch->root, err);
	if (r >= 0 && launch->process->terminal)
		r = terminal_open(launch, launch->root.fd, ret_master, err);
	if (r >= 0)
		r = run_create_hooks(launch, err);
	if (r >= 0)
		r = rootfs_protect(&launch->root, err);
	return r < 0 ? r : rootfs_enter(&launch->root, err);
}

static int start_hooks(const struct launch_plan *launch, struct err *err)
{
	const struct oci_hooks *hooks = launch->spec->hooks;
	const struct container *c = launch->container;

	if (!hooks)
		return 0;
	return hooks_run_child(c, "startContainer", hooks->start_container,
			       hooks->nr_start_container, "created",
			       launch->process->env.nr ? launch->process->env.v : NULL, err);
}

static int init_run(struct launch_plan *launch, struct err *err)
{
	int master = -1, r = init_begin(launch, err);
	char *path = NULL, **env = NULL;

	if (r >= 0)
		r = sync_wait_child(launch->sync_fd, SYNC_GO, err);
	if (r >= 0)
		r = enter_namespaces(launch, err);
	if (r >= 0)
		r = build_root(launch, &master, err);
	if (r >= 0)
		r = program_prepare(launch, &path, &env, err);
	if (r < 0)
		return err_wrap(err, "unable to start container process");
	r = sync_send(launch->sync_fd, SYNC_READY, master);
	if (r < 0)
		return err_set_errno(err, r, "tell the agent");
	/*
	 * From here it may wait for long: it must not keep the agent's files open, nor those of
	 * other containers.
	 */
	r = fd_close_from(3, &launch->sync_fd, 1);
	if (r < 0)
		return err_set_errno(err, r, "close_range");
	r = sync_wait_child(launch->sync_fd, SYNC_START, err);
	/* As under runc, its hooks can do no more than the program. */
	if (r >= 0)
		r = program_confine(launch, NULL, err);
	if (r >= 0)
		r = start_hooks(launch, err);
	if (r >= 0)
		r = program_run(path, launch->process->args.v, env, err);
	return err_wrap(err, "unable to start container process");
}

/**
 * init_main() - what the first process of a container runs; never returns
 * @launch: plan
 */
void init_main(struct launch_plan *launch)
{
	struct err err = ERR_NULL;

	(void)init_run(launch, &err); /* it failed, or we would be another program */
	sync_send_error(launch->sync_fd, &err);
	_exit(1);
}
