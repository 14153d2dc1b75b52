/* SPDX-License-Identifier: Apache-2.0 */
/*
 * How large a VM is.
 */
#pragma once

#include <stdint.h>

#include "common/err.h"
#include "sandbox/hypervisor/hypervisor.h"

struct sandbox;
struct vm_config;

/*
 * What the cgroup of a busy sandbox is charged beyond the guest's RAM and the
 * emulator's cache.
 */
#define SANDBOX_OVERHEAD_MIB 48
#define SANDBOX_TCG_CACHE_MIN_MIB 32ULL
#define SANDBOX_TCG_CACHE_MAX_MIB 256ULL
#define SANDBOX_POD_TCG_CACHE_MIB 64U
#define SANDBOX_TCG_SLOTS 2U
/* RAM for each vCPU that may be plugged: the guest's kernel keeps 0.27 MiB for it from the start. */
#define SANDBOX_MIB_PER_PLACE 16
/* The smallest guest in which the kernel, the agent and a shell work. */
#define SANDBOX_GUEST_MIN_MIB 48

int sandbox_ram_for_limit(enum vm_accel accel, int64_t limit_bytes, uint64_t *ret_mib,
			  struct err *err) must_check;
uint64_t sandbox_ram_for_members(uint64_t bytes);
int sandbox_size_vm(struct sandbox *sb, enum vm_accel accel, struct vm_config *ret,
		    struct err *err) must_check;
void sandbox_vm_config(struct sandbox *sb, struct vm_config *ret);
