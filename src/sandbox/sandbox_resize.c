/* SPDX-License-Identifier: Apache-2.0 */
/*
 * DOC: Updating limits
 *
 * The sizing rule of sandbox_size.c holds after an update as well. A higher limit is given to the
 * host's cgroup first, then to the VM, which grows, then to the container in it; a lower one takes
 * the opposite way. RAM that a guest has is not taken back, so below its size the container's own
 * cgroup keeps it within what the host's allows.
 *
 * Only a container with a VM of its own resizes it: the VM and host cgroup of a pod belong to the
 * pod's sandbox.
 */
#include "sandbox/sandbox_resize.h"

#include <errno.h>
#include <stdlib.h>

#include "common/str.h"
#include "hypervisor.h"
#include "oci/grouping.h"
#include "rpc/agent_msg.h"
#include "sandbox/container.h"
#include "sandbox/sandbox.h"

/* What DIMMs and virtio-mem grow by; less than that stays unused. */
#define GROWTH_STEP_MIB 128

static bool owns_vm(const struct sb_container *ctr)
{
	struct oci_grouping grouping;
	struct err ignored = ERR_NULL;

	/*
	 * A container that joined another's network joined its VM as well: that stays the other's.
	 */
	return str_eq(ctr->id, ctr->sandbox->id) &&
	       oci_grouping_find(ctr->id, ctr->spec, &grouping, &ignored) >= 0 &&
	       grouping.type == OCI_CONTAINER_SINGLE;
}

static int tell_agent(struct sb_container *ctr, const struct oci_resources *resources,
		      struct err *err)
{
	struct agent_update_container_request req = {
		.container_id = ctr->id,
		.resources = (struct oci_resources *)(uintptr_t)resources,
	};

	return rpc_call(ctr->sandbox->agent, &agent_update_container, &req, NULL, NULL,
			sandbox_request_deadline(ctr->sandbox), err);
}

static unsigned vcpus_for(const struct sandbox *sb, const struct oci_cpu *cpu)
{
	uint64_t period = cpu && cpu->period && *cpu->period ? *cpu->period : 100000;

	if (!cpu || !cpu->quota || *cpu->quota <= 0)
		return 0;
	uint64_t vcpus = ((uint64_t)*cpu->quota + period - 1) / period;
	/*
	 * The quota holds on the host in any case; a VM that has no room for more CPUs runs on
	 * those it has.
	 */
	return (unsigned)MIN(vcpus, sb->max_vcpus);
}

/* Grows only: what a guest has plugged in it may use for ever. */
static int grow_vm(struct sandbox *sb, const struct vm_size *now, uint64_t want_mib, unsigned vcpus,
		   struct err *err)
{
	struct agent_online_cpu_mem_request online = { .wait = true };
	struct vm_size want = { 0 }, reached;
	uint64_t deadline_ns = sandbox_request_deadline(sb);

	if (want_mib >= now->memory_mib + GROWTH_STEP_MIB)
		want.memory_mib = now->memory_mib +
				  (want_mib - now->memory_mib) / GROWTH_STEP_MIB * GROWTH_STEP_MIB;
	if (vcpus > now->vcpus)
		want.vcpus = vcpus;
	if (!want.memory_mib && !want.vcpus)
		return 0;
	int r = hypervisor_resize(sb->hv, &want, &reached, deadline_ns, err);
	if (r < 0)
		return r;
	online.nb_cpus = want.vcpus ? want.vcpus - now->vcpus : 0;
	online.cpu_only = !want.memory_mib;
	return rpc_call(sb->agent, &agent_online_cpu_mem, &online, NULL, NULL, deadline_ns, err);
}

static int lower(struct sb_container *ctr, const struct oci_resources *resources, uint64_t want_mib,
		 struct err *err)
{
	struct oci_resources guest = *resources;
	struct oci_memory memory = *resources->memory;
	int64_t limit = (int64_t)(want_mib << 20);

	memory.limit = &limit;
	memory.swap = NULL;
	guest.memory = &memory;
	int r = tell_agent(ctr, &guest, err);
	return r < 0 ? r : host_cgroup_limit(&ctr->sandbox->cgroup, resources, err);
}

/**
 * sandbox_update_limits() - apply new limits
 * @ctr: running container; the caller holds its lock
 * @resources: new limits; what is absent stays
 * @err: says what failed, or how much a VM needs
 *
 * Return: 0 or -errno.
 */
int sandbox_update_limits(struct sb_container *ctr, const struct oci_resources *resources,
			  struct err *err)
{
	struct sandbox *sb = ctr->sandbox;
	const struct oci_memory *memory = resources->memory;
	uint64_t want_mib = 0;

	if (!owns_vm(ctr) || !sb->hv)
		return tell_agent(ctr, resources, err);
	cleanup_free struct vm_info *info =
		calloc(1, sizeof(*info)); /* too large for a fiber's stack */
	if (!info)
		return err_set(err, ENOMEM, "out of memory");
	int r = hypervisor_info(sb->hv, info, sandbox_request_deadline(sb), err);
	if (r >= 0 && memory && memory->limit && *memory->limit > 0)
		r = sandbox_ram_for_limit(sb->accel, *memory->limit, &want_mib, err);
	if (r < 0)
		return r;
	if (want_mib && want_mib < info->size.memory_mib)
		return lower(ctr, resources, want_mib, err);
	r = host_cgroup_limit(&sb->cgroup, resources, err);
	if (r >= 0)
		r = grow_vm(sb, &info->size, want_mib, vcpus_for(sb, resources->cpu), err);
	return r < 0 ? r : tell_agent(ctr, resources, err);
}
