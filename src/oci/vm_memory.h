/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What a VM needs of memory beside its container: one rule for who sizes by it and who prints it.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

/*
 * What the cgroup of a busy sandbox is charged beyond the guest's RAM and the emulator's cache.
 */
#define VM_MEMORY_VMM_MIB 48
/* The smallest guest in which the kernel, the agent and a shell work. */
#define VM_MEMORY_GUEST_MIB 48
/*
 * What a guest's kernel and agent take of the RAM that is on top of a limit, and keep free: 20 MiB and
 * 1.8 % after a boot, and from 512 MiB on the kernel keeps 22 MiB for each of up to three zones.
 */
#define VM_MEMORY_ON_TOP_MIB 64
#define VM_MEMORY_ON_TOP_PART 32 /* and one part of the limit in so many */
/* The emulator's translated code. */
#define VM_MEMORY_CACHE_MIN_MIB 32ULL
#define VM_MEMORY_CACHE_POD_MIB 64ULL
#define VM_MEMORY_CACHE_MAX_MIB 256ULL

/* In MiB. */
struct vm_overhead {
	uint64_t guest; /* RAM that the guest's kernel and agent take */
	uint64_t vmm;	/* the VMM and its helpers */
	uint64_t cache; /* the emulator's translated code; 0 with KVM */
};

uint64_t vm_memory_cache_mib(uint64_t limit);
void vm_memory_on_top(uint64_t limit, bool emulated, struct vm_overhead *ret);
uint64_t vm_memory_ram_mib(uint64_t limit, const struct vm_overhead *overhead);
