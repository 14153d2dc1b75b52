/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Devices plugged into and taken out of a running QEMU. Descriptors go over the QMP socket first,
 * then the back end is made from them, then the front end; taking away goes the other way round and
 * waits for the guest in between.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/json.h"
#include "common/str.h"
#include "sandbox/hypervisor/qemu.h"
#include "sandbox/hypervisor/qmp.h"

/* Undoing a failed step gets its own time: the caller's may be over. */
#define UNDO_MS 2000
/* ACPI 6.5, 6.3.5: _OST */
#define OST_SOURCE_EJECT 3
#define OST_SUCCESS 0
#define OST_IN_PROGRESS 0x84
#define FD_NAME_PREFIX "kfd" /* getfd names must not begin with a digit */

/**
 * qemu_device_new() - remember something that can be taken away
 * @qemu: VM
 * @id: its id, checked
 * @prefix: of its id in QEMU
 *
 * Return: the record, linked; NULL when there is no memory.
 */
struct qemu_device *qemu_device_new(struct qemu *qemu, const char *id, const char *prefix)
{
	struct qemu_device *device = calloc(1, sizeof(*device));

	if (!device)
		return NULL;
	(void)snprintf(device->id, sizeof(device->id), "%s", id);
	qemu_device_name(prefix, id, device->qemu_id);
	list_add_tail(&qemu->devices, &device->node);
	return device;
}

/**
 * qemu_device_forget() - drop a record, and its PCI address
 * @qemu: VM
 * @device: record; gone afterwards
 */
void qemu_device_forget(struct qemu *qemu, struct qemu_device *device)
{
	list_del(&device->node);
	if (!device->is_cpu)
		qemu_pci_release(&qemu->pci, &device->slot);
	free(device);
}

static struct qemu_device *find_device(struct qemu *qemu, const char *id)
{
	list_for_each(pos, &qemu->devices) {
		struct qemu_device *device = list_entry(pos, struct qemu_device, node);

		if (!device->is_cpu && str_eq(device->id, id))
			return device;
	}
	return NULL;
}

/**
 * qemu_adopt_device() - remember a cold-plugged device
 * @qemu: VM
 * @dev: device, checked
 * @slot: its address
 * @fdset: of a block device, else 0
 *
 * Return: 0 or -ENOMEM.
 */
int qemu_adopt_device(struct qemu *qemu, const struct vm_device *dev, const struct qemu_slot *slot,
		      unsigned fdset)
{
	struct qemu_device *device = qemu_device_new(qemu, dev->id, "dev");

	if (!device)
		return -ENOMEM;
	device->type = dev->type;
	device->slot = *slot;
	device->fdset = fdset;
	device->has_chardev = qemu_device_has_chardev(dev);
	return 0;
}

/* Gives QEMU a descriptor under a fresh name, appended to the ':'-list @names. */
static int send_fd(struct qemu *qemu, int fd, char *names, size_t len, uint64_t deadline_ns,
		   struct err *err)
{
	char arguments[64], name[24];
	const struct qmp_command command = {
		.name = "getfd", .arguments = arguments, .fds = &fd, .nr_fds = 1
	};
	size_t used = strlen(names);
	int r;

	(void)snprintf(name, sizeof(name), FD_NAME_PREFIX "%u", qemu->next_fd++);
	(void)snprintf(arguments, sizeof(arguments), "{\"fdname\":\"%s\"}", name);
	r = qmp_execute(qemu->qmp, &command, NULL, NULL, deadline_ns, err);
	if (r >= 0)
		(void)snprintf(names + used, len - used, "%s%s", used ? ":" : "", name);
	return r;
}

static int send_fds(struct qemu *qemu, const int *fds, unsigned nr, char *names, size_t len,
		    uint64_t deadline_ns, struct err *err)
{
	int r = 0;

	for (unsigned i = 0; i < nr && r >= 0; i++)
		r = send_fd(qemu, fds[i], names, len, deadline_ns, err);
	return r;
}

static int add_fdset(struct qemu *qemu, const struct vm_device *dev, unsigned fdset,
		     uint64_t deadline_ns, struct err *err)
{
	char arguments[48];
	const struct qmp_command command = {
		.name = "add-fd",
		.arguments = arguments,
		.fds = &dev->block.fd,
		.nr_fds = 1,
	};

	(void)snprintf(arguments, sizeof(arguments), "{\"fdset-id\":%u}", fdset);
	return qmp_execute(qemu->qmp, &command, NULL, NULL, deadline_ns, err);
}

