/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The jail of a QEMU process: which user it is, and what of the host it sees.
 */
#pragma once

#include <stdbool.h>

#include "common/arena.h"
#include "jail/identity.h"
#include "jail/root.h"
#include "sandbox/hypervisor/vm_config.h"

struct qemu_jail {
	struct identity id;
	struct root_plan root;
	int namespaces;	  /* for struct proc_spec */
	bool keeps_files; /* it makes and removes files for its guest */
};

uint64_t qemu_jail_caps(const struct vm_config *config);
/* In a fiber. */
int qemu_jail_plan(const struct vm_config *config, const char *firmware, struct arena *arena,
		   struct qemu_jail *ret, struct err *err) must_check;
int qemu_jail_enter(const void *jail, struct err *err) must_check;
