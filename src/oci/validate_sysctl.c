/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Which sysctls may a container set? Those of a namespace it has for itself, as every runtime has
 * it. A VM could allow more, because the kernel is the pod's own; but the containers of a pod share
 * it, and what one of them sets the others would see.
 */
#include <errno.h>
#include <string.h>

#include "common/str.h"
#include "oci/names.h"
#include "oci/validate.h"
#include "oci/namespaces.h"

#define SYSCTL_NAME_MAX 256

struct sysctl_rule {
	const char *prefix; /* with a trailing '/': everything below; otherwise the whole name */
	const char *namespace;
};

static const struct sysctl_rule rules[] = {
	{ "net/", "network" },
	{ "user/", "user" },
	{ "fs/mqueue/", "ipc" },
	{ "kernel/msgmax", "ipc" },
	{ "kernel/msgmnb", "ipc" },
	{ "kernel/msgmni", "ipc" },
	{ "kernel/msg_next_id", "ipc" },
	{ "kernel/sem", "ipc" },
	{ "kernel/sem_next_id", "ipc" },
	{ "kernel/shm_next_id", "ipc" },
	{ "kernel/shm_rmid_forced", "ipc" },
	{ "kernel/shmall", "ipc" },
	{ "kernel/shmmax", "ipc" },
	{ "kernel/shmmni", "ipc" },
	{ "kernel/domainname", "uts" },
};

/*
 * The name as a path below /proc/sys. As sysctl(8) has it, the separator is whichever of '.' and
 * '/' comes first, and the other one is then part of a name ("net.ipv4.conf.eth0/1.forwarding").
 */
static int sysctl_path(const char *name, char *path, size_t size)
{
	size_t len = strlen(name);
	size_t first = strcspn(name, "./");

	if (!len || len >= size)
		return -EINVAL;
	memcpy(path, name, len + 1);
	if (name[first] == '.') {
		for (char *p = path; *p; p++) {
			if (*p == '.')
				*p = '/';
			else if (*p == '/')
				*p = '.';
		}
	}
	if (path[0] == '/' || path[len - 1] == '/' || strstr(path, "//") || oci_path_climbs(path))
		return -EINVAL;
	return 0;
}

static bool rule_matches(const struct sysctl_rule *rule, const char *path)
{
	size_t len = strlen(rule->prefix);

	return rule->prefix[len - 1] == '/' ? strncmp(path, rule->prefix, len) == 0
					    : str_eq(path, rule->prefix);
}

static int check_one(const struct oci_spec *spec, const char *name, struct err *err)
{
	char path[SYSCTL_NAME_MAX];

	if (sysctl_path(name, path, sizeof(path)) < 0)
		return err_set(err, EINVAL, "linux.sysctl: \"%s\" is not the name of a sysctl",
			       name);
	if (str_eq(path, "kernel/hostname"))
		return err_set(err, EINVAL, "linux.sysctl: kernel.hostname is set by \"hostname\"");
	for (size_t i = 0; i < ARRAY_SIZE(rules); i++) {
		if (!rule_matches(&rules[i], path))
			continue;
		if (oci_namespace_find(spec, rules[i].namespace))
			return 0;
		return err_set(err, EINVAL,
			       "linux.sysctl: \"%s\" cannot be set without a %s namespace", name,
			       rules[i].namespace);
	}
	return err_set(err, EINVAL,
		       "linux.sysctl: \"%s\" does not belong to a namespace of the container",
		       name);
}

/**
 * oci_check_sysctl() - may the container set the sysctls it lists?
 * @spec: specification with a "linux" object
 * @err: receives the reason of a refusal
 *
 * Return: 0 or -EINVAL.
 */
int oci_check_sysctl(const struct oci_spec *spec, struct err *err)
{
	for (size_t i = 0; i < spec->linux_->nr_sysctl; i++) {
		int r = check_one(spec, spec->linux_->sysctl[i].key, err);

		if (r < 0)
			return r;
	}
	return 0;
}
