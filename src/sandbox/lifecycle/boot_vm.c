/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The VM of a sandbox: restored from a template where there is one, otherwise booted. A template that
 * does not do is thrown away, and the same start goes on with a cold boot.
 */
#include <errno.h>
#include <string.h>

#include "common/fd.h"
#include "common/log.h"
#include "common/str.h"
#include "config/config.h"
#include "sandbox/core/vm_jail.h"
#include "sandbox/lifecycle/boot.h"
#include "sandbox/lifecycle/sandbox_exit.h"
#include "sandbox/lifecycle/sandbox_stop.h"
#include "sandbox/network/network.h"
#include "sandbox/template/template_maker.h"
#include "sandbox/template/template_store.h"

/**
 * boot_template_obstacle() - what of a VM no template can have
 * @vm: VM
 *
 * Return: its name, or NULL.
 */
const char *boot_template_obstacle(const struct vm_config *vm)
{
	if (vm->memory.hugepages)
		return "enable_hugepages";
	if (vm->memory.prealloc)
		return "enable_mem_prealloc";
	if (vm->memory.virtio_mem)
		return "enable_virtio_mem";
	if (vm->legacy_serial)
		return "use_legacy_serial";
	return str_empty(vm->initrd) ? "no initrd" : NULL;
}

static void order_template(struct boot *boot)
{
	const struct template_order order = { .store = boot->sb->config->factory.template_path,
					      .vm = boot->vm,
					      .config = &boot->sb->config->hypervisor };
	struct template_start *template = &boot->template;
	struct err err = ERR_NULL;

	if (template_store_has_failed(template->store_fd, *template->key ? template->key : "key"))
		return;
	if (template_maker_new(&order, &boot->maker_fd, &err) < 0)
		log_debug("no template will be made: %s", err.text);
}

/**
 * boot_find_template() - look for a template, and begin to copy it; or have one made
 * @boot: start whose VM has its size and its cgroup, and nothing of its sandbox's
 */
void boot_find_template(struct boot *boot)
{
	struct sandbox *sb = boot->sb;
	const struct template_payer payer = { sb->cgroup.now.procs_fds, sb->cgroup.now.nr };
	const char *obstacle = boot_template_obstacle(&boot->vm);
	struct err err = ERR_NULL;

	if (!sb->config->factory.enable_template)
		return;
	if (obstacle) {
		log_debug("no template: %s", obstacle);
		return;
	}
	sandbox_step(sb, "looking for a template");
	int r = template_start_find(sb->config->factory.template_path, &boot->vm, &boot->template);
	if (r >= 0 && template_start_copy(&boot->template, &payer, &err) < 0) {
		log_debug("no start from the template: %s", err.text);
		template_start_deinit(&boot->template);
	}
	if (r == -ENOENT || r == -EAGAIN)
		order_template(boot);
	if (r < 0)
		template_start_deinit(&boot->template);
}

static int claim_jail(struct boot *boot, struct err *err)
{
	struct sandbox *sb = boot->sb;
	const struct config_hypervisor *hc = &sb->config->hypervisor;

	if (hc->rootless && !hc->jail)
		return err_set(err, EINVAL,
			       "rootless = true: QEMU gets a user of its own with its jail, but "
			       "jail = false");
	if (!hc->jail) {
		log_warn("QEMU runs as root of the host: \"jail = false\" in the configuration");
		return 0;
	}
	sb->helpers.user_fd = vm_jail_claim(hc, &boot->jail, err);
	if (sb->helpers.user_fd < 0)
		return sb->helpers.user_fd;
	boot->vm.jail = &boot->jail;
	return 0;
}

/**
 * boot_prepare_vm() - give the VM what confines it
 * @boot: start whose VM has its size and its cgroup
 * @err: filled on failure
 *
 * Return: 0 or -errno.
 */
int boot_prepare_vm(struct boot *boot, struct err *err)
{
	struct sandbox *sb = boot->sb;
	struct vm_config *vm = &boot->vm;

	vm->netns_fd = sb->net.netns_fd;
	vm->cgroup_fds = sb->cgroup.now.procs_fds;
	vm->nr_cgroup_fds = sb->cgroup.now.nr;
	return claim_jail(boot, err);
}

/**
 * boot_launch() - start the VMM with the devices that are there
 * @boot: start
 * @deadline_ns: absolute time
 * @err: filled on failure
 *
 * Return: 0 or -errno.
 */
