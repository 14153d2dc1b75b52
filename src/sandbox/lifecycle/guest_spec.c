/* SPDX-License-Identifier: Apache-2.0 */
/*
 * DOC: What the guest gets
 *
 * The spec is copied one level deep and parts of it are replaced. Root file system and bind mounts
 * are shared through the sandbox's tree and renamed; kernel file systems (/proc, /sys, /dev) are
 * the guest's own, never the host's. Namespaces with a path lead to the sandbox's. Hooks that
 * belong to the host have been taken out.
 */
#include "sandbox/lifecycle/guest_spec.h"

#include <errno.h>
#include <string.h>

#include "common/str.h"
#include "kata/guest.h"
#include "oci/validate.h"
#include "sandbox/core/container.h"
#include "sandbox/core/sandbox.h"
#include "sandbox/storage/guest_mounts.h"

static int convert_namespaces(struct sb_container *ctr, struct oci_linux *linux_, struct err *err)
{
	struct oci_namespace *from = linux_->namespaces;
	struct oci_namespace *to = arena_calloc(ctr->arena, linux_->nr_namespaces, sizeof(*to));
	const struct sb_container *target = sb_container_pid_target(ctr);
	size_t nr = 0;

	if (!to)
		return err_set(err, ENOMEM, "out of memory");
	if (!target && sb_container_pid_is_pinned(ctr))
		return err_set(
			err, EOPNOTSUPP,
			"linux.namespaces: the path of the PID namespace does not say whose "
			"processes container %s is to see, and its pod does not run exactly one "
			"other container",
			ctr->id);
	for (size_t i = 0; i < linux_->nr_namespaces; i++) {
		/*
		 * The guest has one network; a path means nothing there, joining is decided by the
		 * sandbox.
		 */
		if (str_eq(from[i].type, "network"))
			continue;
		if (target && str_eq(from[i].type, "pid")) {
			to[nr].path = arena_printf(ctr->arena, KATA_PIDNS_OF "%s", target->id);
			if (!to[nr].path)
				return err_set(err, ENOMEM, "out of memory");
		}
		to[nr++].type = from[i].type;
	}
	linux_->namespaces = to;
	linux_->nr_namespaces = nr;
	return 0;
}

/* Only startContainer hooks run in the guest: their paths are the container's. */
static int convert_hooks(struct sb_container *ctr, struct oci_spec *spec, struct err *err)
{
	struct oci_hooks *hooks;

	if (!spec->hooks)
		return 0;
	hooks = arena_alloc(ctr->arena, sizeof(*hooks));
	if (!hooks)
		return err_set(err, ENOMEM, "out of memory");
	hooks->start_container = spec->hooks->start_container;
	hooks->nr_start_container = spec->hooks->nr_start_container;
	spec->hooks = hooks;
	return 0;
}

/* Profiles that managers set by themselves where the host has AppArmor; nobody asked for them. */
static bool is_default_apparmor(const char *profile)
{
	return str_eq(profile, "unconfined") || str_eq(profile, "docker-default") ||
	       str_eq(profile, "cri-containerd.apparmor.d") || str_eq(profile, "crio-default") ||
	       str_skip_prefix(profile, "containers-default-");
}

/**
 * guest_spec_drop_labels() - take away what speaks of the host's security policy
 * @id: container, for the log
 * @process: process that will run in the guest
 * @level: how the log tells of it
 *
 * The VM is the boundary, and the guest has no such policy. An AppArmor profile that somebody has
 * chosen stays: the guest refuses it unless it has AppArmor.
 */
void guest_spec_drop_labels(const char *id, struct oci_process *process, enum log_level level)
{
	if (process->apparmor_profile && is_default_apparmor(process->apparmor_profile)) {
		log_write(level, 0, "container %s: the AppArmor profile %s is not used in the VM",
			  id, process->apparmor_profile);
		process->apparmor_profile = NULL;
	}
	if (!str_empty(process->selinux_label))
		log_write(level, 0, "container %s: the SELinux label %s is not used in the VM", id,
			  process->selinux_label);
	process->selinux_label = NULL;
}

