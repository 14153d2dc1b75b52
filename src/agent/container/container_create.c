/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Making a container, the agent's side: plan, fork, guide the child until it waits before its
 * execve, and start it. launch.h shows the whole exchange.
 */
#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "agent/container/attr/label.h"
#include "agent/container/attr/limits.h"
#include "agent/container/attr/seccomp.h"
#include "agent/container/attr/sysctl.h"
#include "agent/container/attr/user.h"
#include "agent/container/cgroup/cgroup.h"
#include "agent/container/cgroup/devices_bpf.h"
#include "agent/container/clone.h"
#include "agent/container/container_new.h"
#include "agent/container/hooks.h"
#include "agent/container/init.h"
#include "agent/container/launch.h"
#include "agent/container/namespace.h"
#include "agent/container/process.h"
#include "agent/container/rootfs/device.h"
#include "agent/container/rootfs/mount.h"
#include "agent/container/sync.h"
#include "common/fd.h"
#include "common/log.h"
#include "common/str.h"

/*
 * How long a failed set-up may take to die and be cleaned up; nothing of it depends on the
 * container's program.
 */
#define ABORT_TIMEOUT_MS 10000

/**
 * container_create_args_init() - arguments that mean "as the spec says"
 * @args: receives the defaults
 */
void container_create_args_init(struct container_create_args *args)
{
	*args = (struct container_create_args){ .deadline_ns = LOOP_FOREVER };
	for (int type = 0; type < CONTAINER_NS_NR; type++)
		args->ns[type] = CONTAINER_NS_BY_SPEC;
}

static int check_args(const struct container_create_args *args, struct err *err)
{
	const struct oci_spec *spec = args->spec;

	if (!str_is_valid_id(args->id) || strlen(args->id) > CONTAINER_ID_MAX)
		return err_set(err, EINVAL, "invalid container id \"%.64s\"",
			       args->id ? args->id : "");
	if (!spec || !spec->process || !spec->linux_)
		return err_set(err, EINVAL,
			       "container %s: the spec has no process or no linux part", args->id);
	if (!spec->process->args.nr)
		return err_set(err, EINVAL, "container %s: process.args is empty", args->id);
	if (spec->process->cwd && spec->process->cwd[0] && spec->process->cwd[0] != '/')
		return err_set(err, EINVAL, "container %s: process.cwd is not absolute", args->id);
	if (str_empty(args->rootfs) || str_empty(args->bundle) || args->bundle[0] != '/')
		return err_set(err, EINVAL, "container %s: no rootfs or bundle", args->id);
	if (spec->linux_->intel_rdt)
		return err_set(err, ENOTSUP, "not supported: linux.intelRdt in a VM");
	if (spec->linux_->memory_policy)
		return err_set(err, ENOTSUP, "not supported: linux.memoryPolicy");
	if (spec->linux_->nr_net_devices)
		return err_set(err, ENOTSUP, "not supported: linux.netDevices in the guest");
	return 0;
}

static int make_cgroup(struct launch_plan *launch, struct err *err)
{
	struct container *c = launch->container;
	const struct oci_linux *l = launch->linux_;

	if (!launch->args->cgroup_root)
		return 0;
	int r = cgroup_new(launch->args->cgroup_root, l->cgroups_path, c->id, &c->cgroup, err);
	if (r < 0)
		return r;
	launch->cgroup_fd = cgroup_fd(c->cgroup);
	r = l->resources ? cgroup_apply(c->cgroup, l->resources, false, err) : 0;
	if (r >= 0 && launch->userns && launch->ns[CONTAINER_NS_CGROUP].mode == NS_MODE_NEW)
		r = cgroup_delegate(c->cgroup, user_map_id(c->uid_mappings, c->nr_uid_mappings, 0),
				    user_map_id(c->gid_mappings, c->nr_gid_mappings, 0), err);
	return r;
}

