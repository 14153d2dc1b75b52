/* SPDX-License-Identifier: Apache-2.0 */
/*
 * System call filters: compiled once per container, loaded by each of its processes.
 */
#pragma once

#include <linux/filter.h>
#include <stdint.h>

#include "common/err.h"
#include "oci/oci_spec.h"

struct seccomp_prog {
	struct sock_fprog fprog; /* of kernel instructions, one block with this struct */
	uint32_t flags;		 /* SECCOMP_FILTER_FLAG_* */
};

int seccomp_prog_new(const struct oci_seccomp *seccomp, struct seccomp_prog **ret,
		     struct err *err) must_check;
struct seccomp_prog *seccomp_prog_free(struct seccomp_prog *prog);
DEFINE_CLEANUP(struct seccomp_prog, seccomp_prog_free)
int seccomp_prog_load(const struct seccomp_prog *prog) must_check;
