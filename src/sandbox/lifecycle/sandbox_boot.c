/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The start of a sandbox, top to bottom: helpers, network, VM, agent. Everything is connected
 * through inherited descriptors; no step polls for a path to appear.
 */
#include "sandbox/lifecycle/sandbox_boot.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "common/fd.h"
#include "common/log.h"
#include "common/str.h"
#include "config/config.h"
#include "host/hooks.h"
#include "host/kvm_verdict.h"
#include "host/program.h"
#include "jail/user.h"
#include "kata/guest.h"
#include "kata/state.h"
#include "sandbox/core/pid_thread.h"
#include "sandbox/core/sandbox.h"
#include "sandbox/hypervisor/vm_config.h"
#include "sandbox/lifecycle/agent_client.h"
#include "sandbox/lifecycle/boot.h"
#include "sandbox/lifecycle/clock_sync.h"
#include "sandbox/lifecycle/sandbox_cgroup.h"
#include "sandbox/lifecycle/sandbox_exit.h"
#include "sandbox/lifecycle/sandbox_record.h"
#include "sandbox/network/loopback.h"
#include "sandbox/network/network.h"
#include "sandbox/size/sandbox_size.h"

static int choose_accel(struct sandbox *sb, enum vm_accel *ret, struct err *err)
{
	struct kvm_probe probe = { 0 };
	const struct config_hypervisor *hypervisor = &sb->config->hypervisor;
	const char *setting = config_accel_name(hypervisor->accel);

	if (!str_eq(setting, "tcg"))
		kvm_verdict_get(KATA_DEFAULT_ROOT, &probe);
	int r = kvm_probe_choose(setting, hypervisor->allow_tcg, &probe, err);
	if (r < 0)
		return r;
	if (r == 0 && !str_eq(setting, "tcg"))
		log_warn("KVM is not usable here (%s): the VM is emulated by TCG, which is slow",
			 probe.detail);
	if (r == 1 && probe.result == KVM_PROBE_SLOW)
		log_info("KVM is used without a test: %s", probe.detail);
	*ret = r ? VM_ACCEL_KVM : VM_ACCEL_TCG;
	return 0;
}

static int prepare_network(struct boot *boot, unsigned vcpus, struct err *err)
{
	struct sandbox *sb = boot->sb;
	const struct config *config = sb->config;
	struct network_params params = {
		.netns_fd = sb->net.netns_fd,
		.joined = sb->net.netns_joined,
		.model = config->runtime.internetworking_model,
		.nr_queues = config->hypervisor.network_queues ? config->hypervisor.network_queues
							       : vcpus,
		.rx_rate = config->hypervisor.rx_rate_limiter_max_rate,
		.tx_rate = config->hypervisor.tx_rate_limiter_max_rate,
		.vhost = !config->hypervisor.disable_vhost_net,
	};

	if (sb->net.netns_fd < 0)
		return 0;
	int r = network_new(sb->loop, &params, &sb->net.network, err);
	if (r < 0)
		return r;
	boot->nr_devices += network_devices(sb->net.network, boot->devices + boot->nr_devices,
					    SANDBOX_DEVICES_MAX - boot->nr_devices);
	return 0;
}

/**
 * boot_size_vm() - the VM as it is before it has anything of its sandbox's
 * @boot: start; its vm is filled
 * @err: filled on failure
 *
 * Return: 0 or -errno.
 */
int boot_size_vm(struct boot *boot, struct err *err)
{
	struct sandbox *sb = boot->sb;
	int r = choose_accel(sb, &boot->vm.accel, err);

	if (r < 0)
		return r;
	sb->size.accel = boot->vm.accel;
	sandbox_vm_config(sb, &boot->vm);
	return sandbox_size_vm(sb, &boot->vm, err);
}

static int run_hooks(struct sandbox *sb, struct err *err)
{
	struct hook_owner owner = sandbox_hook_owner(sb);
	struct pid_thread *thread = NULL;
	int r = 0;

	/* Hooks that make the network find it by the number of a process, and there is none yet. */
	if (!owner.pid && sb->net.netns_fd >= 0 && sb->spec->hooks)
		r = pid_thread_new(sb->net.netns_fd, &thread);
	if (r < 0)
		return err_set_errno(err, r, "enter the network namespace");
	if (thread)
		owner.pid = (uint32_t)pid_thread_pid(thread);
	sb->first.hooks_begun = true;
	r = hooks_run_early(&owner, err);
	(void)pid_thread_free(thread);
	return r;
}