static int add_backend(struct qemu *qemu, struct qemu_device *device, const struct vm_device *dev,
		       struct qemu_fd_text *text, uint64_t deadline_ns, struct err *err)
{
	cleanup_strbuf struct strbuf json = STRBUF_NULL;
	const char *command;
	int r;

	if (dev->type == VM_DEVICE_NET) {
		command = "netdev_add";
		r = send_fds(qemu, dev->net.tap_fds, dev->net.nr_queues, text->fds,
			     sizeof(text->fds), deadline_ns, err);
		if (r >= 0 && dev->net.vhost)
			r = send_fds(qemu, dev->net.vhost_fds, dev->net.nr_queues, text->vhost_fds,
				     sizeof(text->vhost_fds), deadline_ns, err);
		if (r >= 0)
			r = qemu_netdev_json(dev, text, &json);
	} else if (dev->type == VM_DEVICE_BLOCK) {
		command = "blockdev-add";
		r = add_fdset(qemu, dev, device->fdset, deadline_ns, err);
		if (r >= 0)
			r = qemu_blockdev_json(dev, device->fdset, &json, err);
	} else if (device->has_chardev) {
		command = "chardev-add";
		r = send_fd(qemu, dev->type == VM_DEVICE_FS ? dev->fs.fd : dev->vsock.fd, text->fds,
			    sizeof(text->fds), deadline_ns, err);
		if (r >= 0)
			r = qemu_chardev_json(dev, text, &json);
	} else { /* kernel vsock: the device itself takes the descriptor */
		return send_fd(qemu, dev->vsock.fd, text->fds, sizeof(text->fds), deadline_ns, err);
	}
	if (r < 0)
		return err->code ? r : err_set_errno(err, r, "device %s", dev->id);
	return qemu_command(qemu, command, json.data, deadline_ns, err);
}

static void command_with_name(struct qemu *qemu, const char *command, const char *key,
			      const char *prefix, const struct qemu_device *device,
			      uint64_t deadline_ns)
{
	char arguments[80], name[QEMU_NAME_MAX];
	struct err ignored = ERR_NULL;

	qemu_device_name(prefix, device->id, name);
	(void)snprintf(arguments, sizeof(arguments), "{\"%s\":\"%s\"}", key, name);
	/*
	 * In an unwind, or after the front end is gone: what stays costs a little memory until QEMU
	 * ends.
	 */
	(void)qemu_command(qemu, command, arguments, deadline_ns, &ignored);
}

static void remove_backend(struct qemu *qemu, const struct qemu_device *device)
{
	uint64_t deadline_ns = loop_deadline_ms(UNDO_MS);
	struct err ignored = ERR_NULL;
	char arguments[48];
	bool masked = fiber_mask_cancel(true);

	if (device->type == VM_DEVICE_NET)
		command_with_name(qemu, "netdev_del", "id", "net", device, deadline_ns);
	else if (device->has_chardev)
		command_with_name(qemu, "chardev-remove", "id", "chr", device, deadline_ns);
	if (device->fdset) {
		command_with_name(qemu, "blockdev-del", "node-name", "blk", device, deadline_ns);
		(void)snprintf(arguments, sizeof(arguments), "{\"fdset-id\":%u}", device->fdset);
		/* as above */
		(void)qemu_command(qemu, "remove-fd", arguments, deadline_ns, &ignored);
	}
	(void)fiber_mask_cancel(masked);
}

/*
 * Closes what getfd left behind when nobody took it; QEMU says "not found" for those that were
 * taken.
 */
static void close_sent_fds(struct qemu *qemu, const char *names)
{
	bool masked = fiber_mask_cancel(true);
	uint64_t deadline_ns = loop_deadline_ms(UNDO_MS);

	while (*names) {
		size_t len = strcspn(names, ":");
		struct err ignored = ERR_NULL;
		char arguments[64];

		(void)snprintf(arguments, sizeof(arguments), "{\"fdname\":\"%.*s\"}", (int)len,
			       names);
		(void)qemu_command(qemu, "closefd", arguments, deadline_ns, &ignored);
		names += len + (names[len] == ':');
	}
	(void)fiber_mask_cancel(masked);
}

