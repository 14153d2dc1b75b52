/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What must hold of the "linux" object: namespaces, mappings, devices, resources, paths. Sysctls
 * are in validate_sysctl.c, the filter is read here only for words nobody knows.
 */
#include "oci/validate.h"

#include <errno.h>
#include <string.h>

#include "common/str.h"
#include "oci/names.h"
#include "oci/namespaces.h"

#define MAPPINGS_MAX 340 /* the kernel's limit for uid_map and gid_map */

static int check_namespaces(struct oci_check *check, const struct oci_linux *lin)
{
	for (size_t i = 0; i < lin->nr_namespaces; i++) {
		const struct oci_namespace *ns = &lin->namespaces[i];

		if (!oci_names_have(oci_names_namespaces, ns->type))
			return err_set(check->err, EINVAL,
				       "linux.namespaces[%zu]: unknown type \"%s\"", i,
				       ns->type ? ns->type : "");
		if (!str_empty(ns->path) && ns->path[0] != '/')
			return err_set(check->err, EINVAL,
				       "linux.namespaces[%zu].path: \"%s\" is not an absolute path",
				       i, ns->path);
		for (size_t k = 0; k < i; k++) /* few: each type may stand here once */
			if (str_eq(lin->namespaces[k].type, ns->type))
				return err_set(check->err, EINVAL,
					       "linux.namespaces[%zu]: \"%s\" is given twice", i,
					       ns->type);
	}
	return 0;
}

static int check_mapping_list(struct err *err, const char *name, const struct oci_id_mapping *map,
			      size_t nr)
{
	if (nr > MAPPINGS_MAX)
		return err_set(err, EINVAL, "linux.%s: %zu entries, the kernel takes %d", name, nr,
			       MAPPINGS_MAX);
	for (size_t i = 0; i < nr; i++) {
		uint64_t end = (uint64_t)MAX(map[i].container_id, map[i].host_id) + map[i].size;

		if (!map[i].size || end > (uint64_t)UINT32_MAX + 1)
			return err_set(err, EINVAL,
				       "linux.%s[%zu]: a range of %u ids cannot begin there", name,
				       i, map[i].size);
	}
	return 0;
}

static int check_user_namespace(struct oci_check *check, const struct oci_spec *spec)
{
	const struct oci_namespace *user = oci_namespace_find(spec, "user");
	const struct oci_linux *lin = spec->linux_;
	int r;

	if (!user && (lin->nr_uid_mappings || lin->nr_gid_mappings))
		return err_set(check->err, EINVAL, "linux.%s: given without a user namespace",
			       lin->nr_uid_mappings ? "uidMappings" : "gidMappings");
	if (user && str_empty(user->path) && (!lin->nr_uid_mappings || !lin->nr_gid_mappings))
		return err_set(check->err, EINVAL, "linux.%s: a new user namespace needs it",
			       lin->nr_uid_mappings ? "gidMappings" : "uidMappings");
	r = check_mapping_list(check->err, "uidMappings", lin->uid_mappings, lin->nr_uid_mappings);
	if (r == 0)
		r = check_mapping_list(check->err, "gidMappings", lin->gid_mappings,
				       lin->nr_gid_mappings);
	return r;
}

static int check_time_offsets(struct oci_check *check, const struct oci_spec *spec)
{
	const struct oci_linux *lin = spec->linux_;

	if (lin->nr_time_offsets && !oci_namespace_find(spec, "time"))
		return err_set(check->err, EINVAL,
			       "linux.timeOffsets: given without a time namespace");
	for (size_t i = 0; i < lin->nr_time_offsets; i++) {
		const struct oci_time_offset *offset = &lin->time_offsets[i];

		if (!str_eq(offset->key, "monotonic") && !str_eq(offset->key, "boottime"))
			return err_set(check->err, EINVAL,
				       "linux.timeOffsets: the clock \"%s\" has no offset",
				       offset->key);
		if (offset->nanosecs >= 1000000000)
			return err_set(check->err, EINVAL,
				       "linux.timeOffsets.%s.nanosecs: %u is a second or more",
				       offset->key, offset->nanosecs);
	}
	return 0;
}

static int check_devices(struct oci_check *check, const struct oci_linux *lin)
{
	for (size_t i = 0; i < lin->nr_devices; i++) {
		const struct oci_device *dev = &lin->devices[i];

		if (str_empty(dev->path) || dev->path[0] != '/')
			return err_set(check->err, EINVAL,
				       "linux.devices[%zu].path: \"%s\" is not an absolute path", i,
				       dev->path ? dev->path : "");
		if (!dev->type || strlen(dev->type) != 1 || !strchr("bcup", dev->type[0]))
			return err_set(check->err, EINVAL,
				       "linux.devices[%zu].type: \"%s\" is not b, c, u or p", i,
				       dev->type ? dev->type : "");
	}
	return 0;
}

