/* SPDX-License-Identifier: Apache-2.0 */
/*
 * DOC: Devices of a container
 *
 * A character device is the guest kernel's: the spec's entry stays and the agent looks for it in
 * the guest. A block device of the host is plugged into the VM as a virtio disk and appears under
 * the path the spec gives it. A device whose rule does not allow writing is plugged read-only: the
 * guest cannot be trusted to keep to the rule.
 *
 * A privileged container (its rules allow everything) is listed every device of the host by its
 * manager. It gets all devices of its own machine, the VM, instead; only block devices that were
 * asked for under another name than the host's, or by a bind mount of one, are plugged.
 */
#include "sandbox/storage/device.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/io_uring.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/sysmacros.h>
#include <unistd.h>

#include "common/fd.h"
#include "common/io.h"
#include "common/log.h"
#include "common/str.h"
#include "oci/devices.h"
#include "rpc/pb/agent_msg.h"
#include "sandbox/core/container.h"
#include "sandbox/core/sandbox.h"
#include "sandbox/hypervisor/vm_config.h"
#include "sandbox/storage/block_io.h"

#define DEVICE_PLUG_MS 10000
#define DEVICE_UEVENT_MAX 4096

static bool is_block(const struct oci_device *device)
{
	return str_eq(device->type, "b");
}

/* The last matching rule decides, as in the kernel's device controller. */
static bool may_write(const struct oci_resources *res, const struct oci_device *device)
{
	bool may = false;

	for (size_t i = 0; res && i < res->nr_devices; i++) {
		const struct oci_device_cgroup *rule = &res->devices[i];

		if (!str_empty(rule->type) && !str_eq(rule->type, "a") && !str_eq(rule->type, "b"))
			continue;
		if ((rule->major && *rule->major >= 0 && *rule->major != device->major) ||
		    (rule->minor && *rule->minor >= 0 && *rule->minor != device->minor))
			continue;
		if (!rule->access || strchr(rule->access, 'w'))
			may = rule->allow;
	}
	return may;
}

/* A manager that lists the host's devices names them as the host does. */
static bool is_hosts_name(const struct oci_device *device)
{
	struct stat st;

	return stat(device->path, &st) == 0 && S_ISBLK(st.st_mode) &&
	       major(st.st_rdev) == device->major && minor(st.st_rdev) == device->minor;
}

static bool is_char(const struct oci_device *device)
{
	return str_eq(device->type, "c") || str_eq(device->type, "u");
}

/*
 * As with runc it is a node that cannot be opened. A node of a driver that is not loaded yet is no
 * absent device.
 */
static bool is_absent(const struct oci_device *device)
{
	char path[64];
	struct stat st;

	if (!is_block(device) && !is_char(device))
		return false;
	(void)snprintf(path, sizeof(path), "/sys/dev/%s/%u:%u", is_block(device) ? "block" : "char",
		       (unsigned)device->major, (unsigned)device->minor);
	if (access(path, F_OK) == 0 || errno != ENOENT)
		return false;
	return is_block(device) || stat(device->path, &st) < 0 || !S_ISCHR(st.st_mode);
}

/* Numbers that mean nothing on the host may be those of somebody's disk in the guest. */
static int deny(struct sb_container *ctr, struct oci_linux *linux_, const struct oci_device *device)
{
	const struct oci_resources *old = linux_->resources;
	struct oci_resources *res = old ? arena_memdup(ctr->arena, old, sizeof(*old))
					: arena_alloc(ctr->arena, sizeof(*res));
	struct oci_device_cgroup rule = { .type = is_block(device) ? "b" : "c", .access = "rwm" };

	if (!res)
		return -ENOMEM;
	rule.major = arena_memdup(ctr->arena, &device->major, sizeof(device->major));
	rule.minor = arena_memdup(ctr->arena, &device->minor, sizeof(device->minor));
	res->devices = arena_extend(ctr->arena, res->devices, res->nr_devices, sizeof(rule));
	if (!rule.major || !rule.minor || !res->devices)
		return -ENOMEM;
	res->devices[res->nr_devices++] = rule;
	linux_->resources = res;
	return 0;
}

