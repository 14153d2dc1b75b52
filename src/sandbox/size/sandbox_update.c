/* SPDX-License-Identifier: Apache-2.0 */
/*
 * DOC: Updating limits
 *
 * An update holds as a whole or not at all. What may be used grows from the outside to the inside:
 * the host's cgroup, then the VM, then the container in it; it shrinks the other way round. The
 * guest's kernel takes limits as a whole or says why not, so a failure there finds the host's
 * cgroup and the VM larger than before, at most, and both go back.
 *
 * Memory is given back before the limit is lowered on the host: by the container, whose pages are
 * reclaimed, then by the VM, by virtio-mem or into a balloon. What a guest keeps beyond its share is
 * logged, and the host's limit stays as high as that: below it, the host would end the VM.
 *
 * Only a container with a VM of its own resizes it that way: the host cgroup of a pod belongs to
 * the pod's sandbox.
 */
#include "sandbox/size/sandbox_update.h"

#include <errno.h>
#include <inttypes.h>

#include "common/log.h"
#include "common/str.h"
#include "oci/cpu.h"
#include "oci/grouping.h"
#include "rpc/pb/agent_msg.h"
#include "rpc/ttrpc/rpc.h"
#include "sandbox/core/container.h"
#include "sandbox/core/sandbox.h"
#include "sandbox/hypervisor/hypervisor.h"
#include "sandbox/size/sandbox_resize.h"
#include "sandbox/size/sandbox_size.h"

/* What DIMMs and virtio-mem grow by; less than that stays unused. */
#define GROWTH_STEP_MIB 128

static bool owns_vm(const struct sb_container *ctr)
{
	return ctr->is_first && ctr->sandbox->kind == SANDBOX_KIND_SINGLE;
}

static int tell_agent(struct sb_container *ctr, const struct oci_resources *resources,
		      struct err *err)
{
	struct oci_resources guests = *resources;
	struct agent_update_container_request req = { .container_id = ctr->id,
						      .resources = &guests };

	guests.block_io = NULL; /* names the host's disks */

	return rpc_call(ctr->sandbox->agent, &agent_update_container, &req, NULL, NULL,
			sandbox_request_deadline(ctr->sandbox), err);
}

