/* SPDX-License-Identifier: Apache-2.0 */
/*
 * DOC: What a memory limit means
 *
 * A container's limit is its cgroup's in the guest. What the VM itself needs comes on top, in its
 * RAM and in the host's cgroup: a guest that has more RAM than its containers may use runs out of
 * memory in the container's cgroup, where the kernel ends one process and says so, and a host's
 * cgroup that allows the whole VM never ends the VM. The numbers are measured; docs/performance.md
 * says how.
 */
#include "oci/vm_memory.h"

#include "common/macros.h"

static uint64_t mib_of(uint64_t bytes)
{
	return (bytes >> 20) + (bytes % (1U << 20) != 0);
}

/**
 * vm_memory_cache_mib() - how much translated code an emulator may keep
 * @limit: what the container or the whole VM may use, bytes
 *
 * Enough for the boot and a shell, more where there is room.
 *
 * Return: MiB.
 */
uint64_t vm_memory_cache_mib(uint64_t limit)
{
	uint64_t share = limit >> 23; /* an eighth */

	return MIN(MAX(share, VM_MEMORY_CACHE_MIN_MIB), VM_MEMORY_CACHE_MAX_MIB);
}

/**
 * vm_memory_on_top() - what a VM needs on top of its container's limit
 * @limit: bytes
 * @emulated: there is no KVM
 * @ret: receives it
 */
void vm_memory_on_top(uint64_t limit, bool emulated, struct vm_overhead *ret)
{
	/* A boot translates 38 MiB of code: nobody gains when it has to be thrown away. */
	uint64_t cache = MAX(vm_memory_cache_mib(limit), VM_MEMORY_CACHE_POD_MIB);

	*ret = (struct vm_overhead){
		.guest = VM_MEMORY_ON_TOP_MIB + mib_of(limit / VM_MEMORY_ON_TOP_PART),
		.vmm = VM_MEMORY_VMM_MIB,
		.cache = emulated ? cache : 0,
	};
}

/**
 * vm_memory_ram_mib() - the RAM of a VM whose own needs are on top of a limit
 * @limit: bytes
 * @overhead: of that limit
 *
 * Return: MiB.
 */
uint64_t vm_memory_ram_mib(uint64_t limit, const struct vm_overhead *overhead)
{
	return mib_of(limit) + overhead->guest;
}
