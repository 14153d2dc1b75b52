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
#include "sandbox/core/sandbox.h"
#include "sandbox/hypervisor/vm_config.h"

static const char *none_if_empty(const char *s)
{
	return str_empty(s) ? NULL : s;
}

static const char *kernel_params(struct sandbox *sb)
{
	const struct config *config = sb->config;
	char pipe_size[64] = "";

	if (config->agent.container_pipe_size)
		(void)snprintf(pipe_size, sizeof(pipe_size), " agent.container_pipe_size=%u",
			       config->agent.container_pipe_size);
	const char *params =
		arena_printf(sb->arena, "%s%s%s%s", config->hypervisor.kernel_params, pipe_size,
			     config->agent.enable_debug ? " agent.log=debug" : "",
			     config->agent.debug_console_enabled
				     ? " agent.debug_console agent.debug_console_vport=1026"
				     : "");

	return params ? params : config->hypervisor.kernel_params;
}

/*
 * What the pod or the single container may use: its annotations, or its own limits. 0: unlimited.
 * Return: is the memory what the members of a pod may use, the VM coming on top?
 */
static bool find_limits(struct sandbox *sb, int64_t *ret_memory, unsigned *ret_vcpus)
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
	*ret_memory = size.memory;
	*ret_vcpus = oci_sandbox_size_vcpus(&size);
	if (res && res->memory && res->memory->limit && *ret_memory <= 0)
		*ret_memory = *res->memory->limit;
	if (res && res->cpu && res->cpu->quota && !*ret_vcpus)
		*ret_vcpus = oci_cpu_count(*res->cpu->quota, oci_cpu_period(res->cpu));
	return sb->kind == SANDBOX_KIND_POD && size.memory > 0;
}

/* The emulator's translated code: enough for the boot and a shell, more where there is room. */
static unsigned tcg_cache_mib(int64_t limit_bytes)
{
	uint64_t share = (uint64_t)limit_bytes >> 23; /* an eighth */

	return (unsigned)MIN(MAX(share, SANDBOX_TCG_CACHE_MIN_MIB), SANDBOX_TCG_CACHE_MAX_MIB);
}

/**
 * sandbox_ram_for_limit() - how much RAM a VM may have
 * @accel: the emulator needs more memory than KVM does
 * @limit_bytes: what the VMM, its helpers and the guest may use together
 * @ret_mib: receives it
 * @err: says how much a VM needs when the limit is too small
 *
 * Return: 0 or -EINVAL.
 */
int sandbox_ram_for_limit(enum vm_accel accel, int64_t limit_bytes, uint64_t *ret_mib,
			  struct err *err)
{
	uint64_t overhead =
		SANDBOX_OVERHEAD_MIB + (accel == VM_ACCEL_TCG ? tcg_cache_mib(limit_bytes) : 0);
	uint64_t limit = (uint64_t)limit_bytes >> 20;

	if (limit < overhead + SANDBOX_GUEST_MIN_MIB)
		return err_set(
			err, EINVAL,
			"a memory limit of %llu MiB is too small for a VM: it needs at least %llu MiB",
			(unsigned long long)limit,
			(unsigned long long)(overhead + SANDBOX_GUEST_MIN_MIB));
	*ret_mib = limit - overhead;
	return 0;
}

static int size_memory(struct sandbox *sb, int64_t limit, bool of_members, struct vm_config *vm,
		       struct err *err)
{
	vm->tcg_cache_mib = tcg_cache_mib(limit);
	if (!of_members)
		return sandbox_ram_for_limit(sb->size.accel, limit, &vm->memory.mib, err);
	vm->tcg_cache_mib = MIN(vm->tcg_cache_mib, SANDBOX_POD_TCG_CACHE_MIB);
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
	return SANDBOX_GUEST_MIN_MIB + (bytes >> 20) + (bytes % (1U << 20) != 0);
}

/**
 * sandbox_size_vm() - fit the VM into the limits of its container or pod
 * @sb: sandbox with its spec and accelerator
 * @accel: the emulator needs more memory than KVM does
 * @ret: its vCPUs and memory are set
 * @err: says how much a VM needs when the limit is too small
 *
 * One rule for a single container: guest RAM plus what the VMM itself needs is at most the limit.
 * So the host's cgroup, which has the limit as its own, never kills a VM that keeps to it, and the
 * container sees the memory that it can really use. A pod's annotations are the sum of what its
 * containers may use, to which the manager adds the overhead of the RuntimeClass for the pod's
 * cgroup.
 *
 * Return: 0 or -EINVAL.
 */
int sandbox_size_vm(struct sandbox *sb, enum vm_accel accel, struct vm_config *ret, struct err *err)
{
	int64_t memory;
	unsigned vcpus;
	bool of_members = find_limits(sb, &memory, &vcpus);
	int r = 0;

	if (vcpus)
		ret->vcpus = MIN(vcpus, sb->config->hypervisor.default_maxvcpus);
	/* Under emulation memory that might come later costs boot time now. */
	if (accel == VM_ACCEL_TCG)
		ret->memory.slots = MIN(ret->memory.slots, SANDBOX_TCG_SLOTS);
	if (memory > 0)
		r = size_memory(sb, memory, of_members, ret, err);
	if (r < 0)
		return r;
	size_places(sb, ret);
	ret->memory.max_mib = MAX(ret->memory.max_mib, ret->memory.mib);
	sb->size.now = (struct vm_size){ ret->vcpus, ret->memory.mib };
	sb->size.at_boot = sb->size.now;
	return 0;
}

static uint64_t host_memory_mib(void)
{
	long pages = sysconf(_SC_PHYS_PAGES), size = sysconf(_SC_PAGESIZE);

	return pages > 0 && size > 0 ? (uint64_t)pages * (uint64_t)size >> 20 : 0;
}

/**
 * sandbox_vm_config() - the VM of a sandbox, without its devices and accelerator
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
	ret->memory.report_free_pages = hc->reclaim_guest_freed_memory;
	ret->bridges = hc->default_bridges;
	ret->seccomp_sandbox = hc->seccompsandbox;
	ret->entropy_source = none_if_empty(hc->entropy_source);
	ret->legacy_serial = hc->use_legacy_serial;
	ret->debug = hc->enable_debug;
	ret->netns_fd = sb->net.netns_fd;
	ret->cgroup_fds = sb->cgroup.now.procs_fds;
	ret->nr_cgroup_fds = sb->cgroup.now.nr;
}