/* The host's cgroup is one for the VM; in the guest a disk has another number. */
static void warn_of_io(const struct sb_container *ctr, const struct oci_block_io *io, bool own_vm)
{
	bool rates = io && (io->nr_throttle_read_bps_device || io->nr_throttle_write_bps_device ||
			    io->nr_throttle_read_iops_device || io->nr_throttle_write_iops_device);

	if (!own_vm && (rates || (io && (io->weight || io->nr_weight_device))))
		log_warn(
			"container %s: its new limits of I/O are not applied: other containers are "
			"in the same VM",
			ctr->id);
	else if (rates && ctr->nr_disks)
		log_warn("container %s: its new limits of I/O hold on the host; those in the guest "
			 "of disks that were plugged in stay as they are",
			 ctr->id);
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

/* With the other half of what is one value, for whoever reads it. */
struct whole_limits {
	struct oci_resources resources;
	struct oci_cpu cpu;
	struct oci_bandwidth bandwidth;
};

static const struct oci_resources *make_whole(const struct sb_container *ctr,
					      const struct oci_resources *resources,
					      struct whole_limits *ret)
{
	*ret = (struct whole_limits){ .resources = *resources, .bandwidth = ctr->limits.bandwidth };
	if (!oci_cpu_bandwidth(resources->cpu, &ret->bandwidth))
		return resources;
	ret->cpu = *resources->cpu;
	ret->cpu.quota = &ret->bandwidth.quota;
	ret->cpu.period = &ret->bandwidth.period;
	ret->resources.cpu = &ret->cpu;
	return &ret->resources;
}

/* What the containers use holds by their cgroups; a VM that is larger than need be is no failure. */
static void fit_less(struct sandbox *sb)
{
	struct err err = ERR_NULL;

	if (sandbox_fit_members(sb, &err) < 0)
		log_warn("the VM keeps more than its containers need: %s", err.text);
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
	if (r >= 0 ? !more : more)
		fit_less(ctr->sandbox);
	return r;
}

/* One update of a container with a VM of its own, and what was before it. */
struct update {
	struct sb_container *ctr;
	const struct oci_resources *resources;
	int64_t limit;	   /* of memory; 0: not spoken of */
	uint64_t want_mib; /* RAM; 0: stays */
	unsigned vcpus;	   /* 0: stay */
	bool guest_lowered;
	struct vm_size before;
	struct host_cgroup_limits host;
	struct host_cgroup_io host_io;
	struct arena *arena; /* of what was read of the host's cgroup */
};

/* What the host's cgroup may be charged when the guest has so much RAM. */
static int64_t host_limit(const struct update *u, uint64_t ram_mib)
{
	const struct sandbox *sb = u->ctr->sandbox;

	if (!sb->size.on_top || u->limit < 0)
		return u->limit;
	return (int64_t)((ram_mib + sb->size.vmm_mib) << 20);
}

static int limit_host_memory(const struct update *u, int64_t limit, struct err *err)
{
	struct oci_memory memory = { .limit = &limit };
	const struct oci_resources resources = { .memory = &memory };

	return host_cgroup_limit(&u->ctr->sandbox->cgroup.now, &resources, err);
}

/* Memory only where that is more. */
static int raise_host(const struct update *u, struct err *err)
{
	const struct vm_size *now = &u->ctr->sandbox->size.now;
	struct oci_resources resources = *u->resources;
	/* It grows by whole blocks. */
	uint64_t ram = MAX(u->want_mib + GROWTH_STEP_MIB, now->memory_mib);
	int64_t limit = host_limit(u, ram),
		before = u->host.memory.limit ? u->host.memory_limit : -1;
	struct oci_memory memory = { .limit = &limit };

	resources.memory = limit && before > 0 && (limit < 0 || limit > before) ? &memory : NULL;
	return host_cgroup_limit(&u->ctr->sandbox->cgroup.now, &resources, err);
}

static int grow_vm(const struct update *u, struct err *err)
{
	const struct sandbox *sb = u->ctr->sandbox;
	uint64_t now = sb->size.now.memory_mib;
	struct vm_size want = { 0 };

	/* All that the container may use is there, or all that the VM may use is enough for it. */
	if (sb->size.on_top && u->want_mib > now)
		want.memory_mib = u->want_mib;
	else if (u->want_mib >= now + GROWTH_STEP_MIB)
		want.memory_mib = now + (u->want_mib - now) / GROWTH_STEP_MIB * GROWTH_STEP_MIB;
	if (u->vcpus > sb->size.now.vcpus)
		want.vcpus = u->vcpus;
	return want.memory_mib || want.vcpus ? sandbox_resize(u->ctr->sandbox, &want, err) : 0;
}

static int limit_guest_memory(const struct update *u, int64_t limit, struct err *err)
{
	struct oci_memory memory = { .limit = &limit };
	const struct oci_resources resources = { .memory = &memory };

	return tell_agent(u->ctr, &resources, err);
}

static void shrink_vm(const struct update *u)
{
	struct sandbox *sb = u->ctr->sandbox;
	const struct vm_size want = { .memory_mib = u->want_mib };
	struct err err = ERR_NULL;

	int r = sandbox_resize(sb, &want, &err);
	if (!sb->end.gone && sb->size.now.memory_mib > u->want_mib)
		log_warn("the VM keeps %" PRIu64 " MiB of memory that it was to give back%s%s",
			 sb->size.now.memory_mib - u->want_mib, r < 0 ? ": " : "",
			 r < 0 ? err.text : "");
}

/* Inside first. A container that cannot do with less says so, and nothing has happened. */
static int lower_memory(struct update *u, struct err *err)
{
	const struct sandbox *sb = u->ctr->sandbox;
	int r = limit_guest_memory(u, sb->size.on_top ? u->limit : (int64_t)(u->want_mib << 20),
				   err);

	if (r < 0)
		return r;
	u->guest_lowered = true;
	shrink_vm(u);
	return limit_host_memory(u, host_limit(u, sb->size.now.memory_mib), err);
}

static int tell_guest(const struct update *u, struct err *err)
{
	const struct sandbox *sb = u->ctr->sandbox;
	struct oci_resources resources = *u->resources;
	int64_t limit = (int64_t)(u->want_mib << 20);
	struct oci_memory memory;

	if (!u->guest_lowered || sb->size.on_top)
		return tell_agent(u->ctr, u->resources, err);
	/* Within: less than the limit by what the VM itself takes of it. */
	memory = *resources.memory;
	memory.limit = &limit;
	memory.swap = NULL;
	resources.memory = &memory;
	return tell_agent(u->ctr, &resources, err);
}

static void undo_step(int r, const char *what, struct err *err)
{
	if (r < 0)
		log_warn("undo an update of limits: %s: %s", what, err->text);
	*err = ERR_NULL;
}

/* The opposite order. DIMMs stay plugged, with what they brought in the balloon. */
static void undo(struct update *u)
{
	struct sandbox *sb = u->ctr->sandbox;
	struct vm_size want = u->before;
	struct err err = ERR_NULL;
	bool masked = fiber_mask_cancel(true);

	if (want.memory_mib == sb->size.now.memory_mib)
		want.memory_mib = 0;
	if (want.vcpus == sb->size.now.vcpus)
		want.vcpus = 0;
	if (want.memory_mib || want.vcpus)
		undo_step(sandbox_resize(sb, &want, &err), "the VM", &err);
	/* Nothing is known of a limit that there was not. */
	if (u->host.memory.limit && u->host.memory_limit > 0 &&
	    sb->size.now.memory_mib > u->before.memory_mib)
		u->host.memory_limit +=
			(int64_t)((sb->size.now.memory_mib - u->before.memory_mib) << 20);
	undo_step(host_cgroup_limit(&sb->cgroup.now, &u->host.resources, &err), "the host's cgroup",
		  &err);
	undo_step(host_cgroup_restore_io(&sb->cgroup.now, &u->host_io, &err),
		  "the host's cgroup of I/O", &err);
	if (u->guest_lowered) {
		int64_t limit = u->ctr->limits.memory ? (int64_t)u->ctr->limits.memory : -1;

		undo_step(limit_guest_memory(u, limit, &err), "the guest's cgroup", &err);
	}
	(void)fiber_mask_cancel(masked);
}

static int shrink_vcpus(struct sandbox *sb, unsigned vcpus, struct err *err)
{
	struct vm_size want = { .vcpus = MAX(vcpus, sb->size.at_boot.vcpus) };

	if (!vcpus || want.vcpus >= sb->size.now.vcpus)
		return 0;
	int r = sandbox_resize(sb, &want, err);
	if (r >= 0 || sb->end.gone)
		return r;
	log_warn("the VM keeps more vCPUs than its container needs: %s", err->text);
	*err = ERR_NULL;
	return 0;
}

static int plan_update(struct update *u, struct err *err)
{
	struct sandbox *sb = u->ctr->sandbox;
	const struct oci_memory *memory = u->resources->memory;

	u->vcpus = vcpus_for(sb, u->resources->cpu);
	u->before = sb->size.now;
	host_cgroup_read(&sb->cgroup.now, &u->host);
	if (host_cgroup_save_io(&sb->cgroup.now, u->arena, &u->host_io) < 0)
		return err_set(err, ENOMEM, "out of memory");
	if (!memory || !memory->limit || !*memory->limit)
		return 0;
	u->limit = *memory->limit < 0 ? -1 : *memory->limit;
	if (u->limit > 0)
		return sandbox_ram_for_limit(sb, u->limit, &u->want_mib, err);
	/* As much as one that never had a limit starts with. */
	u->want_mib = MAX(sb->config->hypervisor.default_memory, sb->size.now.memory_mib);
	return 0;
}

static int apply(struct update *u, struct err *err)
{
	struct sandbox *sb = u->ctr->sandbox;
	bool lowers = u->limit > 0 &&
		      (uint64_t)u->limit <
			      (u->ctr->limits.memory ? u->ctr->limits.memory : UINT64_MAX);
	int r = raise_host(u, err);

	lowers = lowers || (u->want_mib && u->want_mib < sb->size.now.memory_mib);
	if (r >= 0)
		r = grow_vm(u, err);
	if (r >= 0 && lowers)
		r = lower_memory(u, err);
	if (r >= 0)
		r = tell_guest(u, err);
	/* It had been raised by a whole block. */
	if (r >= 0 && u->limit && !lowers)
		r = limit_host_memory(u, host_limit(u, sb->size.now.memory_mib), err);
	return r;
}

static int update_own_vm(struct update *u, struct err *err)
{
	int r = plan_update(u, err);

	if (r < 0)
		return r;
	r = apply(u, err);
	if (r < 0) {
		if (!u->ctr->sandbox->end.gone)
			undo(u);
		return r;
	}
	sb_limits_change(u->ctr, u->resources);
	return shrink_vcpus(u->ctr->sandbox, u->vcpus, err);
}

static int update_limits(struct sb_container *ctr, const struct oci_resources *resources,
			 struct err *err)
{
	struct whole_limits whole;
	bool own_vm = owns_vm(ctr) && ctr->sandbox->hv;

	resources = make_whole(ctr, resources, &whole);
	warn_of_io(ctr, resources->block_io, own_vm);
	if (!own_vm)
		return update_member(ctr, resources, err);
	/* Too large for a fiber's stack. */
	cleanup_arena struct arena *arena = NULL;
	struct update *u = arena_new(&arena) < 0 ? NULL : arena_alloc(arena, sizeof(*u));
	if (!u)
		return err_set(err, ENOMEM, "out of memory");
	u->arena = arena;
	u->ctr = ctr;
	u->resources = resources;
	return update_own_vm(u, err);
}

/**
 * sandbox_update_limits() - apply new limits, all of them or none
 * @ctr: running container; the caller holds its lock
 * @resources: new limits; what is absent stays
 * @err: says what failed, how much a VM needs, or what the container does not give back
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
