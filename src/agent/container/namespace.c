/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Namespaces: which of them a container gets, joining, and what belongs to one as soon as it exists
 * (names, time offsets). Making them is clone.c's part.
 */
#include "agent/container/namespace.h"

#include <assert.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/nsfs.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include "agent/container/sync.h"
#include "common/fd.h"
#include "common/io.h"
#include "common/str.h"

#ifndef CLONE_NEWTIME
#define CLONE_NEWTIME 0x00000080
#endif

static const struct {
	const char *name; /* in the spec */
	int flag;
} types[] = {
	[CONTAINER_NS_USER] = { "user", CLONE_NEWUSER },
	[CONTAINER_NS_MOUNT] = { "mount", CLONE_NEWNS },
	[CONTAINER_NS_PID] = { "pid", CLONE_NEWPID },
	[CONTAINER_NS_NETWORK] = { "network", CLONE_NEWNET },
	[CONTAINER_NS_IPC] = { "ipc", CLONE_NEWIPC },
	[CONTAINER_NS_UTS] = { "uts", CLONE_NEWUTS },
	[CONTAINER_NS_CGROUP] = { "cgroup", CLONE_NEWCGROUP },
	[CONTAINER_NS_TIME] = { "time", CLONE_NEWTIME },
};
static_assert(ARRAY_SIZE(types) == CONTAINER_NS_NR, "one row per namespace type");

/**
 * namespace_clone_flag() - the CLONE_NEW* flag of a type
 * @type: type
 *
 * Return: the flag.
 */
int namespace_clone_flag(enum container_ns type)
{
	return types[type].flag;
}

static int find_type(const char *name)
{
	for (int type = 0; type < CONTAINER_NS_NR; type++)
		if (str_eq(types[type].name, name))
			return type;
	return -EINVAL;
}

static int open_ns(const char *path, int type, struct err *err)
{
	cleanup_close int fd = neg_errno(open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK));

	if (fd < 0)
		return err_set_errno(err, fd, "open %s namespace %s", types[type].name, path);
	if (ioctl(fd, NS_GET_NSTYPE) != types[type].flag)
		return err_set(err, EINVAL, "%s is not a %s namespace", path, types[type].name);
	return TAKE_FD(fd);
}

static int plan_listed(const struct oci_namespace *listed, struct ns_plan *ns, unsigned *seen,
		       struct err *err)
{
	int type = find_type(listed->type);

	if (type < 0)
		return err_set(err, EINVAL, "unknown namespace type \"%.32s\"",
			       listed->type ? listed->type : "");
	if (*seen & (1U << type))
		return err_set(err, EINVAL, "namespace type %s is listed twice", types[type].name);
	*seen |= 1U << type;
	if (str_empty(listed->path)) {
		ns[type].mode = NS_MODE_NEW;
		return 0;
	}
	int fd = open_ns(listed->path, type, err);
	if (fd < 0)
		return fd;
	ns[type] = (struct ns_plan){ .mode = NS_MODE_JOIN, .fd = fd, .fd_owned = true };
	return 0;
}

/**
 * namespace_plans_init() - decide where each namespace comes from
 * @args: what the caller and the spec want
 * @ns: receives the plan; released with namespace_plans_deinit(), also after a failure
 * @err: names the namespace that is wrong
 *
 * Return: 0 or -errno.
 */
int namespace_plans_init(const struct container_create_args *args, struct ns_plan *ns,
			 struct err *err)
{
	const struct oci_linux *linux_ = args->spec->linux_;
	unsigned seen = 0;

	for (int type = 0; type < CONTAINER_NS_NR; type++)
		ns[type] = (struct ns_plan){ .mode = NS_MODE_OWN, .fd = -1 };
	for (size_t i = 0; i < linux_->nr_namespaces; i++) {
		const struct oci_namespace *listed = &linux_->namespaces[i];
		int type = find_type(listed->type);

		/* The path of what the caller decides is the host's and means nothing here. */
		if (type >= 0 && args->ns[type] != CONTAINER_NS_BY_SPEC)
			continue;
		int r = plan_listed(listed, ns, &seen, err);
		if (r < 0)
			return r;
	}
	for (int type = 0; type < CONTAINER_NS_NR; type++)
		if (args->ns[type] >= 0)
			ns[type] = (struct ns_plan){ .mode = NS_MODE_JOIN, .fd = args->ns[type] };
	if (ns[CONTAINER_NS_MOUNT].mode == NS_MODE_OWN)
		return err_set(err, EINVAL,
			       "a container needs a mount namespace; linux.namespaces has none");
	if (ns[CONTAINER_NS_USER].mode == NS_MODE_NEW &&
	    (!linux_->nr_uid_mappings || !linux_->nr_gid_mappings))
		return err_set(
			err, EINVAL,
			"a new user namespace needs linux.uidMappings and linux.gidMappings");
	if (ns[CONTAINER_NS_USER].mode == NS_MODE_OWN &&
	    (linux_->nr_uid_mappings || linux_->nr_gid_mappings))
		return err_set(err, EINVAL, "id mappings need a user namespace");
	if (ns[CONTAINER_NS_TIME].mode != NS_MODE_NEW && linux_->nr_time_offsets)
		return err_set(err, EINVAL, "linux.timeOffsets need a new time namespace");
	return 0;
}

/**
 * namespace_plans_deinit() - close what the plan opened
 * @ns: plan
 */
void namespace_plans_deinit(struct ns_plan *ns)
{
	for (int type = 0; type < CONTAINER_NS_NR; type++)
		if (ns[type].fd_owned) {
			(void)fd_close(ns[type].fd);
			ns[type].fd = -1;
			ns[type].fd_owned = false;
		}
}

