/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Devices in QEMU's words. The same JSON objects serve -device, -netdev and -blockdev on the
 * command line and device_add, netdev_add and blockdev-add in QMP, so a cold-plugged device cannot
 * differ from a hot-plugged one.
 */
#pragma once

#include "common/err.h"
#include "common/str.h"
#include "sandbox/hypervisor/qemu_pci.h"
#include "sandbox/hypervisor/vm_config.h"

/* Room for a QEMU id: a prefix and a device id; 31 is the longest block node name. */
#define QEMU_NAME_MAX 32
/* Room for the names of one device's descriptors, joined by ':'. */
#define QEMU_FDS_TEXT_MAX (VM_QUEUES_MAX * (QEMU_NAME_MAX + 8))

/* What stands for a descriptor towards QEMU: a number it inherited, or a name given by getfd. */
struct qemu_fd_text {
	char fds[QEMU_FDS_TEXT_MAX];	   /* taps, vhost-vsock, vhost-user chardev */
	char vhost_fds[QEMU_FDS_TEXT_MAX]; /* net only */
};

int qemu_device_check(const struct vm_device *dev, struct err *err) must_check;
void qemu_device_name(const char *prefix, const char *id, char buf[static QEMU_NAME_MAX]);
bool qemu_device_comes_late(const struct vm_config *config, const struct vm_device *dev);
bool qemu_device_has_chardev(const struct vm_device *dev);
int qemu_device_json(const struct vm_device *dev, const struct qemu_pci *pci,
		     const struct qemu_slot *slot, const struct qemu_fd_text *text,
		     struct strbuf *out) must_check;
int qemu_netdev_json(const struct vm_device *dev, const struct qemu_fd_text *text,
		     struct strbuf *out) must_check;
int qemu_blockdev_json(const struct vm_device *dev, unsigned fdset, struct strbuf *out,
		       struct err *err) must_check;
int qemu_chardev_json(const struct vm_device *dev, const struct qemu_fd_text *text,
		      struct strbuf *out) must_check;
