/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Translation of struct vm_device; no I/O beyond one fstat().
 */
#include "sandbox/hypervisor/qemu_device.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

#include "common/json.h"

#define FS_QUEUE_SIZE_DEFAULT 1024
#define SERIAL_MAX 20 /* VIRTIO_BLK_ID_BYTES */
#define FS_TAG_MAX 36 /* virtio 1.2, 5.11.4 */
#define P9_TAG_MAX 31 /* QEMU's MAX_TAG_LEN less the NUL */

static bool is_power_of_two(unsigned v)
{
	return v && !(v & (v - 1));
}

static int check_block(const struct vm_device *dev, struct err *err)
{
	const struct vm_block *block = &dev->block;

	if (block->serial && strlen(block->serial) > SERIAL_MAX)
		return err_set(err, EINVAL,
			       "block device %s: the serial \"%s\" is longer than %d bytes",
			       dev->id, block->serial, SERIAL_MAX);
	if ((block->logical_sector_size && !is_power_of_two(block->logical_sector_size)) ||
	    (block->physical_sector_size && !is_power_of_two(block->physical_sector_size)))
		return err_set(err, EINVAL, "block device %s: a sector size is not a power of two",
			       dev->id);
	return 0;
}

static int check_fs(const struct vm_device *dev, struct err *err)
{
	if (!dev->fs.tag || !*dev->fs.tag || strlen(dev->fs.tag) > FS_TAG_MAX)
		return err_set(err, EINVAL, "file system %s: the tag must have 1 to %d bytes",
			       dev->id, FS_TAG_MAX);
	if (dev->fs.queue_size && !is_power_of_two(dev->fs.queue_size))
		return err_set(err, EINVAL, "file system %s: queue size %u is not a power of two",
			       dev->id, dev->fs.queue_size);
	if (dev->fs.cache_size_mib)
		return err_set(err, EOPNOTSUPP,
			       "file system %s: not supported: a DAX window (virtio_fs_cache_size)",
			       dev->id);
	return 0;
}

/**
 * qemu_device_check() - is this a device QEMU can be told about
 * @dev: device
 * @err: filled on failure
 *
 * Return: 0, -EINVAL or -EOPNOTSUPP.
 */
int qemu_device_check(const struct vm_device *dev, struct err *err)
{
	if (!memchr(dev->id, '\0', sizeof(dev->id)) || !*dev->id)
		return err_set(err, EINVAL, "a device id is empty or too long");
	for (const char *p = dev->id; *p; p++)
		if (!strchr("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-_.",
			    *p))
			return err_set(err, EINVAL,
				       "device id \"%s\" has a character that is not allowed",
				       dev->id);
	switch (dev->type) {
	case VM_DEVICE_BLOCK:
		return check_block(dev, err);
	case VM_DEVICE_FS:
		return check_fs(dev, err);
	case VM_DEVICE_NET:
		if (!dev->net.nr_queues || dev->net.nr_queues > VM_QUEUES_MAX)
			return err_set(err, EINVAL, "network %s: %u queues, must be 1 to %d",
				       dev->id, dev->net.nr_queues, VM_QUEUES_MAX);
		return 0;
	case VM_DEVICE_9P:
		if (!dev->p9.tag || !*dev->p9.tag || strlen(dev->p9.tag) > P9_TAG_MAX)
			return err_set(err, EINVAL, "9p %s: the tag must have 1 to %d bytes",
				       dev->id, P9_TAG_MAX);
		return 0;
	case VM_DEVICE_VSOCK:
		return 0;
	}
	return err_set(err, EINVAL, "device %s has unknown type %d", dev->id, (int)dev->type);
}

/**
 * qemu_device_name() - id of one of a device's parts in QEMU
 * @prefix: "dev", "net", "blk" or "chr"
 * @id: device id, checked
 * @buf: receives the name
 */
void qemu_device_name(const char *prefix, const char *id, char buf[static QEMU_NAME_MAX])
{
	(void)snprintf(buf, QEMU_NAME_MAX, "%.4s-%.*s", prefix, VM_ID_MAX, id);
}

/**
 * qemu_device_comes_late() - is a device plugged when a saved VM has been loaded
 * @config: VM
 * @dev: device
 *
 * QEMU 7.2 loads nothing while it has a device that it could not save: those of vhost-user. And what
 * is in a root port while that is loaded has no power: the saved one was empty.
 *
 * Return: whether; not of a VM that boots.
 */
bool qemu_device_comes_late(const struct vm_config *config, const struct vm_device *dev)
{
	return config->restore && (dev->type == VM_DEVICE_FS || dev->type == VM_DEVICE_NET ||
				   (dev->type == VM_DEVICE_VSOCK && dev->vsock.vhost_user));
}

