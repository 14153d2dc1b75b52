/* SPDX-License-Identifier: Apache-2.0 */
/*
 * How large a VM is and what of the configuration goes into it.
 */
#include "sandbox/size/sandbox_size.h"

#include <errno.h>
#include <stdio.h>
#include <unistd.h>

#include "common/str.h"
#include "oci/cpu.h"
#include "oci/grouping.h"
#include "oci/vm_memory.h"
#include "sandbox/core/sandbox.h"
#include "sandbox/hypervisor/vm_config.h"

static const char *none_if_empty(const char *s)
{
	return str_empty(s) ? NULL : s;
}

/* Rules have no comma in them. */
static int add_policy(const struct strv *rules, char *ret, size_t size)
{
	size_t len = 0;

	for (size_t i = 0; i < rules->nr; i++) {
		len += (size_t)snprintf(ret + len, size - len, "%s%s",
					i ? "," : " agent.policy=", rules->v[i]);
		if (len >= size)
			return -E2BIG;
	}
	return 0;
}

static const char *kernel_params(struct sandbox *sb)
{
	const struct config *config = sb->config;
	char pipe_size[64] = "", policy[CONFIG_POLICY_MAX + 32] = "";

	if (config->agent.container_pipe_size)
		(void)snprintf(pipe_size, sizeof(pipe_size), " agent.container_pipe_size=%u",
			       config->agent.container_pipe_size);
	int r = add_policy(&config->agent.policy, policy, sizeof(policy));
	const char *params =
		r < 0 ? NULL
		      : arena_printf(sb->arena, "%s%s%s%s%s", config->hypervisor.kernel_params,
				     pipe_size,
				     config->agent.enable_debug ? " agent.log=debug" : "",
				     config->agent.debug_console_enabled
					     ? " agent.debug_console agent.debug_console_vport=1026"
					     : "",
				     policy);

	/* An empty policy allows nothing. */
	return params ? params : "agent.policy=";
}

/* What the pod or the single container may use: its annotations, or its own limits. */
struct limits {
	int64_t memory;	 /* bytes; <= 0: unlimited */
	unsigned vcpus;	 /* 0: unlimited */
	bool of_members; /* the memory is what the members of a pod may use, the VM comes on top */
	bool single;	 /* no pod */
};

static void find_limits(const struct sandbox *sb, struct limits *ret)
{
	const struct oci_resources *res = sb->spec->linux_ ? sb->spec->linux_->resources : NULL;
	struct oci_sandbox_size size = { 0 };
	const struct oci_grouping grouping = {
		.type = sb->kind == SANDBOX_KIND_POD ? OCI_CONTAINER_SANDBOX : OCI_CONTAINER_SINGLE,
	};
	struct err ignored = ERR_NULL;

	/* Sizes that do not parse are as good as none. */
	if (oci_sandbox_size_find(&grouping, sb->spec, &size, &ignored) < 0)
		size = (struct oci_sandbox_size){ 0 };
	*ret = (struct limits){
		.memory = size.memory,
		.vcpus = oci_sandbox_size_vcpus(&size),
		.of_members = grouping.type == OCI_CONTAINER_SANDBOX && size.memory > 0,
		.single = grouping.type == OCI_CONTAINER_SINGLE,
	};
	if (res && res->memory && res->memory->limit && ret->memory <= 0)
		ret->memory = *res->memory->limit;
	if (res && res->cpu && res->cpu->quota && !ret->vcpus)
		ret->vcpus = oci_cpu_count(*res->cpu->quota, oci_cpu_period(res->cpu));
}

/*
 * Guest RAM and what the VMM needs are together at most the limit.
 * Return: 0 or -EINVAL.
 */
static int ram_within(const struct sandbox *sb, int64_t limit_bytes, uint64_t *ret_mib,
		      struct err *err)
{
	uint64_t limit = (uint64_t)limit_bytes >> 20;
	uint64_t overhead = VM_MEMORY_VMM_MIB;

	if (sb->size.accel == VM_ACCEL_TCG)
		overhead += vm_memory_cache_mib((uint64_t)limit_bytes);
	if (limit < overhead + VM_MEMORY_GUEST_MIB)
		return err_set(
			err, EINVAL,
			"a memory limit of %llu MiB is too small for a VM: it needs at least %llu MiB",
			(unsigned long long)limit,
			(unsigned long long)(overhead + VM_MEMORY_GUEST_MIB));
	*ret_mib = limit - overhead;
	return 0;
}

