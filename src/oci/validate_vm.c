/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What a container in a VM cannot have, although a runtime on the host's kernel could give it. Each
 * refusal says so in words, because the alternative is a container that silently lacks what was
 * asked for.
 */
#include "oci/validate.h"

#include <errno.h>
#include <sys/stat.h>

#include "common/str.h"
#include "oci/names.h"
#include "oci/namespaces.h"

/* The namespaces a guest has of its own, with what asking for the host's would mean. */
static const struct {
	const char *type, *what;
} guest_namespaces[] = {
	{ "pid", "see the host's processes" },
	{ "ipc", "share the host's IPC objects" },
	{ "uts", "share the host's name" },
};

static int check_guest_namespaces(const struct oci_spec *spec, const struct oci_vm_policy *policy,
				  struct err *err)
{
	for (size_t i = 0; i < ARRAY_SIZE(guest_namespaces); i++) {
		const struct oci_namespace *ns = oci_namespace_find(spec, guest_namespaces[i].type);

		if (!ns)
			return err_set(
				err, EOPNOTSUPP,
				"linux.namespaces: no %s namespace; a container in a VM cannot %s",
				guest_namespaces[i].type, guest_namespaces[i].what);
		if (ns && !str_empty(ns->path) && !policy->in_pod)
			return err_set(
				err, EOPNOTSUPP,
				"linux.namespaces: a container in a VM cannot join the %s namespace %s of the "
				"host",
				ns->type, ns->path);
	}
	return 0;
}

/* Of these a pod has none to share, so a path is the host's in any case. */
static int check_own_namespaces(const struct oci_spec *spec, struct err *err)
{
	static const char *const types[] = { "mount", "cgroup", "user", "time" };

	for (size_t i = 0; i < ARRAY_SIZE(types); i++) {
		const struct oci_namespace *ns = oci_namespace_find(spec, types[i]);

		if (ns && !str_empty(ns->path))
			return err_set(
				err, EOPNOTSUPP,
				"linux.namespaces: a container in a VM cannot join the %s namespace %s of the "
				"host",
				ns->type, ns->path);
	}
	return 0;
}

/*
 * The path may be any name for the host's own network namespace. It is compared with that of
 * process 1, or, where that may not be looked at, with our own: containers are created from the
 * host.
 */
static bool is_host_network(const char *path)
{
	struct stat theirs, host;

	if (stat(path, &theirs) < 0)
		return false; /* whoever opens it will report that */
	if (stat("/proc/1/ns/net", &host) < 0 && stat("/proc/self/ns/net", &host) < 0)
		return false;
	return theirs.st_dev == host.st_dev && theirs.st_ino == host.st_ino;
}

static int check_network(const struct oci_spec *spec, struct err *err)
{
	const struct oci_namespace *ns = oci_namespace_find(spec, "network");

	if (!ns)
		return err_set(
			err, EOPNOTSUPP,
			"linux.namespaces: no network namespace; a container in a VM cannot use the host's network");
	if (!str_empty(ns->path) && is_host_network(ns->path))
		return err_set(
			err, EOPNOTSUPP,
			"linux.namespaces: %s is the host's network namespace; a container in a VM cannot use it",
			ns->path);
	return 0;
}

static int check_seccomp(const struct oci_seccomp *seccomp, struct err *err)
{
	if (!seccomp)
		return 0;
	if (!str_empty(seccomp->listener_path))
		return err_set(
			err, EOPNOTSUPP,
			"linux.seccomp.listenerPath: a listener on the host cannot watch the "
			"system calls of a VM");
	for (size_t i = 0; i < seccomp->nr_syscalls; i++)
		if (str_eq(seccomp->syscalls[i].action, "SCMP_ACT_NOTIFY"))
			return err_set(
				err, EOPNOTSUPP,
				"linux.seccomp.syscalls[%zu]: SCMP_ACT_NOTIFY is not supported "
				"in a VM",
				i);
	if (str_eq(seccomp->default_action, "SCMP_ACT_NOTIFY"))
		return err_set(
			err, EOPNOTSUPP,
			"linux.seccomp.defaultAction: SCMP_ACT_NOTIFY is not supported in a VM");
	return 0;
}

/* The guest has one cgroup tree, of version 2: it lacks the host's hierarchies of version 1. */
static int check_cgroup_mounts(const struct oci_spec *spec, struct err *err)
{
	for (size_t i = 0; i < spec->nr_mounts; i++) {
		const char *source = spec->mounts[i].source;

		if (!str_empty(source) && str_skip_prefix(source, "/sys/fs/cgroup/"))
			return err_set(
				err, EOPNOTSUPP,
				"mounts[%zu]: %s is a cgroup tree of the host; a VM has one of its "
				"own, of version 2, at /sys/fs/cgroup",
				i, source);
	}
	return 0;
}

/**
 * oci_spec_validate_vm() - can a container in a VM be what this specification says?
 * @spec: specification that oci_spec_validate() has passed
 * @policy: what the caller knows and allows
 * @err: receives the reason of a refusal
 *
 * Call it for `create`, after the pod grouping is known; network namespaces are looked up on the
 * host, so the caller must see the same mounts as the manager and must not have entered the
 * container's network namespace.
 *
 * Return: 0 or -EOPNOTSUPP.
 */
int oci_spec_validate_vm(const struct oci_spec *spec, const struct oci_vm_policy *policy,
			 struct err *err)
{
	const struct oci_linux *lin = spec->linux_;
	/* The network first: Kubernetes' hostNetwork leaves the UTS namespace out, too. */
	int r = check_network(spec, err);

	if (r == 0)
		r = check_guest_namespaces(spec, policy, err);
	if (r == 0)
		r = check_own_namespaces(spec, err);
	if (r == 0)
		r = check_seccomp(lin->seccomp, err);
	if (r == 0)
		r = check_cgroup_mounts(spec, err);
	if (r < 0)
		return r;
	if (lin->nr_net_devices)
		return err_set(
			err, EOPNOTSUPP,
			"linux.netDevices: moving \"%s\" of the host into a VM is not supported",
			lin->net_devices[0].key);
	if (lin->intel_rdt)
		return err_set(
			err, EOPNOTSUPP,
			"linux.intelRdt: cache and bandwidth classes are not supported in a VM");
	return 0;
}