/**
 * qemu_device_has_chardev() - is it a vhost-user device, reached through a socket chardev
 * @dev: device
 *
 * Return: whether it is.
 */
bool qemu_device_has_chardev(const struct vm_device *dev)
{
	return dev->type == VM_DEVICE_FS || (dev->type == VM_DEVICE_VSOCK && dev->vsock.vhost_user);
}

static void put_name(struct json_writer *w, const char *key, const char *prefix, const char *id)
{
	char name[QEMU_NAME_MAX];

	qemu_device_name(prefix, id, name);
	json_member_str(w, key, name);
}

static void put_net(struct json_writer *w, const struct vm_device *dev)
{
	const struct vm_net *net = &dev->net;
	char mac[18];

	(void)snprintf(mac, sizeof(mac), "%02x:%02x:%02x:%02x:%02x:%02x", net->mac[0], net->mac[1],
		       net->mac[2], net->mac[3], net->mac[4], net->mac[5]);
	put_name(w, "netdev", "net", dev->id);
	json_member_str(w, "mac", mac);
	json_member_str(w, "romfile", ""); /* nobody boots from it; loading the ROM costs time */
	if (net->nr_queues > 1) {
		json_member_bool(w, "mq", true);
		json_member_uint(w, "vectors", 2 * net->nr_queues + 2);
	}
	if (net->mtu)
		json_member_uint(w, "host_mtu", net->mtu);
}

static void put_block(struct json_writer *w, const struct vm_device *dev)
{
	const struct vm_block *block = &dev->block;

	put_name(w, "drive", "blk", dev->id);
	if (block->serial)
		json_member_str(w, "serial", block->serial);
	if (block->logical_sector_size)
		json_member_uint(w, "logical_block_size", block->logical_sector_size);
	if (block->physical_sector_size)
		json_member_uint(w, "physical_block_size", block->physical_sector_size);
	if (block->queue_size)
		json_member_uint(w, "queue-size", block->queue_size);
}

static void put_fs(struct json_writer *w, const struct vm_device *dev)
{
	put_name(w, "chardev", "chr", dev->id);
	json_member_str(w, "tag", dev->fs.tag);
	json_member_uint(w, "queue-size",
			 dev->fs.queue_size ? dev->fs.queue_size : FS_QUEUE_SIZE_DEFAULT);
}

static void put_vsock(struct json_writer *w, const struct vm_device *dev,
		      const struct qemu_fd_text *text)
{
	if (dev->vsock.vhost_user) {
		put_name(w, "chardev", "chr", dev->id);
		return;
	}
	json_member_str(w, "vhostfd", text->fds);
	json_member_uint(w, "guest-cid", dev->vsock.cid);
}

static const char *driver_name(const struct vm_device *dev)
{
	switch (dev->type) {
	case VM_DEVICE_BLOCK:
		return "virtio-blk-pci";
	case VM_DEVICE_NET:
		return "virtio-net-pci";
	case VM_DEVICE_FS:
		return "vhost-user-fs-pci";
	case VM_DEVICE_9P:
		return "virtio-9p-pci";
	case VM_DEVICE_VSOCK:
		return dev->vsock.vhost_user ? "vhost-user-vsock-pci" : "vhost-vsock-pci";
	}
	return "";
}

/**
 * qemu_device_json() - the front end: what the guest sees
 * @dev: checked device
 * @pci: buses
 * @slot: its address
 * @text: its descriptors
 * @out: receives the object
 *
 * Return: 0 or -ENOMEM.
 */
int qemu_device_json(const struct vm_device *dev, const struct qemu_pci *pci,
		     const struct qemu_slot *slot, const struct qemu_fd_text *text,
		     struct strbuf *out)
{
	struct json_writer w;
	char bus[16], addr[8];

	qemu_pci_bus_name(pci, slot, bus, sizeof(bus));
	(void)snprintf(addr, sizeof(addr), "%02x", slot->slot);
	json_writer_init(&w, out, 0);
	json_object(&w);
	json_member_str(&w, "driver", driver_name(dev));
	put_name(&w, "id", "dev", dev->id);
	json_member_str(&w, "bus", bus);
	json_member_str(&w, "addr", addr);
	/* vhost-user-fs is a virtio 1 device that never had a legacy form, nor the property. */
	if (dev->type != VM_DEVICE_FS)
		json_member_str(&w, "disable-legacy", "on");
	if (dev->type == VM_DEVICE_NET) {
		put_net(&w, dev);
	} else if (dev->type == VM_DEVICE_BLOCK) {
		put_block(&w, dev);
	} else if (dev->type == VM_DEVICE_FS) {
		put_fs(&w, dev);
	} else if (dev->type == VM_DEVICE_VSOCK) {
		put_vsock(&w, dev, text);
	} else {
		put_name(&w, "fsdev", "fsd", dev->id);
		json_member_str(&w, "mount_tag", dev->p9.tag);
	}
	json_object_end(&w);
	return json_writer_finish(&w);
}