/**
 * sandbox_ram_for_limit() - how much RAM a VM of its own has for a container
 * @sb: sandbox whose accelerator is known
 * @limit_bytes: the container's limit
 * @ret_mib: receives it
 * @err: says how much a VM needs, when it is to be within a limit that is too small
 *
 * Return: 0 or -EINVAL.
 */
int sandbox_ram_for_limit(const struct sandbox *sb, int64_t limit_bytes, uint64_t *ret_mib,
			  struct err *err)
{
	struct vm_overhead overhead;

	if (!sb->size.on_top)
		return ram_within(sb, limit_bytes, ret_mib, err);
	/* What a kernel took for RAM that it gave back it keeps. */
	uint64_t described = MAX((uint64_t)limit_bytes, sb->size.most_mib << 20);
	vm_memory_on_top(described, sb->size.accel == VM_ACCEL_TCG, &overhead);
	*ret_mib = vm_memory_ram_mib((uint64_t)limit_bytes, &overhead);
	return 0;
}

static unsigned cache_for(const struct sandbox *sb, int64_t limit, bool of_members)
{
	struct vm_overhead overhead;

	if (of_members)
		return (unsigned)MIN(vm_memory_cache_mib((uint64_t)limit), VM_MEMORY_CACHE_POD_MIB);
	if (!sb->size.on_top)
		return (unsigned)vm_memory_cache_mib((uint64_t)limit);
	vm_memory_on_top((uint64_t)limit, true, &overhead);
	return (unsigned)overhead.cache;
}

static int size_memory(struct sandbox *sb, int64_t limit, bool of_members, struct vm_config *vm,
		       struct err *err)
{
	vm->tcg_cache_mib = cache_for(sb, limit, of_members);
	if (!of_members)
		return sandbox_ram_for_limit(sb, limit, &vm->memory.mib, err);
	vm->memory.mib = sandbox_ram_for_members((uint64_t)limit);
	return 0;
}

/* How many vCPUs the VM may have later. */
static void size_places(const struct sandbox *sb, struct vm_config *vm)
{
	uint64_t more = vm->memory.mib / SANDBOX_MIB_PER_PLACE;

	if (sb->kind == SANDBOX_KIND_POD && sb->config->runtime.static_sandbox_resource_mgmt)
		more = 0;
	vm->max_vcpus = (unsigned)MAX(MIN(vm->max_vcpus, vm->vcpus + more), vm->vcpus);
}

/**
 * sandbox_ram_for_members() - how much RAM a pod's VM needs
 * @bytes: what its containers may use together
 *
 * What the guest's kernel and agent use comes on top, as the VMM's own memory does: both are the
 * overhead that a RuntimeClass declares.
 *
 * Return: MiB.
 */
uint64_t sandbox_ram_for_members(uint64_t bytes)
{
	return VM_MEMORY_GUEST_MIB + (bytes >> 20) + (bytes % (1U << 20) != 0);
}

/**
 * sandbox_size_vm() - fit the VM into the limits of its container or pod
 * @sb: sandbox with its spec and accelerator
 * @ret: its vCPUs and memory are set
 * @err: says how much a VM needs when it is to be within a limit that is too small
 *
 * A single container's VM is on top of its limit (oci/vm_memory.c), or within it: then guest RAM
 * plus what the VMM itself needs is at most the limit, and the guest sees the memory that it can
 * really use. Either way the host's cgroup, which allows what sandbox_host_limits() says, never
 * kills a VM that keeps to it. A pod's annotations are the sum of what its containers may use, to
 * which the manager adds the overhead of the RuntimeClass for the pod's cgroup.
 *
 * Return: 0 or -EINVAL.
 */