static int plug(struct qemu *qemu, struct qemu_device *device, const struct vm_device *dev,
		uint64_t deadline_ns, struct err *err)
{
	cleanup_strbuf struct strbuf json = STRBUF_NULL;
	struct qemu_fd_text text = { 0 };
	int r = add_backend(qemu, device, dev, &text, deadline_ns, err);

	if (r >= 0) {
		r = qemu_device_json(dev, &qemu->pci, &device->slot, &text, &json);
		r = r < 0 ? err_set_errno(err, r, "device %s", dev->id)
			  : qemu_command(qemu, "device_add", json.data, deadline_ns, err);
	}
	if (r < 0) {
		remove_backend(qemu, device);
		close_sent_fds(qemu, text.fds);
		close_sent_fds(qemu, text.vhost_fds);
	}
	return r;
}

static int attach_locked(struct qemu *qemu, struct vm_device *dev, uint64_t deadline_ns,
			 struct err *err)
{
	struct qemu_device *device;
	struct qemu_slot slot;
	int r;

	if (find_device(qemu, dev->id))
		return err_set(err, EEXIST, "device %s is attached already", dev->id);
	if (qemu_pci_count_free(&qemu->pci) <= dev->leave_free ||
	    qemu_pci_take(&qemu->pci, true, &slot) < 0)
		return err_set(err, ENOSPC,
			       "device %s: no free PCI slot (default_bridges gives more)", dev->id);
	device = qemu_device_new(qemu, dev->id, "dev");
	if (!device) {
		qemu_pci_release(&qemu->pci, &slot);
		return err_set(err, ENOMEM, "out of memory");
	}
	device->type = dev->type;
	device->slot = slot;
	device->has_chardev = qemu_device_has_chardev(dev);
	if (dev->type == VM_DEVICE_BLOCK)
		device->fdset = qemu->next_fdset++;
	*err = ERR_NULL;
	r = plug(qemu, device, dev, deadline_ns, err);
	if (r < 0) {
		qemu_device_forget(qemu, device);
		return err_wrap(err, "plug device %s", dev->id);
	}
	qemu_pci_guest_path(&qemu->pci, &slot, dev->guest_path, sizeof(dev->guest_path));
	return 0;
}

/**
 * qemu_attach() - the driver's attach slot
 * @hv: VM
 * @dev: device
 * @deadline_ns: absolute time
 * @err: filled on failure
 *
 * Return: 0 or -errno.
 */
int qemu_attach(struct hypervisor *hv, struct vm_device *dev, uint64_t deadline_ns, struct err *err)
{
	struct qemu *qemu = qemu_of(hv);
	int r = qemu_device_check(dev, err);

	if (r < 0)
		return r;
	if (dev->type == VM_DEVICE_9P)
		return err_set(err, EOPNOTSUPP, "device %s: not supported: hot-plug of 9p",
			       dev->id);
	r = fiber_lock(&qemu->plugging, deadline_ns);
	if (r < 0)
		return err_set_errno(err, r, "plug device %s", dev->id);
	r = attach_locked(qemu, dev, deadline_ns, err);
	fiber_unlock(&qemu->plugging);
	return r;
}

/**
 * qemu_unplug() - ask the guest for a device and wait until it let go
 * @qemu: VM; the caller holds @plugging, so the record cannot vanish
 * @device: record; the caller forgets it after success
 * @deadline_ns: absolute time
 * @err: filled on failure
 *
 * A device the guest has not answered about stays asked for: the next call goes on waiting.
 *
 * Return: 0, -EBUSY when the guest refused, -ETIMEDOUT, or -errno.
 */
int qemu_unplug(struct qemu *qemu, struct qemu_device *device, uint64_t deadline_ns,
		struct err *err)
{
	char arguments[64];
	int r;

	if (device->unplug == QEMU_UNPLUG_NONE || device->unplug == QEMU_UNPLUG_REFUSED) {
		(void)snprintf(arguments, sizeof(arguments), "{\"id\":\"%s\"}", device->qemu_id);
		device->unplug = QEMU_UNPLUG_ASKED; /* the event may come before the answer */
		r = qemu_command(qemu, "device_del", arguments, deadline_ns, err);
		if (r < 0 && device->unplug == QEMU_UNPLUG_ASKED) {
			if (r != -ETIMEDOUT && r != -ECANCELED)
				device->unplug = QEMU_UNPLUG_NONE;
			return err_wrap(err, "unplug device %s", device->id);
		}
	}
	while (device->unplug == QEMU_UNPLUG_ASKED && !qemu->exited) {
		r = fiber_cond_wait(&qemu->changed, deadline_ns);
		if (r < 0)
			return err_set_errno(err, r,
					     "unplug device %s: the guest does not let go of it",
					     device->qemu_id);
	}
	if (device->unplug == QEMU_UNPLUG_REFUSED)
		return err_set(err, EBUSY, "unplug device %s: the guest refused", device->qemu_id);
	return qemu->exited
		       ? err_set(err, ESHUTDOWN, "unplug device %s: the VM has ended", device->id)
		       : 0;
}