/**
 * qemu_netdev_json() - the back end of a network interface
 * @dev: checked device of type VM_DEVICE_NET
 * @text: its descriptors
 * @out: receives the object
 *
 * Return: 0 or -ENOMEM.
 */
int qemu_netdev_json(const struct vm_device *dev, const struct qemu_fd_text *text,
		     struct strbuf *out)
{
	bool many = dev->net.nr_queues > 1;
	struct json_writer w;

	json_writer_init(&w, out, 0);
	json_object(&w);
	json_member_str(&w, "type", "tap");
	put_name(&w, "id", "net", dev->id);
	json_member_str(&w, many ? "fds" : "fd", text->fds);
	json_member_bool(&w, "vhost", dev->net.vhost);
	if (dev->net.vhost)
		json_member_str(&w, many ? "vhostfds" : "vhostfd", text->vhost_fds);
	json_object_end(&w);
	return json_writer_finish(&w);
}

static const char *aio_name(enum vm_aio aio)
{
	switch (aio) {
	case VM_AIO_THREADS:
		return "threads";
	case VM_AIO_NATIVE:
		return "native";
	case VM_AIO_IO_URING:
		return "io_uring";
	case VM_AIO_DEFAULT:
		break;
	}
	return NULL;
}

/**
 * qemu_blockdev_json() - the back end of a block device
 * @dev: checked device of type VM_DEVICE_BLOCK
 * @fdset: number of the QEMU fdset that holds its descriptor
 * @out: receives the object
 * @err: filled on failure
 *
 * Return: 0 or -errno.
 */
int qemu_blockdev_json(const struct vm_device *dev, unsigned fdset, struct strbuf *out,
		       struct err *err)
{
	const struct vm_block *block = &dev->block;
	struct json_writer w;
	char filename[32];
	struct stat st;
	int r;

	if (fstat(block->fd, &st) < 0)
		return err_set_errno(err, -errno, "block device %s", dev->id);
	if (!S_ISBLK(st.st_mode) && !S_ISREG(st.st_mode))
		return err_set(err, ENOTBLK, "block device %s is neither a file nor a block device",
			       dev->id);
	(void)snprintf(filename, sizeof(filename), "/dev/fdset/%u", fdset);
	json_writer_init(&w, out, 0);
	json_object(&w);
	json_member_str(&w, "driver", S_ISBLK(st.st_mode) ? "host_device" : "file");
	put_name(&w, "node-name", "blk", dev->id);
	json_member_str(&w, "filename", filename);
	json_member_bool(&w, "read-only", block->read_only);
	json_member_str(&w, "discard", "unmap");
	json_member_object(&w, "cache");
	/* Linux native AIO only works around the page cache. */
	json_member_bool(&w, "direct", block->direct || block->aio == VM_AIO_NATIVE);
	json_member_bool(&w, "no-flush", block->no_flush);
	json_object_end(&w);
	if (aio_name(block->aio))
		json_member_str(&w, "aio", aio_name(block->aio));
	/*
	 * The file is ours alone or shared on purpose, and /dev/fdset descriptors cannot take OFD
	 * locks safely.
	 */
	json_member_str(&w, "locking", "off");
	json_object_end(&w);
	r = json_writer_finish(&w);
	return r < 0 ? err_set_errno(err, r, "block device %s", dev->id) : 0;
}

/**
 * qemu_chardev_json() - arguments of chardev-add for a vhost-user socket
 * @dev: checked device with a chardev
 * @text: name of the descriptor
 * @out: receives the object
 *
 * Return: 0 or -ENOMEM.
 */
int qemu_chardev_json(const struct vm_device *dev, const struct qemu_fd_text *text,
		      struct strbuf *out)
{
	struct json_writer w;

	json_writer_init(&w, out, 0);
	json_object(&w);
	put_name(&w, "id", "chr", dev->id);
	json_member_object(&w, "backend");
	json_member_str(&w, "type", "socket");
	json_member_object(&w, "data");
	json_member_object(&w, "addr");
	json_member_str(&w, "type", "fd");
	json_member_object(&w, "data");
	json_member_str(&w, "str", text->fds);
	json_object_end(&w);
	json_object_end(&w);
	json_member_bool(&w, "server", false);
	json_object_end(&w);
	json_object_end(&w);
	json_object_end(&w);
	return json_writer_finish(&w);
}
