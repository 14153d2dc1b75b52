/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A VM from a template. QEMU starts and loads it in a fiber of its own, while helpers, hooks and the
 * network are prepared: what they give it is plugged last. Its devices that QEMU must begin with, all
 * but those, have to be there before.
 */
#include <errno.h>

#include "common/fiber.h"
#include "sandbox/hypervisor/hypervisor.h"
#include "sandbox/lifecycle/boot.h"

/* It answers in some tenths of a second, but on a busy host; a boot must fit behind it. */
static uint64_t half_of_the_rest(const struct boot *boot)
{
	uint64_t now_ns = loop_now_ns();

	return now_ns + (boot->deadline_ns > now_ns ? boot->deadline_ns - now_ns : 0) / 2;
}

/* What is prepared meanwhile has the deadline of the whole start. */
static int await_devices(void *arg, uint64_t *deadline_ns, struct err *err)
{
	struct boot *boot = container_of(arg, struct boot, template);

	while (!boot->restore.has_devices) {
		int r = fiber_cond_wait(&boot->restore.changed, boot->deadline_ns);

		if (r < 0)
			return err_set_errno(err, r, "wait for its devices");
	}
	*deadline_ns = half_of_the_rest(boot);
	return 0;
}

static void restore_main(void *arg)
{
	struct boot *boot = arg;
	struct boot_restore *restore = &boot->restore;

	restore->r = boot_launch(boot, half_of_the_rest(boot), &restore->err);
}

/**
 * boot_restore_begin() - begin to restore the VM, if there is a template
 * @boot: start whose VM is prepared, with the devices that QEMU must begin with
 * @err: filled on failure
 *
 * boot_restore_finish() or boot_restore_end() is due.
 *
 * Return: 0 or -errno.
 */
int boot_restore_begin(struct boot *boot, struct err *err)
{
	struct template_start *template = &boot->template;
	struct boot_restore *restore = &boot->restore;

	if (template->memory_fd < 0 || restore->fiber)
		return 0;
	template->secret = boot->vm.secret;
	template->restore.await_devices = await_devices;
	boot->vm.restore = &template->restore;
	boot->vm.memory.fd = template->memory_fd;
	boot->sb->start.restoring = true;
	fiber_cond_init(&restore->changed);
	int r = fiber_spawn(boot->sb->loop, "restore", restore_main, boot, &restore->fiber);
	return r < 0 ? err_set_errno(err, r, "restore the VM") : 0;
}

static int await_agent(struct sandbox *sb, uint64_t deadline_ns, struct err *err)
{
	while (!sb->start.agent_listens && !sb->start.restore_failed) {
		int r = fiber_cond_wait(&sb->start.agent_changed, deadline_ns);

		if (r < 0)
			return err_set_errno(err, r, "wait for its agent");
	}
	return sb->start.restore_failed ? err_set(err, EIO, "its VM or a helper ended") : 0;
}

static int join(struct boot *boot, struct err *err)
{
	struct boot_restore *restore = &boot->restore;
	int r = fiber_join(restore->fiber, LOOP_FOREVER);

	if (r < 0)
		return err_set_errno(err, r, "wait for the VM");
	restore->fiber = NULL;
	if (restore->r < 0)
		*err = restore->err;
	return restore->r;
}

/**
 * boot_restore_finish() - give the VM the rest of its devices, and wait for its agent
 * @boot: start with all devices
 * @err: filled on failure
 *
 * Return: 0 or -errno; -ECANCELED is of the start, not of the template.
 */
int boot_restore_finish(struct boot *boot, struct err *err)
{
	struct sandbox *sb = boot->sb;

	sandbox_step(sb, "restoring the VM");
	int r = boot_restore_begin(boot, err);
	if (r < 0)
		return r;
	boot->vm.nr_devices = boot->nr_devices;
	boot->restore.has_devices = true;
	fiber_cond_broadcast(&boot->restore.changed);
	r = join(boot, err);
	if (r >= 0) {
		sandbox_step(sb, "waking the guest");
		r = await_agent(sb, half_of_the_rest(boot), err);
	}
	sb->start.restoring = false;
	return r;
}

/**
 * boot_restore_end() - give up what has not been finished
 * @boot: start
 *
 * In a fiber when it was begun.
 */
void boot_restore_end(struct boot *boot)
{
	struct boot_restore *restore = &boot->restore;

	if (!restore->fiber)
		return;
	bool masked = fiber_mask_cancel(true);
	fiber_cancel(restore->fiber);
	(void)fiber_join(restore->fiber, LOOP_FOREVER); /* its waits end, and QEMU's life */
	restore->fiber = NULL;
	boot->sb->start.restoring = false;
	(void)fiber_mask_cancel(masked);
}
