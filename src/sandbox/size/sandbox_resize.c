/* SPDX-License-Identifier: Apache-2.0 */
/*
 * DOC: Updating limits
 *
 * The sizing rule of sandbox_size.c holds after an update as well. A higher limit is given to the
 * host's cgroup first, then to the VM, which grows, then to the container in it; a lower one takes
 * the opposite way. RAM that a guest has is not taken back, so below its size the container's own
 * cgroup keeps it within what the host's allows. vCPUs are whole and quotas are not: the cgroups
 * hold the quota exactly, whatever number of vCPUs the guest has or keeps.
 *
 * Only a container with a VM of its own resizes it that way: the host cgroup of a pod belongs to
 * the pod's sandbox. A pod's VM follows what its containers may use together, whatever made them
 * come, go or change, within what the annotations of the sandbox gave it at the start. Memory that
 * came as DIMMs stays; virtio-mem and vCPUs are taken back.
 */
#include "sandbox/size/sandbox_resize.h"

#include <errno.h>
#include <stdlib.h>

#include "common/log.h"
#include "oci/cpu.h"
#include "rpc/pb/admin_msg.h"
#include "rpc/pb/agent_msg.h"
#include "rpc/ttrpc/rpc.h"
#include "sandbox/core/container.h"
#include "sandbox/core/sandbox.h"
#include "sandbox/hypervisor/hypervisor.h"
#include "sandbox/size/sandbox_size.h"

/* What DIMMs and virtio-mem grow by; less than that stays unused. */
#define GROWTH_STEP_MIB 128

/* A container that joined another's network runs in the other's VM, which is not its own. */
static bool owns_vm(const struct sb_container *ctr)
{
	return ctr->is_first && ctr->sandbox->kind == SANDBOX_KIND_SINGLE;
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
	unsigned vcpus = cpu && cpu->quota ? oci_cpu_count(*cpu->quota, oci_cpu_period(cpu)) : 0;

	/*
	 * The quota holds on the host in any case; a VM that has no room for more CPUs runs on
	 * those it has.
	 */
	return MIN(vcpus, sb->size.max_vcpus);
}

/* A guest that does not bring plugged vCPUs online has fewer than it may use: that is no error. */
static int bring_online(struct sandbox *sb, unsigned vcpus, bool memory, struct err *err)
{
	struct agent_online_cpu_mem_request online = { .wait = true,
						       .nb_cpus = vcpus,
						       .cpu_only = !memory };

	if (!vcpus && !memory)
		return 0;
	int r = rpc_call(sb->agent, &agent_online_cpu_mem, &online, NULL, NULL,
			 sandbox_request_deadline(sb), err);
	if (r >= 0) {
		sb->size.now.vcpus += vcpus;
	} else if (r == -ETIMEDOUT && !sb->end.gone) {
		log_warn("the guest does not use what was plugged: %s", err->text);
		*err = ERR_NULL;
		r = 0;
	}
	return r;
}

/*
 * The guest stops using them before they are unplugged; with another project's agent it finds out
 * by the unplugging. It is no failure when the VMM cannot unplug one: the guest does not use it.
 */
static int take_vcpus(struct sandbox *sb, unsigned want, struct err *err)
{
	struct extra_offline_cpus_request offline = { .nb_cpus = sb->size.now.vcpus - want };
	const struct vm_size size = { .vcpus = want };
	struct vm_size got = sb->size.now;
	struct err kept = ERR_NULL;
	uint64_t deadline_ns = sandbox_request_deadline(sb);
	int r = rpc_call(sb->agent, &extra_offline_cpus, &offline, NULL, NULL, deadline_ns, err);

	if (r < 0 && r != -EOPNOTSUPP)
		return r;
	*err = ERR_NULL;
	int taken = hypervisor_resize(sb->hv, &size, &got, deadline_ns, &kept);
	if (taken < 0)
		log_debug("vCPUs stay plugged: %s", kept.text);
	sb->size.now.vcpus = r < 0 ? got.vcpus : want;
	return 0;
}