static int plan_root(struct launch_plan *launch, struct err *err)
{
	const struct container_create_args *args = launch->args;
	const struct container *c = launch->container;
	const struct ns_plan *ns = launch->ns;
	struct rootfs_plan *root = &launch->root;

	root->arena = launch->arena;
	root->spec = launch->spec;
	root->source = args->rootfs;
	root->bundle = args->bundle;
	root->cgroup_path = c->cgroup ? cgroup_path(c->cgroup) : NULL;
	root->is_joined = ns[CONTAINER_NS_MOUNT].mode == NS_MODE_JOIN;
	root->userns = launch->userns;
	root->has_cgroup_ns = ns[CONTAINER_NS_CGROUP].mode == NS_MODE_NEW;
	root->has_ipc_ns = ns[CONTAINER_NS_IPC].mode == NS_MODE_NEW;
	root->ipc_ns_fd = ns[CONTAINER_NS_IPC].mode == NS_MODE_JOIN ? ns[CONTAINER_NS_IPC].fd : -1;
	root->no_pivot = args->no_pivot;
	int r = mount_plans_init(root, err);
	return r < 0 ? r : device_plans_init(root, err);
}

static int plan_all(struct launch_plan *launch, struct err *err)
{
	const struct oci_linux *l = launch->linux_;
	struct container *c = launch->container;
	int r = namespace_plans_init(launch->args, launch->ns, err);

	if (r < 0)
		return r;
	launch->userns = launch->ns[CONTAINER_NS_USER].mode != NS_MODE_OWN;
	for (int type = 0; type < CONTAINER_NS_NR; type++)
		if (launch->ns[type].mode != NS_MODE_OWN)
			c->own_ns |= 1U << type;
	launch->label.apparmor_profile = launch->process->apparmor_profile;
	launch->label.selinux_label = launch->process->selinux_label;
	capability_parse(launch->process->capabilities, &launch->caps);
	r = limits_plan_init(&launch->limits, launch->process, launch->arena, err);
	if (r >= 0)
		r = label_plan_check(&launch->label, err);
	if (r >= 0 && l->seccomp)
		r = seccomp_prog_new(l->seccomp, &c->seccomp, err);
	launch->seccomp = c->seccomp;
	if (r >= 0)
		r = make_cgroup(launch, err);
	return r < 0 ? r : plan_root(launch, err);
}

/*
 * Parameters of an IPC namespace may only be written by the uid that is root in the user namespace
 * which owns it; the agent may write all others.
 */
static int set_sysctl_as_owner(const struct launch_plan *launch, const struct kv *sysctl,
			       struct err *err)
{
	const struct container *c = launch->container;
	int r = sysctl_apply(sysctl, 1, err);

	if (r != -EACCES && r != -EPERM)
		return r;
	if (setegid(user_map_id(c->gid_mappings, c->nr_gid_mappings, 0)) < 0 ||
	    seteuid(user_map_id(c->uid_mappings, c->nr_uid_mappings, 0)) < 0)
		return r;
	r = sysctl_apply(sysctl, 1, err);
	if (seteuid(0) < 0 || setegid(0) < 0)
		return err_set_errno(err, -errno, "become root again");
	return r;
}

static int inside_user_ns(void *arg, struct err *err)
{
	const struct launch_plan *launch = arg;
	int r = 0;

	for (size_t i = 0; i < launch->linux_->nr_sysctl && r >= 0; i++)
		r = set_sysctl_as_owner(launch, &launch->linux_->sysctl[i], err);
	return r < 0 ? r : namespace_set_names(launch->spec, &launch->ns[CONTAINER_NS_UTS], err);
}

/* What has to happen to the new process from outside before it takes its first step. */
static int before_go(struct launch_plan *launch, struct err *err)
{
	struct container *c = launch->container;
	int flags = 0, r = 0;

	if (launch->ns[CONTAINER_NS_USER].mode == NS_MODE_NEW)
		r = user_write_maps(c->init->pid, c->uid_mappings, c->nr_uid_mappings,
				    c->gid_mappings, c->nr_gid_mappings, err);
	if (r >= 0)
		r = limits_set_oom_score(launch->process, c->init->pid, err);
	if (r < 0 || !launch->userns)
		return r;
	/*
	 * Its names and parameters may belong to a stronger user namespace than its own: set with
	 * our rights.
	 */
	for (int type = CONTAINER_NS_NETWORK; type <= CONTAINER_NS_UTS; type++)
		if (launch->ns[type].mode != NS_MODE_OWN)
			flags |= namespace_clone_flag((enum container_ns)type);
	if (!flags && !launch->linux_->nr_sysctl)
		return 0;
	return namespace_run_inside(c->init->pidfd, flags, inside_user_ns, launch, err);
}

