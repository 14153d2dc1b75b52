/* SPDX-License-Identifier: Apache-2.0 */
/*
 * DOC: A sandbox's cgroup where systemd manages them
 *
 * systemd is the one writer of its cgroup tree; who wants a cgroup in it asks for a *scope*, a
 * unit for processes that others have started, and with Delegate=yes may write below it. A scope
 * needs a process from its beginning and ends with its last one. A sandbox without a stand-in has
 * none yet: the process that asks systemd stays in the scope until there is another.
 *
 * systemd is spoken to in a child process that ends (common/proc.h): its library blocks, and is of
 * no use to the shim for the rest of the sandbox's life.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "common/arena.h"
#include "common/err.h"
#include "common/proc.h"
#include "oci/oci_spec.h"
#include "sandbox/cgroup/systemd_bus.h"

struct systemd_scope {
	const char *name;   /* of the unit: "libpod-abc.scope" */
	const char *slice;  /* which it is in: "machine.slice" */
	const char *path;   /* of the cgroup: "/machine.slice/libpod-abc.scope" */
	bool v2;	    /* which properties set its limits */
	struct proc holder; /* in it while nobody else is */
};

int systemd_scope_parse(const char *cgroups_path, struct arena *arena, struct systemd_scope **ret,
			struct err *err) must_check;

/* CPUs and memory nodes as systemd takes them: a bit for each. */
#define SYSTEMD_SCOPE_SET_BYTES 1024
#define SYSTEMD_SCOPE_LIMITS_MAX 8
struct systemd_scope_limits {
	struct systemd_property properties[SYSTEMD_SCOPE_LIMITS_MAX];
	size_t nr;
	uint8_t cpus[SYSTEMD_SCOPE_SET_BYTES], mems[SYSTEMD_SCOPE_SET_BYTES];
};
int systemd_scope_limits(const struct oci_resources *resources, bool v2,
			 struct systemd_scope_limits *ret, struct err *err) must_check;

/* In a fiber. */
int systemd_scope_start(struct systemd_scope *scope, const struct oci_resources *resources,
			struct err *err) must_check;
int systemd_scope_limit(const struct systemd_scope *scope, const struct oci_resources *resources,
			struct err *err) must_check;
void systemd_scope_release(struct systemd_scope *scope);
int systemd_scope_stop(const char *name, struct err *err) must_check;