/* Return: 0 or -errno; what was reached is in sb->size.now. */
static int resize(struct sandbox *sb, const struct vm_size *want, struct err *err)
{
	bool fewer = want->vcpus && want->vcpus < sb->size.now.vcpus;
	struct vm_size more = { .memory_mib = want->memory_mib, .vcpus = fewer ? 0 : want->vcpus };
	struct vm_size got = sb->size.now;
	int r = hypervisor_resize(sb->hv, &more, &got, sandbox_request_deadline(sb), err);

	bool memory = got.memory_mib > sb->size.now.memory_mib;
	sb->size.now.memory_mib = got.memory_mib;
	if (r >= 0)
		r = bring_online(sb, more.vcpus ? more.vcpus - sb->size.now.vcpus : 0, memory, err);
	return r >= 0 && fewer ? take_vcpus(sb, want->vcpus, err) : r;
}

/* Grows only: vCPUs are taken back after the container may no longer use them, memory never. */
static int grow_vm(struct sandbox *sb, uint64_t now_mib, uint64_t want_mib, unsigned vcpus,
		   struct err *err)
{
	struct vm_size want = { 0 };

	if (want_mib >= now_mib + GROWTH_STEP_MIB)
		want.memory_mib =
			now_mib + (want_mib - now_mib) / GROWTH_STEP_MIB * GROWTH_STEP_MIB;
	if (vcpus > sb->size.now.vcpus)
		want.vcpus = vcpus;
	return want.memory_mib || want.vcpus ? resize(sb, &want, err) : 0;
}

/* What was wanted is there; only more than that is what the guest does not give back. */
static bool is_enough(const struct sandbox *sb, const struct vm_size *want)
{
	return sb->size.now.vcpus >= want->vcpus && sb->size.now.memory_mib >= want->memory_mib;
}

static int shrink_vcpus(struct sandbox *sb, unsigned vcpus, struct err *err)
{
	struct vm_size want = { .vcpus = MAX(vcpus, sb->size.at_boot.vcpus) };

	if (!vcpus || want.vcpus >= sb->size.now.vcpus)
		return 0;
	int r = resize(sb, &want, err);
	if (r >= 0 || sb->end.gone)
		return r;
	log_warn("the VM keeps more vCPUs than its container needs: %s", err->text);
	*err = ERR_NULL;
	return 0;
}

/* What the members that are there need; a sandbox container needs nothing. */
static struct vm_size needed(const struct sandbox *sb)
{
	uint64_t memory = 0, cpu = 0;
	bool unlimited = false;

	list_for_each(node, &sb->containers) {
		const struct sb_container *ctr = list_entry(node, struct sb_container, node);

		if (sb_container_is_pause(ctr) || ctr->init->state == SB_PROCESS_STATE_STOPPED)
			continue;
		memory += MIN(ctr->limits.memory, UINT64_MAX / 2 - memory);
		cpu += MIN(ctr->limits.cpu, INT64_MAX - cpu);
		unlimited = unlimited || !ctr->limits.memory;
	}
	struct vm_size size = { .memory_mib = sandbox_ram_for_members(memory) };
	if (unlimited)
		size.memory_mib += sb->config->hypervisor.default_memory;
	size.memory_mib = MAX(size.memory_mib, sb->size.at_boot.memory_mib);
	unsigned vcpus = oci_cpu_count((int64_t)cpu, 1000);
	size.vcpus = MAX(MIN(vcpus, sb->size.max_vcpus), sb->size.at_boot.vcpus);
	return size;
}

/* A limit on the host's cgroup of the whole VM is not to be outgrown. */
static bool may_resize(const struct sandbox *sb)
{
	if (sb->kind != SANDBOX_KIND_POD || !sb->hv || !sb->agent ||
	    sb->state != SANDBOX_STATE_RUNNING || sb->config->runtime.static_sandbox_resource_mgmt)
		return false;
	const struct oci_resources *res = sb->spec->linux_ ? sb->spec->linux_->resources : NULL;

	return !(res && res->memory && res->memory->limit && *res->memory->limit > 0);
}

static int fit_members(struct sandbox *sb, struct err *err)
{
	struct vm_size want = needed(sb);
	bool grows = want.memory_mib > sb->size.now.memory_mib || want.vcpus > sb->size.now.vcpus;
	/* The driver knows what can be taken back. */
	if (want.memory_mib == sb->size.now.memory_mib)
		want.memory_mib = 0;
	if (want.vcpus == sb->size.now.vcpus)
		want.vcpus = 0;
	if (!grows && !want.vcpus &&
	    (!want.memory_mib || !sb->config->hypervisor.enable_virtio_mem))
		return 0;
	int r = resize(sb, &want, err);
	bool larger = r < 0 && !sb->end.gone && is_enough(sb, &want);
	if (r != -ENOSPC && !larger)
		return r;
	log_warn("the VM stays %s than its containers' limits: %s", larger ? "larger" : "smaller",
		 err->text);
	*err = ERR_NULL;
	return 0;
}

