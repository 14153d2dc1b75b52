/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Which devices the processes of a cgroup may use, as a BPF program for it.
 */
#pragma once

#include <linux/bpf.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "common/arena.h"
#include "common/err.h"
#include "common/macros.h"

/*
 * Kernel ABI: the first argument of a BPF_PROG_TYPE_CGROUP_DEVICE program is struct
 * bpf_cgroup_dev_ctx.
 */
#define DEVICES_ANY (-1)
#define DEVICE_ACCESS_ALL (BPF_DEVCG_ACC_MKNOD | BPF_DEVCG_ACC_READ | BPF_DEVCG_ACC_WRITE)

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

int device_rules_compile(const struct device_rules *rules, struct arena *arena,
			 struct bpf_insn **ret, size_t *ret_nr) must_check;
int device_program_count(int cgroup_fd) must_check;
int device_program_attach(int cgroup_fd, const struct bpf_insn *insns, size_t nr,
			  int *prog_fd_inout, struct err *err) must_check;