static int prepare_cgroup(struct sandbox *sb, struct err *err)
{
	const struct oci_linux *linux_ = sb->spec->linux_;
	struct sandbox_host_limits storage;
	int r = sandbox_cgroup_plan(sb, sb->id, sb->spec, &sb->cgroup.now, err);

	if (r >= 0)
		r = sandbox_record_write(sb, err);
	if (r >= 0)
		r = host_cgroup_create(&sb->cgroup.now,
				       sandbox_host_limits(sb, linux_ ? linux_->resources : NULL,
							   sb->size.now.memory_mib, &storage),
				       err);
	if (r >= 0)
		sandbox_cgroup_restrict(sb);
	if (r >= 0 && sb->first.host_pid) {
		r = host_cgroup_add(&sb->cgroup.now, (pid_t)sb->first.host_pid);
		if (r < 0)
			return err_set_errno(err, r, "move process %u into its cgroup",
					     sb->first.host_pid);
	}
	return r;
}

/*
 * A sandbox that lacks it works; only PortForward fails, and says so. Single containers are left
 * alone: their managers have no port-forward, and docker has listeners of its own in their
 * namespaces.
 */
static void serve_loopback(struct sandbox *sb)
{
	struct err err = ERR_NULL;

	if (sb->net.netns_fd < 0 || sb->kind != SANDBOX_KIND_POD)
		return;
	if (loopback_new(sb->loop, &sb->vsock.addr, sb->net.netns_fd, &sb->net.loopback, &err) < 0)
		log_info("ports of the guest's loopback cannot be forwarded: %s", err.text);
}

/* All that the VM is connected to, which a restored one need not wait for while it is loaded. */
static int prepare_devices(struct boot *boot, struct err *err)
{
	struct sandbox *sb = boot->sb;
	int r;

	sandbox_step(sb, "preparing vsock");
	r = boot_add_vsock(boot, err);
	if (r >= 0 && !boot_shares_by_9p(sb))
		r = boot_restore_begin(boot, err);
	if (r < 0)
		return r;
	sandbox_step(sb, "sharing the file system");
	r = boot_share_init(boot, err);
	if (r >= 0)
		r = boot_share_files(boot, err);
	if (r < 0)
		return r;
	sandbox_step(sb, "running hooks");
	r = run_hooks(sb, err);
	if (r < 0)
		return r;
	sandbox_step(sb, "preparing the network");
	return prepare_network(boot, boot->vm.vcpus, err);
}

static int boot_steps(struct boot *boot, struct err *err)
{
	struct sandbox *sb = boot->sb;
	int r;

	sandbox_step(sb, "sizing the VM");
	r = boot_size_vm(boot, err);
	if (r < 0)
		return r;
	sandbox_step(sb, "preparing the host's cgroup");
	r = prepare_cgroup(sb, err);
	if (r < 0)
		return r;
	boot_find_template(boot);
	r = boot_prepare_vm(boot, err);
	if (r >= 0)
		r = prepare_devices(boot, err);
	if (r >= 0)
		r = boot_start_vm(boot, err);
	if (r < 0)
		return r;
	host_cgroup_settle(&sb->cgroup.now);
	sandbox_step(sb, "waiting for the guest's agent");
	r = agent_client_connect(sb, boot->deadline_ns, err);
	if (r < 0)
		return r;
	sandbox_step(sb, "setting the guest's clock");
	r = clock_sync_new(sb->loop, sb->agent, sb->vmm_pid, boot->deadline_ns, &sb->clock, err);
	if (r < 0)
		return r;
	sandbox_step(sb, "creating the sandbox in the guest");
	r = agent_client_create_sandbox(sb, boot->deadline_ns, err);
	if (r < 0)
		return r;
	sandbox_step(sb, "configuring the guest's network");
	r = network_configure_guest(sb->net.network, sb->agent, boot->deadline_ns, err);
	if (r >= 0)
		r = network_watch(sb->net.network, sb->hv, sb->agent, err);
	if (r < 0)
		return r;
	serve_loopback(sb);
	r = agent_client_watch_oom(sb);
	return r < 0 ? err_set_errno(err, r, "watch memory of the guest") : 0;
}

/**
 * sandbox_boot() - start everything a sandbox needs
 * @sb: sandbox with its parameters and configuration
 * @deadline_ns: absolute time for the whole start
 * @err: filled on failure; sb->start.step says during what
 *
 * What was started before a failure is left to sandbox_shut_down().
 *
 * Return: 0 or -errno.
 */
int sandbox_boot(struct sandbox *sb, uint64_t deadline_ns, struct err *err)
{
	struct boot boot = {
		.sb = sb,
		.deadline_ns = deadline_ns,
		.fs_fds = { -1, -1 },
		.vsock_fd = -1,
		.vm = VM_CONFIG_NULL,
		.template = TEMPLATE_START_NULL,
		.maker_fd = -1,
	};
	int r = boot_steps(&boot, err);

	boot_end(&boot, r >= 0);
	return r;
}
