/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Words of the specification and small predicates that the validators share. Private to src/oci.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>

#include "common/arena.h"
#include "common/err.h"
#include "oci/oci_spec.h"

/* A NULL-terminated list of the words a field may hold. */
typedef const char *const oci_names[];

extern oci_names oci_names_capabilities, oci_names_rlimits, oci_names_namespaces,
	oci_names_propagation;
extern oci_names oci_names_sched_policies, oci_names_sched_flags, oci_names_ioprio_classes;
extern oci_names oci_names_seccomp_actions, oci_names_seccomp_operators;

bool oci_names_have(const char *const *names, const char *name);
bool oci_is_cpu_list(const char *s);
bool oci_path_climbs(const char *path);

/* What a validator passes down: where warnings go. */
struct oci_check {
	struct arena *arena;
	struct strv *warnings;
	struct err *err;
};

int oci_check_warn(struct oci_check *check, const char *fmt, ...) must_check printf_format(2, 3);
int oci_check_linux(struct oci_check *check, const struct oci_spec *spec) must_check;
int oci_check_sysctl(const struct oci_spec *spec, struct err *err) must_check;
int oci_check_seccomp(const struct oci_seccomp *seccomp, struct err *err) must_check;