/* The kernel's name of a device leads to its node. */
static int open_disk(const struct oci_device *device, bool read_only, struct err *err)
{
	cleanup_free char *uevent = NULL;
	char path[300], name[200];
	struct stat st;

	(void)snprintf(path, sizeof(path), "/sys/dev/block/%u:%u/uevent", (unsigned)device->major,
		       (unsigned)device->minor);
	ssize_t n = io_read_file_at(AT_FDCWD, path, DEVICE_UEVENT_MAX, &uevent);
	const char *line = n < 0 ? NULL : strstr(uevent, "DEVNAME=");
	if (!line || sscanf(line, "DEVNAME=%199s", name) != 1)
		return err_set(err, ENXIO, "device %s: the host has no block device %u:%u",
			       device->path, (unsigned)device->major, (unsigned)device->minor);
	(void)snprintf(path, sizeof(path), "/dev/%s", name);
	cleanup_close int fd =
		neg_errno(open(path, (read_only ? O_RDONLY : O_RDWR) | O_CLOEXEC | O_NONBLOCK));
	if (fd < 0 || fstat(fd, &st) < 0)
		return err_set_errno(err, fd < 0 ? fd : -errno, "device %s: open %s", device->path,
				     path);
	if (!S_ISBLK(st.st_mode) || major(st.st_rdev) != device->major ||
	    minor(st.st_rdev) != device->minor)
		return err_set(err, ENXIO, "device %s: %s is not the block device %u:%u",
			       device->path, path, (unsigned)device->major,
			       (unsigned)device->minor);
	return TAKE_FD(fd);
}

/* A host may forbid io_uring (kernel.io_uring_disabled, a container's filter): then threads do. */
static enum vm_aio find_aio(enum config_aio wanted)
{
	struct io_uring_params params = { 0 };

	if (wanted == CONFIG_AIO_NATIVE)
		return VM_AIO_NATIVE;
	if (wanted == CONFIG_AIO_THREADS)
		return VM_AIO_THREADS;
	cleanup_close int ring = neg_errno((int)syscall(SYS_io_uring_setup, 1, &params));
	if (ring < 0)
		log_debug("io_uring cannot be used: %s", strerror(-ring));
	return ring < 0 ? VM_AIO_THREADS : VM_AIO_IO_URING;
}

/* Another container's, or this one's, that is the same file and not on its way out. */
static const struct sb_disk *find_shareable(const struct sb_container *ctr, const struct stat *st)
{
	list_for_each(node, &ctr->sandbox->containers) {
		const struct sb_container *other = list_entry(node, struct sb_container, node);

		for (size_t i = 0; i < other->nr_disks; i++) {
			const struct sb_disk *disk = &other->disks[i];

			if (disk->shareable && disk->dev == st->st_dev && disk->ino == st->st_ino)
				return disk;
		}
	}
	return NULL;
}

static bool is_in_use(const struct sandbox *sb, const char *id)
{
	list_for_each(node, &sb->containers) {
		const struct sb_container *ctr = list_entry(node, struct sb_container, node);

		for (size_t i = 0; i < ctr->nr_disks; i++)
			if (str_eq(ctr->disks[i].id, id))
				return true;
	}
	return false;
}

static int note_disk(struct sb_container *ctr, const struct sb_disk *disk,
		     const struct sb_disk **ret)
{
	struct sb_disk copy = *disk;

	copy.id = arena_strdup(ctr->arena, disk->id);
	copy.guest_path = arena_strdup(ctr->arena, disk->guest_path);
	if (!copy.id || !copy.guest_path ||
	    arena_grow(ctr->arena, &ctr->disks, &ctr->nr_disks, sizeof(copy)) < 0)
		return -ENOMEM;
	ctr->disks[ctr->nr_disks - 1] = copy;
	*ret = &ctr->disks[ctr->nr_disks - 1];
	return 0;
}

/**
 * device_plug_disk() - plug a disk into the container's VM
 * @ctr: container; its VM runs
 * @fd: block device or file with its content, opened for writing unless @read_only
 * @read_only: the guest cannot write to it; a file is plugged once for all containers then
 * @leave_free: -ENOSPC unless so many further devices could be plugged
 * @ret: receives the disk; valid until the next one is plugged
 * @err: says what failed
 *
 * Return: 0 or -errno.
 */
int device_plug_disk(struct sb_container *ctr, int fd, bool read_only, unsigned leave_free,
		     const struct sb_disk **ret, struct err *err)
{
	struct sandbox *sb = ctr->sandbox;
	struct stat st;

	if (fstat(fd, &st) < 0)
		return err_set_errno(err, -errno, "stat");
	bool shareable = read_only && S_ISREG(st.st_mode);
	const struct sb_disk *known = shareable ? find_shareable(ctr, &st) : NULL;
	if (known)
		return note_disk(ctr, known, ret) < 0 ? err_set(err, ENOMEM, "out of memory") : 0;
	const struct config_hypervisor *hc = &sb->config->hypervisor;
	struct vm_device disk = {
		.type = VM_DEVICE_BLOCK,
		.leave_free = leave_free,
		.block = { .fd = fd,
			   .read_only = read_only,
			   .direct = hc->block_device_cache_set && hc->block_device_cache_direct,
			   .no_flush = hc->block_device_cache_set && hc->block_device_cache_noflush,
			   .aio = find_aio(hc->block_device_aio),
			   .logical_sector_size = hc->block_device_logical_sector_size,
			   .physical_sector_size = hc->block_device_physical_sector_size,
			   .queue_size = hc->queue_size },
	};

	(void)snprintf(disk.id, sizeof(disk.id), "disk%u", sb->storage.nr_disks++);
	int r = hypervisor_attach(sb->hv, &disk, loop_deadline_ms(DEVICE_PLUG_MS), err);
	if (r < 0)
		return r;
	const struct sb_disk own = { disk.id, disk.guest_path, st.st_dev, st.st_ino, shareable };
	return note_disk(ctr, &own, ret) < 0 ? err_set(err, ENOMEM, "out of memory") : 0;
}

