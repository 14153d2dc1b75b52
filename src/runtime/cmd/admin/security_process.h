/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What a process of a sandbox may do, as the kernel says, and whether that is what it should be.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "common/arena.h"
#include "common/err.h"
#include "common/macros.h"

/* The namespaces that matter here, in the order in which they are shown. */
enum security_ns {
	SECURITY_NS_MOUNT,
	SECURITY_NS_PID,
	SECURITY_NS_NET,
	SECURITY_NS_IPC,
	SECURITY_NS_UTS,
	SECURITY_NS_COUNT_,
};

enum security_role {
	SECURITY_ROLE_SHIM,
	SECURITY_ROLE_QEMU,
	SECURITY_ROLE_VIRTIOFSD,
	SECURITY_ROLE_PROXY,
	SECURITY_ROLE_STANDIN,
	SECURITY_ROLE_HELPER, /* a child of one of these that does not serve the guest */
	SECURITY_ROLE_COUNT_,
};

enum security_devices { SECURITY_DEVICES_UNKNOWN, SECURITY_DEVICES_ALL, SECURITY_DEVICES_LISTED };

struct security_process {
	pid_t pid, parent;
	enum security_role role;
	uid_t uid;
	uint64_t caps, bounding; /* effective; what it could ever get */
	bool own_ns[SECURITY_NS_COUNT_];
	bool own_root;
	unsigned seccomp; /* 0: none, 1: strict, 2: a filter */
	bool no_new_privs;
	enum security_devices devices;
	char cgroup[512];
};

/* What is configured. */
struct security_policy {
	bool jail;
	uint32_t uid_base, uid_count;
	bool qemu_filter; /* QEMU's seccomp filter is not switched off */
	bool shared_by_9p;
};

const char *security_ns_name(enum security_ns ns);
const char *security_role_name(enum security_role role);
const char *security_devices_name(enum security_devices devices);
const char *security_seccomp_name(unsigned seccomp);
int security_caps_name(uint64_t caps, struct arena *arena, const char **ret) must_check;

int security_parse_status(const char *text, struct security_process *p) must_check;
int security_read(pid_t pid, struct security_process *p, struct err *err) must_check;
int security_find(pid_t shim, pid_t vmm, struct arena *arena, struct security_process **ret,
		  size_t *ret_nr, struct err *err) must_check;

/* security_judge.c */
bool security_judge(const struct security_process *p, const struct security_policy *policy,
		    char *ret, size_t len);