/**
 * qemu_detach() - the driver's detach slot
 * @hv: VM
 * @id: device
 * @deadline_ns: absolute time
 * @err: filled on failure
 *
 * Return: 0 or -errno.
 */
int qemu_detach(struct hypervisor *hv, const char *id, uint64_t deadline_ns, struct err *err)
{
	struct qemu *qemu = qemu_of(hv);
	struct qemu_device *device;
	int r = fiber_lock(&qemu->plugging, deadline_ns);

	if (r < 0)
		return err_set_errno(err, r, "unplug device %s", id);
	device = find_device(qemu, id);
	r = device ? qemu_unplug(qemu, device, deadline_ns, err)
		   : err_set(err, ENODEV, "there is no device %s", id);
	if (r >= 0) {
		remove_backend(qemu, device);
		qemu_device_forget(qemu, device);
	}
	fiber_unlock(&qemu->plugging);
	return r;
}

/**
 * qemu_set_link() - the driver's set_link slot
 * @hv: VM
 * @id: device
 * @up: has a carrier
 * @deadline_ns: absolute time
 * @err: filled on failure
 *
 * Return: 0 or -errno.
 */
int qemu_set_link(struct hypervisor *hv, const char *id, bool up, uint64_t deadline_ns,
		  struct err *err)
{
	struct qemu *qemu = qemu_of(hv);
	const struct qemu_device *device = find_device(qemu, id);
	char arguments[64];

	if (!device || device->type != VM_DEVICE_NET)
		return err_set(err, ENODEV, "there is no network interface %s", id);
	(void)snprintf(arguments, sizeof(arguments), "{\"name\":\"%s\",\"up\":%s}", device->qemu_id,
		       up ? "true" : "false");
	return qemu_command(qemu, "set_link", arguments, deadline_ns, err);
}

static void note_unplug(struct qemu *qemu, const struct json *data, enum qemu_unplug state)
{
	struct err ignored = ERR_NULL;
	const char *id = NULL;

	if (json_get_str(data, "device", &id, &ignored) < 0 || !id)
		return; /* DEVICE_DELETED also comes for parts without an id */
	list_for_each(pos, &qemu->devices) {
		struct qemu_device *device = list_entry(pos, struct qemu_device, node);

		if (str_eq(device->qemu_id, id))
			device->unplug = state;
	}
	fiber_cond_broadcast(&qemu->changed);
}

/* The guest's report on an ejection (ACPI's _OST method), which is how a vCPU is refused. */
static void on_acpi_report(struct qemu *qemu, const struct json *data)
{
	const struct json *info = NULL;
	struct err ignored = ERR_NULL;
	uint64_t source = 0, status = 0;

	if (json_get_object(data, "info", &info, &ignored) < 0 || !info ||
	    json_get_u64(info, "source", &source, &ignored) < 0 ||
	    json_get_u64(info, "status", &status, &ignored) < 0)
		return;
	if (source == OST_SOURCE_EJECT && status != OST_SUCCESS && status != OST_IN_PROGRESS)
		note_unplug(qemu, info, QEMU_UNPLUG_REFUSED);
}

/**
 * qemu_on_unplug_event() - take note of QEMU's word on a removal
 * @qemu: VM
 * @event: name of any event
 * @data: its data or NULL
 */
void qemu_on_unplug_event(struct qemu *qemu, const char *event, const struct json *data)
{
	if (!data)
		return;
	if (str_eq(event, "DEVICE_DELETED"))
		note_unplug(qemu, data, QEMU_UNPLUG_DONE);
	else if (str_eq(event, "DEVICE_UNPLUG_GUEST_ERROR") || str_eq(event, "MEM_UNPLUG_ERROR"))
		note_unplug(qemu, data, QEMU_UNPLUG_REFUSED);
	else if (str_eq(event, "ACPI_DEVICE_OST"))
		on_acpi_report(qemu, data);
}