int sandbox_size_vm(struct sandbox *sb, struct vm_config *ret, struct err *err)
{
	struct limits limits;
	int r = 0;

	find_limits(sb, &limits);
	sb->size.on_top = limits.single &&
			  sb->config->runtime.memory_limit == CONFIG_MEMORY_LIMIT_ON_TOP;
	if (limits.vcpus)
		ret->vcpus = MIN(limits.vcpus, sb->config->hypervisor.default_maxvcpus);
	/* Under emulation memory that might come later costs boot time now. */
	if (sb->size.accel == VM_ACCEL_TCG)
		ret->memory.slots = MIN(ret->memory.slots, SANDBOX_TCG_SLOTS);
	if (limits.memory > 0)
		r = size_memory(sb, limits.memory, limits.of_members, ret, err);
	if (r < 0)
		return r;
	size_places(sb, ret);
	ret->memory.max_mib = MAX(ret->memory.max_mib, ret->memory.mib);
	sb->size.max_vcpus = ret->max_vcpus;
	sb->size.now = (struct vm_size){ ret->vcpus, ret->memory.mib };
	sb->size.at_boot = sb->size.now;
	sb->size.most_mib = sb->size.now.memory_mib;
	/* What the driver chooses when nothing is said, too. */
	if (sb->size.accel == VM_ACCEL_TCG && !ret->tcg_cache_mib)
		ret->tcg_cache_mib = VM_MEMORY_CACHE_MAX_MIB;
	sb->size.vmm_mib = VM_MEMORY_VMM_MIB;
	if (sb->size.accel == VM_ACCEL_TCG)
		sb->size.vmm_mib += ret->tcg_cache_mib;
	return 0;
}

/**
 * sandbox_host_limits() - a container's limits as those of the host's cgroup of its VM
 * @sb: sandbox that was sized
 * @resources: limits, or NULL
 * @ram_mib: what the guest may have
 * @ret: holds the result, which points into @resources, too
 *
 * Return: @resources, or those with the VM's own needs on top.
 */
const struct oci_resources *sandbox_host_limits(const struct sandbox *sb,
						const struct oci_resources *resources,
						uint64_t ram_mib, struct sandbox_host_limits *ret)
{
	if (!sb->size.on_top || !resources || !resources->memory || !resources->memory->limit ||
	    *resources->memory->limit <= 0)
		return resources;
	ret->limit = (int64_t)((ram_mib + sb->size.vmm_mib) << 20);
	ret->memory = *resources->memory;
	ret->memory.limit = &ret->limit;
	ret->resources = *resources;
	ret->resources.memory = &ret->memory;
	return &ret->resources;
}

static uint64_t host_memory_mib(void)
{
	long pages = sysconf(_SC_PHYS_PAGES), size = sysconf(_SC_PAGESIZE);

	return pages > 0 && size > 0 ? (uint64_t)pages * (uint64_t)size >> 20 : 0;
}

/**
 * sandbox_vm_config() - the VM of a sandbox, without its devices, accelerator and descriptors
 * @sb: sandbox with its configuration
 * @ret: VM_CONFIG_NULL; strings are the configuration's
 */
void sandbox_vm_config(struct sandbox *sb, struct vm_config *ret)
{
	const struct config_hypervisor *hc = &sb->config->hypervisor;

	ret->name = sb->id;
	ret->path = hc->path;
	ret->machine_type = none_if_empty(hc->machine_type);
	ret->machine_accelerators = none_if_empty(hc->machine_accelerators);
	ret->cpu_model = none_if_empty(hc->cpu_model);
	ret->cpu_features = none_if_empty(hc->cpu_features);
	ret->firmware = none_if_empty(hc->firmware);
	ret->kernel = hc->kernel;
	ret->initrd = hc->initrd;
	ret->kernel_params = kernel_params(sb);
	ret->vcpus = hc->default_vcpus;
	ret->max_vcpus = hc->default_maxvcpus;
	ret->memory.mib = hc->default_memory;
	ret->memory.max_mib = hc->default_maxmemory ? hc->default_maxmemory : host_memory_mib();
	ret->memory.slots = hc->memory_slots;
	ret->memory.virtio_mem = hc->enable_virtio_mem;
	ret->memory.hugepages = hc->enable_hugepages;
	ret->memory.prealloc = hc->enable_mem_prealloc;
	/* What was taken in advance, or is scarce, might not be there a second time. */
	ret->memory.report_free_pages = hc->reclaim_guest_freed_memory &&
					!hc->enable_mem_prealloc && !hc->enable_hugepages;
	ret->bridges = hc->default_bridges;
	ret->seccomp_sandbox = hc->seccompsandbox;
	ret->entropy_source = none_if_empty(hc->entropy_source);
	ret->legacy_serial = hc->use_legacy_serial;
	ret->debug = hc->enable_debug;
}