int boot_launch(struct boot *boot, uint64_t deadline_ns, struct err *err)
{
	struct sandbox *sb = boot->sb;
	struct vm_config *vm = &boot->vm;

	vm->devices = boot->devices;
	vm->nr_devices = boot->nr_devices;
	int r = hypervisor_create(sb->driver, sb->loop, vm, sandbox_on_vm_event, sb, &sb->hv, err);
	return r < 0 ? r : hypervisor_start(sb->hv, deadline_ns, err);
}

static int boot_cold(struct boot *boot, struct err *err)
{
	struct vm_config *vm = &boot->vm;

	vm->restore = NULL;
	vm->memory.fd = -1;
	if (vm->secret) {
		vm->kernel_params =
			arena_printf(boot->sb->arena, "%s agent.secret=console", vm->kernel_params);
		if (!vm->kernel_params)
			return err_set_errno(err, -ENOMEM, "kernel parameters");
	}
	return boot_launch(boot, boot->deadline_ns, err);
}

/* Those that a QEMU was connected to end with it. */
static int renew_helpers(struct boot *boot, struct err *err)
{
	struct sandbox *sb = boot->sb;
	struct vm_device kept[SANDBOX_DEVICES_MAX];
	struct err ignored = ERR_NULL;
	size_t nr = 0;

	for (size_t i = 0; i < boot->nr_devices; i++)
		if (boot->devices[i].type == VM_DEVICE_NET)
			kept[nr++] = boot->devices[i];
	if (sb->hv && hypervisor_stop(sb->hv, 0, &ignored) < 0)
		log_debug("stop VM: %s", ignored.text);
	sb->hv = hypervisor_destroy(sb->hv);
	sandbox_end_helpers(sb);
	for (size_t i = 0; i < SANDBOX_EXPORTS; i++)
		boot->fs_fds[i] = fd_close(boot->fs_fds[i]);
	boot->vsock_fd = fd_close(boot->vsock_fd);
	sb->vsock.dir_fd = fd_close(sb->vsock.dir_fd);
	sb->start.restore_failed = sb->start.agent_listens = false;
	boot->nr_devices = 0;
	int r = boot_add_vsock(boot, err);
	if (r >= 0)
		r = boot_share_files(boot, err);
	if (r < 0 || boot->nr_devices + nr > SANDBOX_DEVICES_MAX)
		return r < 0 ? r : err_set(err, ENOSPC, "too many devices");
	memcpy(boot->devices + boot->nr_devices, kept, nr * sizeof(*kept));
	boot->nr_devices += nr;
	return 0;
}

static int start_somehow(struct boot *boot, struct err *err)
{
	struct sandbox *sb = boot->sb;

	if (boot->template.memory_fd >= 0) {
		int r = boot_restore_finish(boot, err);

		if (r >= 0 || r == -ECANCELED)
			return r;
		template_start_discard(&boot->template, err->text);
		*err = ERR_NULL;
		sandbox_step(sb, "starting without the template");
		r = renew_helpers(boot, err);
		if (r < 0)
			return r;
	}
	sandbox_step(sb, "starting the VM");
	return boot_cold(boot, err);
}

/**
 * boot_start_vm() - start the VM with all devices of the sandbox
 * @boot: start
 * @err: filled on failure
 *
 * Return: 0 or -errno.
 */
int boot_start_vm(struct boot *boot, struct err *err)
{
	struct sandbox *sb = boot->sb;
	int r = start_somehow(boot, err);

	if (r < 0)
		return r;
	network_find_devices(sb->net.network, boot->devices, boot->nr_devices);
	struct vm_info *info = arena_alloc(sb->arena, sizeof(*info));
	if (!info)
		return err_set(err, ENOMEM, "out of memory");
	r = hypervisor_info(sb->hv, info, boot->deadline_ns, err);
	sb->vmm_pid = info->pid;
	return r;
}

/**
 * boot_end() - release what only the start needed
 * @boot: start
 * @good: the sandbox runs
 */
void boot_end(struct boot *boot, bool good)
{
	boot_restore_end(boot);
	template_start_deinit(&boot->template);
	/* QEMU has its duplicates by now. Otherwise the helpers end, which is not why the start failed. */
	for (size_t i = 0; i < SANDBOX_EXPORTS; i++)
		(void)fd_close(boot->fs_fds[i]);
	(void)fd_close(boot->vsock_fd);
	if (good)
		template_maker_go(TAKE_FD(boot->maker_fd));
	(void)fd_close(boot->maker_fd);
}