static int check_device_rules(const struct oci_resources *res, struct err *err)
{
	for (size_t i = 0; i < res->nr_devices; i++) {
		const struct oci_device_cgroup *rule = &res->devices[i];

		if (!str_empty(rule->type) &&
		    (strlen(rule->type) != 1 || !strchr("abcup", rule->type[0])))
			return err_set(err, EINVAL,
				       "linux.resources.devices[%zu].type: \"%s\" is not a, b or c",
				       i, rule->type);
		if (rule->access && strspn(rule->access, "rwm") != strlen(rule->access))
			return err_set(
				err, EINVAL,
				"linux.resources.devices[%zu].access: \"%s\" is not made of r, w, m",
				i, rule->access);
	}
	return 0;
}

static int check_memory(const struct oci_memory *mem, struct err *err)
{
	int64_t limit = mem && mem->limit ? *mem->limit : 0;

	if (!mem)
		return 0;
	/* 0 means "not set" and -1 "no limit", as docker and runc have it. */
	if (limit > 0 && mem->swap && *mem->swap > 0 && *mem->swap < limit)
		return err_set(
			err, EINVAL,
			"linux.resources.memory.swap: %jd, memory and swap together, is below the "
			"memory limit %jd",
			(intmax_t)*mem->swap, (intmax_t)limit);
	if (mem->swappiness && *mem->swappiness > 100 && *mem->swappiness != UINT64_MAX)
		return err_set(err, EINVAL,
			       "linux.resources.memory.swappiness: %ju is not between 0 and 100",
			       (uintmax_t)*mem->swappiness);
	return 0;
}

static int check_cpu(const struct oci_cpu *cpu, struct err *err)
{
	if (!cpu)
		return 0;
	if (!str_empty(cpu->cpus) && !oci_is_cpu_list(cpu->cpus))
		return err_set(err, EINVAL,
			       "linux.resources.cpu.cpus: \"%s\" is not a list of CPUs", cpu->cpus);
	if (!str_empty(cpu->mems) && !oci_is_cpu_list(cpu->mems))
		return err_set(err, EINVAL,
			       "linux.resources.cpu.mems: \"%s\" is not a list of memory nodes",
			       cpu->mems);
	if (cpu->idle && (*cpu->idle < 0 || *cpu->idle > 1))
		return err_set(err, EINVAL, "linux.resources.cpu.idle: %jd is neither 0 nor 1",
			       (intmax_t)*cpu->idle);
	if (cpu->burst && cpu->quota && *cpu->quota > 0 && *cpu->burst > (uint64_t)*cpu->quota)
		return err_set(err, EINVAL, "linux.resources.cpu.burst: %ju is above the quota %jd",
			       (uintmax_t)*cpu->burst, (intmax_t)*cpu->quota);
	return 0;
}

static int check_block_io(const struct oci_block_io *io, struct err *err)
{
	if (io && io->weight && *io->weight && (*io->weight < 10 || *io->weight > 1000))
		return err_set(err, EINVAL,
			       "linux.resources.blockIO.weight: %u is not between 10 and 1000",
			       *io->weight);
	return 0;
}

/* "2MB", "1GB", "64KB": what names the hugetlb control files. */
static bool is_page_size(const char *s)
{
	size_t digits = s ? strspn(s, "0123456789") : 0;

	return digits &&
	       (str_eq(s + digits, "KB") || str_eq(s + digits, "MB") || str_eq(s + digits, "GB"));
}

/**
 * oci_resources_validate() - are these limits a cgroup could have?
 * @resources: the limits
 * @err: receives the reason of a refusal, with the path of the member
 *
 * Return: 0 or -EINVAL.
 */
int oci_resources_validate(const struct oci_resources *resources, struct err *err)
{
	int r = check_device_rules(resources, err);

	if (r == 0)
		r = check_memory(resources->memory, err);
	if (r == 0)
		r = check_cpu(resources->cpu, err);
	if (r == 0)
		r = check_block_io(resources->block_io, err);
	for (size_t i = 0; r == 0 && i < resources->nr_hugepage_limits; i++) {
		const char *size = resources->hugepage_limits[i].page_size;

		if (!is_page_size(size))
			r = err_set(
				err, EINVAL,
				"linux.resources.hugepageLimits[%zu].pageSize: \"%s\" is not a size",
				i, size ? size : "");
	}
	for (size_t i = 0; r == 0 && i < resources->nr_unified; i++) {
		const char *key = resources->unified[i].key;

		if (strchr(key, '/') || !strchr(key, '.') || key[0] == '.')
			r = err_set(
				err, EINVAL,
				"linux.resources.unified: \"%s\" is not the name of a control file",
				key);
	}
	return r;
}

