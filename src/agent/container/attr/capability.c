/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Capabilities by the kernel's own calls. Which ones exist is asked with prctl(2), never read from
 * a file that a container could have replaced.
 */
#include "agent/container/attr/capability.h"

#include <errno.h>
#include <linux/capability.h>
#include <stdbool.h>
#include <string.h>
#include <strings.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "common/str.h"

#define CAPABILITY_BITS 64

static const char *const names[] = {
	[CAP_CHOWN] = "CHOWN",
	[CAP_DAC_OVERRIDE] = "DAC_OVERRIDE",
	[CAP_DAC_READ_SEARCH] = "DAC_READ_SEARCH",
	[CAP_FOWNER] = "FOWNER",
	[CAP_FSETID] = "FSETID",
	[CAP_KILL] = "KILL",
	[CAP_SETGID] = "SETGID",
	[CAP_SETUID] = "SETUID",
	[CAP_SETPCAP] = "SETPCAP",
	[CAP_LINUX_IMMUTABLE] = "LINUX_IMMUTABLE",
	[CAP_NET_BIND_SERVICE] = "NET_BIND_SERVICE",
	[CAP_NET_BROADCAST] = "NET_BROADCAST",
	[CAP_NET_ADMIN] = "NET_ADMIN",
	[CAP_NET_RAW] = "NET_RAW",
	[CAP_IPC_LOCK] = "IPC_LOCK",
	[CAP_IPC_OWNER] = "IPC_OWNER",
	[CAP_SYS_MODULE] = "SYS_MODULE",
	[CAP_SYS_RAWIO] = "SYS_RAWIO",
	[CAP_SYS_CHROOT] = "SYS_CHROOT",
	[CAP_SYS_PTRACE] = "SYS_PTRACE",
	[CAP_SYS_PACCT] = "SYS_PACCT",
	[CAP_SYS_ADMIN] = "SYS_ADMIN",
	[CAP_SYS_BOOT] = "SYS_BOOT",
	[CAP_SYS_NICE] = "SYS_NICE",
	[CAP_SYS_RESOURCE] = "SYS_RESOURCE",
	[CAP_SYS_TIME] = "SYS_TIME",
	[CAP_SYS_TTY_CONFIG] = "SYS_TTY_CONFIG",
	[CAP_MKNOD] = "MKNOD",
	[CAP_LEASE] = "LEASE",
	[CAP_AUDIT_WRITE] = "AUDIT_WRITE",
	[CAP_AUDIT_CONTROL] = "AUDIT_CONTROL",
	[CAP_SETFCAP] = "SETFCAP",
	[CAP_MAC_OVERRIDE] = "MAC_OVERRIDE",
	[CAP_MAC_ADMIN] = "MAC_ADMIN",
	[CAP_SYSLOG] = "SYSLOG",
	[CAP_WAKE_ALARM] = "WAKE_ALARM",
	[CAP_BLOCK_SUSPEND] = "BLOCK_SUSPEND",
	[CAP_AUDIT_READ] = "AUDIT_READ",
	[CAP_PERFMON] = "PERFMON",
	[CAP_BPF] = "BPF",
	[CAP_CHECKPOINT_RESTORE] = "CHECKPOINT_RESTORE",
};

/**
 * capability_number() - the number of a capability
 * @name: "CAP_CHOWN"; the prefix may be missing and case does not matter
 *
 * Return: number or -EINVAL.
 */
int capability_number(const char *name)
{
	if (strncasecmp(name, "CAP_", 4) == 0)
		name += 4;
	for (size_t i = 0; i < ARRAY_SIZE(names); i++)
		if (names[i] && strcasecmp(names[i], name) == 0)
			return (int)i;
	return -EINVAL;
}

static bool kernel_has(unsigned cap)
{
	return prctl(PR_CAPBSET_READ, cap, 0, 0, 0) >= 0;
}

/*
 * Names that neither we nor this kernel know are left out: they cannot be given, and managers list
 * them all.
 */
static uint64_t parse_set(const struct strv *set)
{
	uint64_t mask = 0;

	for (size_t i = 0; i < set->nr; i++) {
		int cap = capability_number(set->v[i]);

		if (cap >= 0 && kernel_has((unsigned)cap))
			mask |= 1ULL << cap;
	}
	return mask;
}

/**
 * capability_parse() - names to masks
 * @caps: sets of the spec; NULL: all empty
 * @ret: receives the masks
 *
 * What the kernel would refuse as a whole is cut here to what it can do: effective to permitted,
 * ambient to permitted and inheritable.
 */
void capability_parse(const struct oci_capabilities *caps, struct capability_sets *ret)
{
	*ret = (struct capability_sets){ 0 };
	if (!caps)
		return;
	ret->bounding = parse_set(&caps->bounding);
	ret->permitted = parse_set(&caps->permitted);
	ret->effective = parse_set(&caps->effective) & ret->permitted;
	ret->inheritable = parse_set(&caps->inheritable);
	ret->ambient = parse_set(&caps->ambient) & ret->permitted & ret->inheritable;
}

/**
 * capability_drop_bounding() - shrink the bounding set of this process
 * @keep: what stays
 * @err: says which one could not be dropped
 *
 * Return: 0 or -errno.
 */
int capability_drop_bounding(uint64_t keep, struct err *err)
{
	for (unsigned cap = 0; cap < CAPABILITY_BITS; cap++) {
		if (keep & (1ULL << cap) || prctl(PR_CAPBSET_DROP, cap, 0, 0, 0) >= 0)
			continue;
		if (errno == EINVAL) /* the kernel has no such one, nor any behind it */
			return 0;
		return err_set_errno(err, -errno, "drop capability %u from the bounding set", cap);
	}
	return 0;
}

/**
 * capability_apply() - set effective, permitted and inheritable of this process
 * @sets: wanted
 * @extra: permitted and effective in addition, for a last step that needs them
 * @err: filled on failure
 *
 * Return: 0 or -errno.
 */
int capability_apply(const struct capability_sets *sets, uint64_t extra, struct err *err)
{
	uint64_t permitted = sets->permitted | extra, effective = sets->effective | extra;
	struct __user_cap_header_struct header = { .version = _LINUX_CAPABILITY_VERSION_3 };
	struct __user_cap_data_struct data[2] = {
		{ .effective = (uint32_t)effective,
		  .permitted = (uint32_t)permitted,
		  .inheritable = (uint32_t)sets->inheritable },
		{ .effective = (uint32_t)(effective >> 32),
		  .permitted = (uint32_t)(permitted >> 32),
		  .inheritable = (uint32_t)(sets->inheritable >> 32) },
	};

	if (syscall(SYS_capset, &header, data) < 0)
		return err_set_errno(err, -errno, "set capabilities");
	return 0;
}

/**
 * capability_raise_ambient() - make the ambient set of this process exactly this
 * @set: wanted; permitted and inheritable already
 * @err: filled on failure
 *
 * Return: 0 or -errno.
 */
int capability_raise_ambient(uint64_t set, struct err *err)
{
	if (prctl(PR_CAP_AMBIENT, PR_CAP_AMBIENT_CLEAR_ALL, 0, 0, 0) < 0)
		return err_set_errno(err, -errno, "clear ambient capabilities");
	for (unsigned cap = 0; cap < CAPABILITY_BITS; cap++)
		if ((set & (1ULL << cap)) &&
		    prctl(PR_CAP_AMBIENT, PR_CAP_AMBIENT_RAISE, cap, 0, 0) < 0)
			return err_set_errno(err, -errno, "raise ambient capability %u", cap);
	return 0;
}