static int join_one(const struct ns_plan *plan, enum container_ns type, struct err *err)
{
	if (plan->mode != NS_MODE_JOIN)
		return 0;
	if (setns(plan->fd, types[type].flag) < 0)
		return err_set_errno(err, -errno, "join the %s namespace", types[type].name);
	return 0;
}

/**
 * namespace_join_all() - join everything that is joined by descriptor
 * @ns: plan
 * @user: for an intermediate process: the pid namespace (of its children) and, last, the user
 * namespace too
 * @err: names the namespace that could not be joined
 *
 * The user namespace comes last because the others may belong to anybody and we have all rights
 * only until then.
 *
 * Return: 0 or -errno.
 */
int namespace_join_all(const struct ns_plan *ns, bool user, struct err *err)
{
	static const enum container_ns order[] = {
		CONTAINER_NS_NETWORK, CONTAINER_NS_IPC, CONTAINER_NS_UTS,   CONTAINER_NS_CGROUP,
		CONTAINER_NS_TIME,    CONTAINER_NS_PID, CONTAINER_NS_MOUNT, CONTAINER_NS_USER,
	};

	for (size_t i = 0; i < ARRAY_SIZE(order); i++) {
		if (!user && (order[i] == CONTAINER_NS_PID || order[i] == CONTAINER_NS_USER))
			continue;
		int r = join_one(&ns[order[i]], order[i], err);
		if (r < 0)
			return r;
	}
	return 0;
}

static int write_time_offsets(const struct oci_linux *linux_, struct err *err)
{
	for (size_t i = 0; i < linux_->nr_time_offsets; i++) {
		const struct oci_time_offset *offset = &linux_->time_offsets[i];
		char line[96];

		if (!str_eq(offset->key, "monotonic") && !str_eq(offset->key, "boottime"))
			return err_set(err, EINVAL, "unknown clock \"%.32s\" in linux.timeOffsets",
				       offset->key ? offset->key : "");
		(void)snprintf(line, sizeof(line), "%s %lld %u\n", offset->key,
			       (long long)offset->secs, offset->nanosecs);
		int r = io_write_str_at(AT_FDCWD, "/proc/self/timens_offsets", line);
		if (r < 0)
			return err_set_errno(err, r, "set the %s offset of the time namespace",
					     offset->key);
	}
	return 0;
}

/**
 * namespace_unshare_late() - in the child: make the namespaces that depend on where the process is
 * @ns: plan
 * @linux_: of the spec
 * @err: filled on failure
 *
 * The process must be in its cgroup. The time namespace takes effect with the execve.
 *
 * Return: 0 or -errno.
 */
int namespace_unshare_late(const struct ns_plan *ns, const struct oci_linux *linux_,
			   struct err *err)
{
	if (ns[CONTAINER_NS_CGROUP].mode == NS_MODE_NEW && unshare(CLONE_NEWCGROUP) < 0)
		return err_set_errno(err, -errno, "make a cgroup namespace");
	if (ns[CONTAINER_NS_TIME].mode != NS_MODE_NEW)
		return 0;
	if (unshare(CLONE_NEWTIME) < 0)
		return err_set_errno(err, -errno, "make a time namespace");
	return write_time_offsets(linux_, err);
}

/**
 * namespace_set_names() - set host name and domain name in the namespace of the calling process
 * @spec: spec
 * @uts: where that namespace comes from; nothing is set in the agent's own
 * @err: filled on failure
 *
 * Return: 0 or -errno.
 */
int namespace_set_names(const struct oci_spec *spec, const struct ns_plan *uts, struct err *err)
{
	char current[256] = "";

	if (uts->mode == NS_MODE_OWN)
		return 0;
	(void)gethostname(current, sizeof(current) - 1);
	if (!str_empty(spec->hostname) && !str_eq(current, spec->hostname) &&
	    sethostname(spec->hostname, strlen(spec->hostname)) < 0)
		return err_set_errno(err, -errno, "set the host name \"%.64s\"", spec->hostname);
	if (!str_empty(spec->domainname) &&
	    setdomainname(spec->domainname, strlen(spec->domainname)) < 0)
		return err_set_errno(err, -errno, "set the domain name \"%.64s\"",
				     spec->domainname);
	return 0;
}

/**
 * namespace_run_inside() - run a function in namespaces of another process, with our own rights
 * @pidfd: that process
 * @flags: CLONE_NEW* of the namespaces to join
 * @fn: runs in a child of its own; short
 * @arg: its argument
 * @err: what @fn said
 *
 * Return: what @fn returned, or -errno.
 */
int namespace_run_inside(int pidfd, int flags, int (*fn)(void *arg, struct err *err), void *arg,
			 struct err *err)
{
	int pair[2];

	if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, pair) < 0)
		return err_set_errno(err, -errno, "socketpair");
	pid_t pid = fork();
	if (pid == 0) {
		struct err child_err = ERR_NULL;
		int r = setns(pidfd, flags) < 0
				? err_set_errno(&child_err, -errno, "join namespaces")
				: fn(arg, &child_err);
		if (r < 0)
			sync_send_error(pair[1], &child_err);
		_exit(0);
	}
	(void)close(pair[1]);
	cleanup_close int sock = pair[0];
	if (pid < 0)
		return err_set_errno(err, -errno, "fork");
	enum sync_type type;
	int fd = -1;
	int r = sync_recv_fiber(sock, &type, &fd, 0,
				err); /* blocking socket: never waits in the loop */
	(void)waitpid(pid, NULL, 0);
	(void)fd_close(fd);
	return r;
}
