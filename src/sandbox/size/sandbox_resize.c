/* SPDX-License-Identifier: Apache-2.0 */
/*
 * DOC: The size of a VM
 *
 * vCPUs are whole and quotas are not: the cgroups hold the quota exactly, whatever number of vCPUs
 * the guest has or keeps.
 *
 * A pod's VM follows what its containers may use together, whatever made them come, go or change,
 * within what the annotations of the sandbox gave it at the start. Memory that came as DIMMs stays;
 * virtio-mem and vCPUs are taken back. The VM of a single container: sandbox_update.c.
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
		log_warn("vCPUs stay plugged%s: %s", r < 0 ? "" : ", out of use in the guest",
			 kept.text);
	sb->size.now.vcpus = r < 0 ? got.vcpus : want;
	return 0;
}

/**
 * sandbox_resize() - give a VM more or less
 * @sb: sandbox
 * @want: wanted size; 0 in a dimension leaves it
 * @err: filled on failure
 *
 * What was reached is in sb->size.now, also on failure.
 *
 * Return: 0 or -errno.
 */
int sandbox_resize(struct sandbox *sb, const struct vm_size *want, struct err *err)
{
	bool fewer = want->vcpus && want->vcpus < sb->size.now.vcpus;
	struct vm_size more = { .memory_mib = want->memory_mib, .vcpus = fewer ? 0 : want->vcpus };
	struct vm_size got = sb->size.now;
	int r = hypervisor_resize(sb->hv, &more, &got, sandbox_request_deadline(sb), err);

	bool memory = got.memory_mib > sb->size.now.memory_mib;
	if (got.memory_mib)
		sb->size.now.memory_mib = got.memory_mib;
	sb->size.most_mib = MAX(sb->size.most_mib, got.memory_mib);
	if (r >= 0)
		r = bring_online(sb, more.vcpus ? more.vcpus - sb->size.now.vcpus : 0, memory, err);
	return r >= 0 && fewer ? take_vcpus(sb, want->vcpus, err) : r;
}

/* What was wanted is there; only more than that is what the guest does not give back. */
static bool is_enough(const struct sandbox *sb, const struct vm_size *want)
{
	return sb->size.now.vcpus >= want->vcpus && sb->size.now.memory_mib >= want->memory_mib;
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
	/* A pod keeps what came as DIMMs: its next container wants it again. */
	if (want.memory_mib < sb->size.now.memory_mib && !sb->config->hypervisor.enable_virtio_mem)
		want.memory_mib = 0;
	int r = sandbox_resize(sb, &want, err);
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
	if (oci_cpu_bandwidth(cpu, &ctr->limits.bandwidth))
		ctr->limits.cpu = oci_cpu_thousandths(ctr->limits.bandwidth.quota,
						      ctr->limits.bandwidth.period);
}