static int run_agent_hooks(const struct launch_plan *launch, struct err *err)
{
	const struct container *c = launch->container;
	const struct oci_hooks *hooks = launch->spec->hooks;
	int r = hooks_run_fiber(c, "prestart", hooks->prestart, hooks->nr_prestart, "creating",
				err);

	return r < 0 ? r
		     : hooks_run_fiber(c, "createRuntime", hooks->create_runtime,
				       hooks->nr_create_runtime, "creating", err);
}

/* The child has closed its end without a word. */
static int died_silently(struct container *c, struct err *err)
{
	(void)process_wait(c->init, loop_deadline_ms(1000), NULL);
	if (c->init->exited && c->init->exit_code > 128)
		return err_set(
			err, EIO,
			"the container's first process was killed by signal %d during its set-up",
			c->init->exit_code - 128);
	return err_set(err, EIO, "the container's first process ended during its set-up");
}

/* Guides the child from GO to READY. */
static int guide(struct launch_plan *launch, struct err *err)
{
	struct container *c = launch->container;
	uint64_t deadline = launch->args->deadline_ns;
	int r = before_go(launch, err);

	if (r >= 0 && sync_send(c->sync_fd, SYNC_GO, -1) < 0)
		return died_silently(c, err);
	while (r >= 0) {
		enum sync_type type = SYNC_ERROR;
		int fd = -1;

		r = sync_recv_fiber(c->sync_fd, &type, &fd, deadline, err);
		if (r < 0)
			return r;
		if (r == 0)
			return died_silently(c, err);
		if (type == SYNC_READY && (fd >= 0) == launch->process->terminal) {
			c->init->tty_fd = fd;
			r = fd >= 0 ? fd_set_nonblock(fd, true) : 0;
			return r < 0 ? err_set_errno(err, r, "terminal") : 0;
		}
		(void)fd_close(fd);
		if (type != SYNC_HOOKS || !launch->spec->hooks)
			return err_set(err, EPROTO, "wrong message from the container process");
		r = run_agent_hooks(launch, err);
		if (r >= 0 && sync_send(c->sync_fd, SYNC_RESUME, -1) < 0)
			return died_silently(c, err);
	}
	return r;
}

/* Limits and device rules that could make the set-up fail are applied after it. */
static int after_ready(struct launch_plan *launch, struct err *err)
{
	const struct container_create_args *args = launch->args;
	struct container *c = launch->container;
	struct device_rules rules;
	char path[64];

	int r = limits_apply(&launch->limits, c->init->pid, err);
	if (r >= 0)
		r = limits_set_scheduler(&launch->limits, c->init->pid, err);
	if (r < 0)
		return r;
	if (launch->ns[CONTAINER_NS_TIME].mode != NS_MODE_OWN) {
		(void)snprintf(path, sizeof(path), "/proc/%d/ns/time_for_children",
			       (int)c->init->pid);
		c->time_ns_fd = neg_errno(open(path, O_RDONLY | O_CLOEXEC));
		if (c->time_ns_fd < 0)
			return err_set_errno(err, c->time_ns_fd, "open the time namespace");
	}
	if (!c->cgroup)
		return 0;
	r = device_rules_new(launch->arena, launch->linux_, args->denied_devices,
			     args->nr_denied_devices, &rules, err);
	return r < 0 ? r : cgroup_set_devices(c->cgroup, &rules, err);
}

static int fork_init(struct launch_plan *launch, struct err *err)
{
	struct container *c = launch->container;
	struct process stdio = { .stdin_fd = -1, .stdout_fd = -1, .stderr_fd = -1 };
	int pair[2], pidfd = -1;
	pid_t pid = 0;

	if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, pair) < 0)
		return err_set_errno(err, -errno, "socketpair");
	c->sync_fd = pair[0];
	launch->sync_fd = pair[1];
	int r = fd_set_nonblock(c->sync_fd, true);
	if (r < 0)
		return err_set_errno(err, r, "socketpair");
	r = process_open_stdio(&stdio, launch, err);
	if (r >= 0)
		r = clone_process(launch, init_main, &pid, &pidfd, err);
	if (r >= 0) {
		r = process_new(c, c->id, pid, pidfd, &c->init);
		if (r < 0) {
			(void)kill(pid, SIGKILL); /* not reaped yet: still its own number */
			(void)err_set_errno(err, r, "watch the container process");
		}
	}
	if (r < 0) {
		(void)fd_close(stdio.stdin_fd);
		(void)fd_close(stdio.stdout_fd);
		(void)fd_close(stdio.stderr_fd);
		return r;
	}
	c->init->terminal = launch->process->terminal;
	c->init->stdin_fd = stdio.stdin_fd;
	c->init->stdout_fd = stdio.stdout_fd;
	c->init->stderr_fd = stdio.stderr_fd;
	return 0;
}

