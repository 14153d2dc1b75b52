/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Which devices a container may use, as a BPF program for its cgroup.
 */
#pragma once

#include <linux/bpf.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "common/err.h"
#include "oci/oci_spec.h"

/*
 * Kernel ABI: the first argument of a BPF_PROG_TYPE_CGROUP_DEVICE program is struct
 * bpf_cgroup_dev_ctx.
 */
#define DEVICES_ANY (-1)

struct device_rule {
	bool allow;
	uint16_t type;	      /* BPF_DEVCG_DEV_BLOCK or _CHAR; 0: both */
	uint16_t access;      /* BPF_DEVCG_ACC_* */
	int64_t major, minor; /* DEVICES_ANY: all */
};

struct device_rules {
	struct device_rule *rules; /* the last one that matches decides; nothing matches: denied */
	size_t nr;
};

int device_rules_new(struct arena *arena, const struct oci_linux *linux_, const dev_t *denied,
		     size_t nr_denied, struct device_rules *ret, struct err *err) must_check;
int device_rules_compile(const struct device_rules *rules, struct arena *arena,
			 struct bpf_insn **ret, size_t *ret_nr) must_check;
int device_program_attach(int cgroup_fd, const struct bpf_insn *insns, size_t nr,
			  int *prog_fd_inout, struct err *err) must_check;
