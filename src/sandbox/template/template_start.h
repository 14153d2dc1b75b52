/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A start from a template: found, copied while the rest of the sandbox is made, and restored.
 */
#pragma once

#include <stddef.h>
#include <stdint.h>

#include "common/err.h"
#include "common/macros.h"
#include "common/proc.h"
#include "sandbox/hypervisor/vm_config.h"
#include "sandbox/snapshot/snapshot.h"

struct template_start {
	int store_fd;
	char key[SNAPSHOT_DIGEST_LEN + 1];
	struct snapshot snapshot;
	int memory_fd; /* the new VM's RAM */
	struct proc copier;
	bool copied;
	const struct kata_secret *secret; /* of the sandbox, NULL: none */
	struct vm_restore restore;
};

#define TEMPLATE_START_NULL                                                        \
	((struct template_start){ .store_fd = -1,                                  \
				  .snapshot = { .memory_fd = -1, .state_fd = -1 }, \
				  .memory_fd = -1,                                 \
				  .copier = { .pidfd = -1 } })

/* Whose memory the copy is. */
struct template_payer {
	const int *cgroup_fds;
	size_t nr_cgroup_fds;
};

int template_start_find(const char *store, const struct vm_config *vm,
			struct template_start *ret) must_check;
int template_start_copy(struct template_start *start, const struct template_payer *payer,
			struct err *err) must_check;
void template_start_discard(struct template_start *start, const char *why);
void template_start_deinit(struct template_start *start);