static void close_child_ends(struct launch_plan *launch)
{
	for (int i = 0; i < 3; i++)
		launch->stdio[i] = fd_close(launch->stdio[i]);
	launch->sync_fd = fd_close(launch->sync_fd);
	mount_plans_deinit(&launch->root);
	device_plans_deinit(&launch->root);
	namespace_plans_deinit(launch->ns);
}

static void abort_create(struct container *c)
{
	bool mask = fiber_mask_cancel(true);
	struct err err = ERR_NULL;

	if (container_destroy(c, loop_deadline_ms(ABORT_TIMEOUT_MS), &err) < 0)
		log_warn("clean-up after a failed create: %s", err.text);
	(void)fiber_mask_cancel(mask);
}

/**
 * container_create() - see container.h
 * @args: what to make
 * @ret: receives the container, its init waits before the execve
 * @err: filled on failure; nothing is left of the container then
 *
 * Return: 0, -ENOENT or -EACCES with runc's words when the program cannot be executed, or -errno.
 */
int container_create(const struct container_create_args *args, struct container **ret,
		     struct err *err)
{
	struct launch_plan launch = LAUNCH_PLAN_NULL;
	cleanup_arena struct arena *arena = NULL;
	int r = check_args(args, err);

	if (r < 0)
		return r;
	if (arena_new(&arena) < 0)
		return err_set_errno(err, -ENOMEM, "create");
	r = container_new(args, &launch.container, err);
	if (r < 0)
		return r;
	launch.args = args;
	launch.spec = args->spec;
	launch.is_init = true;
	launch.no_input = args->no_input;
	launch.arena = arena;
	launch.process = args->spec->process;
	launch.linux_ = args->spec->linux_;
	r = plan_all(&launch, err);
	if (r >= 0)
		r = fork_init(&launch, err);
	/* An open copy of the child's end would keep the end of the child from being seen. */
	if (r >= 0)
		launch.sync_fd = fd_close(launch.sync_fd);
	if (r >= 0)
		r = guide(&launch, err);
	if (r >= 0)
		r = after_ready(&launch, err);
	close_child_ends(&launch);
	if (r < 0) {
		abort_create(launch.container);
		return r;
	}
	*ret = launch.container;
	return 0;
}

/**
 * container_start() - see container.h
 * @c: container in the state CREATED
 * @deadline_ns: absolute time for the execve to happen
 * @err: filled on failure
 *
 * Return: 0, -EINVAL when it was started before or its init has ended, -ENOENT or -EACCES with
 * runc's words when the program cannot be executed, or -errno.
 */
int container_start(struct container *c, uint64_t deadline_ns, struct err *err)
{
	enum sync_type type = SYNC_ERROR;
	int fd = -1;

	if (c->state != CONTAINER_STATE_CREATED || c->sync_fd < 0)
		return err_set(err, EINVAL,
			       "cannot start container %s: it is not in the state created", c->id);
	int r = sync_send(c->sync_fd, SYNC_START, -1);
	if (r < 0)
		return died_silently(c, err);
	r = sync_recv_fiber(c->sync_fd, &type, &fd, deadline_ns, err);
	(void)fd_close(fd);
	if (r > 0)
		r = err_set(err, EPROTO, "wrong message from the container process");
	c->sync_fd = fd_close(c->sync_fd);
	if (r < 0)
		return r;
	if (c->state == CONTAINER_STATE_CREATED)
		c->state = CONTAINER_STATE_RUNNING;
	if (c->hooks)
		hooks_run_late(c, "poststart", c->hooks->poststart, c->hooks->nr_poststart,
			       "running");
	return 0;
}