/**
 * oci_check_seccomp() - are all words of a filter known?
 * @seccomp: the filter
 * @err: receives the reason of a refusal
 *
 * Return: 0 or -EINVAL.
 */
int oci_check_seccomp(const struct oci_seccomp *seccomp, struct err *err)
{
	if (!oci_names_have(oci_names_seccomp_actions, seccomp->default_action))
		return err_set(err, EINVAL, "linux.seccomp.defaultAction: unknown action \"%s\"",
			       seccomp->default_action ? seccomp->default_action : "");
	for (size_t i = 0; i < seccomp->nr_syscalls; i++) {
		const struct oci_seccomp_syscall *call = &seccomp->syscalls[i];

		if (!oci_names_have(oci_names_seccomp_actions, call->action))
			return err_set(err, EINVAL,
				       "linux.seccomp.syscalls[%zu].action: unknown action \"%s\"",
				       i, call->action ? call->action : "");
		if (!call->names.nr)
			return err_set(err, EINVAL,
				       "linux.seccomp.syscalls[%zu].names must not be empty", i);
		for (size_t k = 0; k < call->nr_args; k++) {
			if (!oci_names_have(oci_names_seccomp_operators, call->args[k].op))
				return err_set(
					err, EINVAL,
					"linux.seccomp.syscalls[%zu].args[%zu].op: unknown operator \"%s\"",
					i, k, call->args[k].op ? call->args[k].op : "");
			if (call->args[k].index > 5)
				return err_set(
					err, EINVAL,
					"linux.seccomp.syscalls[%zu].args[%zu].index: a call has six arguments, "
					"0 to 5",
					i, k);
		}
	}
	return 0;
}

static int check_paths(struct oci_check *check, const char *name, const struct strv *paths)
{
	for (size_t i = 0; i < paths->nr; i++)
		if (paths->v[i][0] != '/')
			return err_set(check->err, EINVAL,
				       "linux.%s[%zu]: \"%s\" is not an absolute path", name, i,
				       paths->v[i]);
	return 0;
}

static int check_words(struct oci_check *check, const struct oci_linux *lin)
{
	const struct oci_personality *personality = lin->personality;

	if (!str_empty(lin->rootfs_propagation) &&
	    !oci_names_have(oci_names_propagation, lin->rootfs_propagation))
		return err_set(check->err, EINVAL,
			       "linux.rootfsPropagation: unknown propagation \"%s\"",
			       lin->rootfs_propagation);
	if (personality && !str_eq(personality->domain, "LINUX") &&
	    !str_eq(personality->domain, "LINUX32"))
		return err_set(check->err, EINVAL,
			       "linux.personality.domain: unknown domain \"%s\"",
			       personality->domain ? personality->domain : "");
	if (personality && personality->flags.nr)
		return err_set(check->err, EINVAL,
			       "linux.personality.flags: the specification defines none yet");
	if (lin->cgroups_path && oci_path_climbs(lin->cgroups_path))
		return err_set(check->err, EINVAL, "linux.cgroupsPath: \"%s\" has a \"..\" in it",
			       lin->cgroups_path);
	return 0;
}

/**
 * oci_check_linux() - the checks of the "linux" object
 * @check: where warnings and errors go
 * @spec: specification that has one
 *
 * Return: 0, -EINVAL or -ENOMEM.
 */
int oci_check_linux(struct oci_check *check, const struct oci_spec *spec)
{
	const struct oci_linux *lin = spec->linux_;
	int r = check_namespaces(check, lin);

	if (r < 0)
		return r;
	if (!oci_namespace_find(spec, "mount"))
		return err_set(check->err, EINVAL,
			       "linux.namespaces: a container needs a mount namespace of its own");
	r = check_user_namespace(check, spec);
	if (r == 0)
		r = check_time_offsets(check, spec);
	if (r == 0)
		r = oci_check_sysctl(spec, check->err);
	if (r == 0)
		r = check_devices(check, lin);
	if (r == 0 && lin->resources)
		r = oci_resources_validate(lin->resources, check->err);
	if (r == 0 && lin->seccomp)
		r = oci_check_seccomp(lin->seccomp, check->err);
	if (r == 0)
		r = check_paths(check, "maskedPaths", &lin->masked_paths);
	if (r == 0)
		r = check_paths(check, "readonlyPaths", &lin->readonly_paths);
	if (r == 0)
		r = check_words(check, lin);
	return r;
}