/**
 * sandbox_fit_members() - make the VM of a pod as large as its containers need
 * @sb: sandbox
 * @err: filled on failure
 *
 * A VM that cannot grow that far runs on with what it has: limits may be higher than what a host
 * has, and the guest's cgroups hold them exactly. So it does when the guest keeps what it should
 * give back. Both are logged.
 *
 * Return: 0 or -errno when the guest does not take what it was given.
 */
int sandbox_fit_members(struct sandbox *sb, struct err *err)
{
	if (!may_resize(sb))
		return 0;
	int r = sandbox_enter(sb, err);
	if (r < 0)
		return r;
	/* What the next one needs depends on what this one reaches. The VM may have ended by then. */
	r = fiber_lock(&sb->size.changing, sandbox_request_deadline(sb));
	if (r < 0) {
		r = err_set_errno(err, r, "resize the VM");
	} else {
		r = may_resize(sb) ? fit_members(sb, err) : 0;
		fiber_unlock(&sb->size.changing);
	}
	sandbox_leave(sb);
	return r;
}

/**
 * sb_limits_change() - note what a container may use from now on
 * @ctr: container
 * @resources: new limits; what is absent stays; NULL: none
 */
void sb_limits_change(struct sb_container *ctr, const struct oci_resources *resources)
{
	const struct oci_memory *memory = resources ? resources->memory : NULL;
	const struct oci_cpu *cpu = resources ? resources->cpu : NULL;

	if (memory && memory->limit)
		ctr->limits.memory = *memory->limit > 0 ? (uint64_t)*memory->limit : 0;
	if (cpu && cpu->quota)
		ctr->limits.cpu = oci_cpu_thousandths(*cpu->quota, oci_cpu_period(cpu));
}

/* More memory is there before the container may use it, less is taken after it may not. */
static int update_member(struct sb_container *ctr, const struct oci_resources *resources,
			 struct err *err)
{
	struct sb_limits before = ctr->limits;

	sb_limits_change(ctr, resources);
	bool more = ctr->limits.memory > before.memory || ctr->limits.cpu > before.cpu;
	int r = more ? sandbox_fit_members(ctr->sandbox, err) : 0;
	if (r >= 0)
		r = tell_agent(ctr, resources, err);
	if (r < 0)
		ctr->limits = before;
	else if (!more)
		r = sandbox_fit_members(ctr->sandbox, err);
	return r;
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
	return r < 0 ? r : host_cgroup_limit(&ctr->sandbox->cgroup.now, resources, err);
}

static int update_limits(struct sb_container *ctr, const struct oci_resources *resources,
			 struct err *err)
{
	struct sandbox *sb = ctr->sandbox;
	const struct oci_memory *memory = resources->memory;
	unsigned vcpus = vcpus_for(sb, resources->cpu);
	uint64_t want_mib = 0;

	if (!owns_vm(ctr) || !sb->hv)
		return update_member(ctr, resources, err);
	cleanup_free struct vm_info *info =
		calloc(1, sizeof(*info)); /* too large for a fiber's stack */
	if (!info)
		return err_set(err, ENOMEM, "out of memory");
	int r = hypervisor_info(sb->hv, info, sandbox_request_deadline(sb), err);
	if (r >= 0 && memory && memory->limit && *memory->limit > 0)
		r = sandbox_ram_for_limit(sb->size.accel, *memory->limit, &want_mib, err);
	if (r < 0)
		return r;
	bool lowers = want_mib && want_mib < info->size.memory_mib;
	r = lowers ? lower(ctr, resources, want_mib, err)
		   : host_cgroup_limit(&sb->cgroup.now, resources, err);
	if (r >= 0)
		r = grow_vm(sb, info->size.memory_mib, lowers ? 0 : want_mib, vcpus, err);
	if (r >= 0 && !lowers)
		r = tell_agent(ctr, resources, err);
	return r < 0 ? r : shrink_vcpus(sb, vcpus, err);
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
	int r = sandbox_enter(sb, err);

	if (r < 0)
		return r;
	r = update_limits(ctr, resources, err);
	sandbox_leave(sb);
	return r;
}