static int convert_process(struct sb_container *ctr, struct oci_spec *spec, struct err *err)
{
	struct oci_process *process = arena_memdup(ctr->arena, spec->process, sizeof(*process));

	if (!process)
		return err_set(err, ENOMEM, "out of memory");
	guest_spec_drop_labels(ctr->id, process, LOG_LEVEL_INFO);
	spec->process = process;
	spec->linux_->mount_label = NULL;
	if (ctr->sandbox->config->runtime.disable_guest_seccomp)
		spec->linux_->seccomp = NULL;
	return 0;
}

/* CPU and node numbers are the host's; its cgroup keeps the VM to them. */
static int convert_resources(struct sb_container *ctr, struct oci_linux *linux_, struct err *err)
{
	struct oci_resources *resources;
	struct oci_cpu *cpu;

	if (!linux_->resources || !linux_->resources->cpu)
		return 0;
	resources = arena_memdup(ctr->arena, linux_->resources, sizeof(*resources));
	cpu = arena_memdup(ctr->arena, linux_->resources->cpu, sizeof(*cpu));
	if (!resources || !cpu)
		return err_set(err, ENOMEM, "out of memory");
	cpu->cpus = NULL;
	cpu->mems = NULL;
	resources->cpu = cpu;
	linux_->resources = resources;
	return 0;
}

/* Those of a pod are its sandbox container's; without one, each container brings them along. */
static int add_pod_sysctls(struct sb_container *ctr, struct oci_linux *linux_, struct err *err)
{
	const struct oci_spec *pod = ctr->sandbox->spec;
	size_t nr = pod && pod->linux_ && !pod->process ? pod->linux_->nr_sysctl : 0;

	if (!nr)
		return 0;
	struct kv *all = arena_calloc(ctr->arena, nr + linux_->nr_sysctl, sizeof(*all));
	if (!all)
		return err_set(err, ENOMEM, "out of memory");
	memcpy(all, pod->linux_->sysctl, nr * sizeof(*all));
	if (linux_->nr_sysctl)
		memcpy(all + nr, linux_->sysctl, linux_->nr_sysctl * sizeof(*all));
	linux_->sysctl = all;
	linux_->nr_sysctl += nr;
	return 0;
}

/**
 * guest_spec_make() - the spec for the agent
 * @ctr: container with its spec; the shared tree exists
 * @ret: receives the converted spec, in the container's arena
 * @err: names the mount or device that cannot be had in a guest
 *
 * What was shared is noted in ctr->shares, also on failure.
 *
 * Return: 0 or -errno.
 */
int guest_spec_make(struct sb_container *ctr, struct oci_spec **ret, struct err *err)
{
	struct oci_spec *spec = arena_memdup(ctr->arena, ctr->spec, sizeof(*spec));

	if (!spec)
		return err_set(err, ENOMEM, "out of memory");
	spec->linux_ = arena_alloc(ctr->arena, sizeof(*spec->linux_));
	if (!spec->linux_)
		return err_set(err, ENOMEM, "out of memory");
	if (ctr->spec->linux_)
		*spec->linux_ = *ctr->spec->linux_;
	int r = guest_mounts_convert_root(ctr, spec, err);
	if (r >= 0)
		r = guest_mounts_convert(ctr, spec, err);
	if (r >= 0)
		r = convert_namespaces(ctr, spec->linux_, err);
	if (r >= 0)
		r = convert_hooks(ctr, spec, err);
	if (r >= 0)
		r = convert_process(ctr, spec, err);
	if (r >= 0)
		r = convert_resources(ctr, spec->linux_, err);
	if (r >= 0)
		r = add_pod_sysctls(ctr, spec->linux_, err);
	if (r < 0)
		return r;
	*ret = spec;
	return 0;
}
