/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The driver that runs nothing: every call waits a moment, as for an answer, succeeds and is
 * remembered. Tests of the sandbox core use it, and it shows the least a driver must do.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "common/fiber.h"
#include "common/str.h"
#include "sandbox/hypervisor/hypervisor_driver.h"
#include "sandbox/hypervisor/vm_config.h"

#define NULL_DEVICES_MAX 32

struct null_vm {
	struct hypervisor base;
	struct vm_size size;
	char ids[NULL_DEVICES_MAX][VM_ID_MAX + 1];
};

static struct null_vm *null_vm(struct hypervisor *hv)
{
	return container_of(hv, struct null_vm, base);
}

/* What is reached by @hv may have changed afterwards. */
static void null_wait(void)
{
	if (fiber_self())
		(void)fiber_sleep_until(loop_now_ns()); /* cancelled or not */
}

static int null_probe(const struct vm_config *config, struct hypervisor_caps *ret, struct err *err)
{
	(void)config;
	(void)err;
	*ret = (struct hypervisor_caps){ .version = "1.0", .major = 1 };
	return 0;
}

static int null_create(struct loop *loop, struct hypervisor **ret, struct err *err)
{
	struct null_vm *vm = calloc(1, sizeof(*vm));

	(void)loop;
	if (!vm)
		return err_set(err, ENOMEM, "out of memory");
	*ret = &vm->base;
	return 0;
}

/* Return: index of @id, or -ENODEV; with "" a free place. */
static int null_find(const struct null_vm *vm, const char *id)
{
	for (int i = 0; i < NULL_DEVICES_MAX; i++)
		if (str_eq(vm->ids[i], id))
			return i;
	return -ENODEV;
}

static int null_attach(struct hypervisor *hv, struct vm_device *dev, uint64_t deadline_ns,
		       struct err *err)
{
	struct null_vm *vm = null_vm(hv);

	(void)deadline_ns;
	null_wait();
	int i = null_find(vm, "");
	if (i < 0)
		return err_set(err, ENOSPC, "no room for device %s", dev->id);
	if (null_find(vm, dev->id) >= 0)
		return err_set(err, EEXIST, "device %s exists", dev->id);
	(void)snprintf(vm->ids[i], sizeof(vm->ids[i]), "%s", dev->id);
	(void)snprintf(dev->guest_path, sizeof(dev->guest_path), "%02x", i);
	return 0;
}

static int null_start(struct hypervisor *hv, uint64_t deadline_ns, struct err *err)
{
	struct null_vm *vm = null_vm(hv);

	null_wait();
	vm->size = (struct vm_size){ .vcpus = hv->config->vcpus,
				     .memory_mib = hv->config->memory.mib };
	for (size_t i = 0; i < hv->config->nr_devices; i++) {
		int r = null_attach(hv, &hv->config->devices[i], deadline_ns, err);

		if (r < 0)
			return r;
	}
	hypervisor_set_state(hv, HYPERVISOR_STATE_RUNNING);
	return 0;
}

static int null_detach(struct hypervisor *hv, const char *id, uint64_t deadline_ns, struct err *err)
{
	struct null_vm *vm = null_vm(hv);

	(void)deadline_ns;
	null_wait();
	int i = *id ? null_find(vm, id) : -ENODEV;
	if (i < 0)
		return err_set(err, ENODEV, "there is no device %s", id);
	vm->ids[i][0] = '\0';
	return 0;
}

static int null_set_link(struct hypervisor *hv, const char *id, bool up, uint64_t deadline_ns,
			 struct err *err)
{
	(void)up;
	(void)deadline_ns;
	null_wait();
	if (!*id || null_find(null_vm(hv), id) < 0)
		return err_set(err, ENODEV, "there is no device %s", id);
	return 0;
}

static int null_set_paused(struct hypervisor *hv, bool paused, uint64_t deadline_ns,
			   struct err *err)
{
	(void)deadline_ns;
	(void)err;
	null_wait();
	hypervisor_set_state(hv, paused ? HYPERVISOR_STATE_PAUSED : HYPERVISOR_STATE_RUNNING);
	return 0;
}

static int null_resize(struct hypervisor *hv, const struct vm_size *want, struct vm_size *ret,
		       uint64_t deadline_ns, struct err *err)
{
	struct null_vm *vm = null_vm(hv);

	(void)deadline_ns;
	(void)err;
	null_wait();
	if (want->vcpus)
		vm->size.vcpus = want->vcpus;
	if (want->memory_mib)
		vm->size.memory_mib = want->memory_mib;
	*ret = vm->size;
	return 0;
}

static int null_save(struct hypervisor *hv, int fd, uint64_t deadline_ns, struct err *err)
{
	(void)deadline_ns;
	if (write(fd, "null", 4) != 4)
		return err_set_errno(err, -errno, "save");
	hypervisor_set_state(hv, HYPERVISOR_STATE_PAUSED);
	return 0;
}

static int null_info(struct hypervisor *hv, struct vm_info *ret, uint64_t deadline_ns,
		     struct err *err)
{
	(void)deadline_ns;
	(void)err;
	null_wait();
	*ret = (struct vm_info){ .pid = getpid(), .size = null_vm(hv)->size };
	return 0;
}

static size_t null_console(struct hypervisor *hv, char *buf, size_t len)
{
	(void)hv;
	(void)buf;
	(void)len;
	return 0;
}

static int null_stop(struct hypervisor *hv, uint64_t deadline_ns, struct err *err)
{
	(void)deadline_ns;
	(void)err;
	null_wait();
	if (hv->state == HYPERVISOR_STATE_DEAD)
		return 0;
	hypervisor_set_state(hv, HYPERVISOR_STATE_DEAD);
	hypervisor_emit(hv, VM_EVENT_EXITED, "stopped");
	return 0;
}

static void null_destroy(struct hypervisor *hv)
{
	free(null_vm(hv));
}

const struct hypervisor_ops null_ops = {
	.name = "null",
	.probe = null_probe,
	.create = null_create,
	.start = null_start,
	.attach = null_attach,
	.detach = null_detach,
	.set_link = null_set_link,
	.set_paused = null_set_paused,
	.resize = null_resize,
	.save = null_save,
	.info = null_info,
	.console = null_console,
	.stop = null_stop,
	.destroy = null_destroy,
};