static int plug_listed(struct sb_container *ctr, const struct oci_device *device, bool read_only,
		       struct agent_device *ret, struct err *err)
{
	cleanup_close int fd = open_disk(device, read_only, err);

	if (fd < 0)
		return fd;
	const struct sb_disk *disk;
	int r = device_plug_disk(ctr, fd, read_only, 0, &disk, err);
	if (r < 0)
		return err_wrap(err, "device %s", device->path);
	*ret = (struct agent_device){ .type = "blk",
				      .container_path = device->path,
				      .id = disk->guest_path };
	return 0;
}

/**
 * device_plug_all() - give a container the devices of its spec
 * @ctr: container; its VM runs
 * @spec: the guest's copy of the spec, with linux of its own; its list of devices is replaced
 * @ret: receives what the agent is to wait for, in the container's arena
 * @ret_nr: receives their number
 * @err: names the device
 *
 * What was plugged is noted in ctr->disks, also on failure. Limits of I/O on other disks leave the
 * copy, see block_io.c.
 *
 * Return: 0 or -errno.
 */
int device_plug_all(struct sb_container *ctr, struct oci_spec *spec, struct agent_device **ret,
		    size_t *ret_nr, struct err *err)
{
	struct oci_linux *linux_ = spec->linux_;
	bool privileged = oci_devices_allow_all(linux_->resources);
	struct oci_device *kept = arena_calloc(ctr->arena, linux_->nr_devices + 1, sizeof(*kept));
	struct agent_device *plugged =
		arena_calloc(ctr->arena, linux_->nr_devices + 1, sizeof(*plugged));
	size_t nr_listed = ctr->spec->linux_ ? ctr->spec->linux_->nr_devices : 0;
	size_t nr_kept = 0, nr_plugged = 0;

	if (!kept || !plugged)
		return err_set(err, ENOMEM, "out of memory");
	for (size_t i = 0; i < linux_->nr_devices; i++) {
		const struct oci_device *device = &linux_->devices[i];

		if (privileged && i < nr_listed && (!is_block(device) || is_hosts_name(device)))
			continue;
		kept[nr_kept++] = *device;
		if (is_absent(device)) {
			log_warn(
				"container %s: device %s: the host has no device %s %u:%u: it cannot "
				"be opened",
				ctr->id, device->path, device->type, (unsigned)device->major,
				(unsigned)device->minor);
			if (deny(ctr, linux_, device) < 0)
				return err_set(err, ENOMEM, "out of memory");
			continue;
		}
		if (!is_block(device))
			continue;
		int r = plug_listed(ctr, device, !may_write(linux_->resources, device),
				    &plugged[nr_plugged], err);
		if (r < 0)
			return r;
		nr_plugged++;
	}
	linux_->devices = kept;
	linux_->nr_devices = nr_kept;
	*ret = plugged;
	*ret_nr = nr_plugged;
	return block_io_keep_plugged(ctr, linux_, err);
}

/**
 * device_unplug_all() - take a container's disks out of the VM
 * @ctr: container that does not run
 *
 * What other containers have too stays.
 */
void device_unplug_all(struct sb_container *ctr)
{
	struct sandbox *sb = ctr->sandbox;

	while (ctr->nr_disks) {
		/* No container owns it from here on: who needs it during the wait plugs it again. */
		const char *id = ctr->disks[--ctr->nr_disks].id;
		struct err err = ERR_NULL;

		if (sb->state != SANDBOX_STATE_RUNNING || !sb->hv || is_in_use(sb, id) ||
		    sandbox_enter(sb, &err) < 0)
			continue;
		if (hypervisor_detach(sb->hv, id, loop_deadline_ms(DEVICE_PLUG_MS), &err) < 0)
			log_warn("container %s: %s", ctr->id, err.text);
		sandbox_leave(sb);
	}
}
