/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Waits for hot-plugged devices and patches their numbers into container specs: the host's major
 * and minor mean nothing here.
 */
#include "agent/device/hotplug.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>

#include "agent/device/pci_path.h"
#include "agent/device/uevent.h"
#include "common/fd.h"
#include "common/io.h"
#include "common/str.h"
#include "rpc/pb/agent_msg.h"

#define SYSFS "/sys"
#define HOTPLUG_NAME_MAX 32 /* of a block device or a network interface */

const char *const hotplug_device_types[] = { HOTPLUG_BLK,    HOTPLUG_MMIOBLK, HOTPLUG_SCSI,
					     HOTPLUG_NVDIMM, HOTPLUG_VFIO_GK, NULL };

/* What one wait looks for, and what it found. */
struct wanted {
	const char *address;
	const char *subsystem;
	char name[HOTPLUG_NAME_MAX];
};

/* The node is there a moment before the disk behind it can be used: only opening it tells. */
static int node_works(const char *name)
{
	char path[HOTPLUG_NODE_MAX];
	struct stat st;

	(void)snprintf(path, sizeof(path), "/dev/%s", name);
	cleanup_close int fd = neg_errno(open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY));
	return fd >= 0 && fstat(fd, &st) == 0 && S_ISBLK(st.st_mode);
}

static int ready_pci(void *arg)
{
	struct wanted *wanted = arg;
	char dir[PCI_DIR_MAX];
	int r = pci_path_resolve(SYSFS, wanted->address, dir, sizeof(dir));

	if (r >= 0)
		r = pci_path_child(dir, wanted->subsystem, wanted->name, sizeof(wanted->name));
	if (r == -ENOENT)
		return 0;
	if (r < 0)
		return r;
	return str_eq(wanted->subsystem, "block") ? node_works(wanted->name) : 1;
}

static int ready_pci_device(void *arg)
{
	struct wanted *wanted = arg;
	char dir[PCI_DIR_MAX];
	int r = pci_path_resolve(SYSFS, wanted->address, dir, sizeof(dir));

	return r == -ENOENT ? 0 : r < 0 ? r : 1;
}

static int ready_name(void *arg)
{
	struct wanted *wanted = arg;

	return node_works(wanted->name);
}

static int ready_scsi(void *arg)
{
	struct wanted *wanted = arg;
	char path[128];

	(void)snprintf(path, sizeof(path), SYSFS "/class/scsi_device/0:0:%s/device/block",
		       wanted->address);
	DIR *dir = opendir(path);
	if (!dir)
		return 0;
	for (struct dirent *e = readdir(dir); e; e = readdir(dir))
		if (e->d_name[0] != '.')
			(void)snprintf(wanted->name, sizeof(wanted->name), "%.31s", e->d_name);
	(void)closedir(dir);
	return *wanted->name ? node_works(wanted->name) : 0;
}

/* Makes host 0 look at one address. */
static int scan_scsi(const char *address, struct err *err)
{
	unsigned id, lun;
	int len = 0;
	char text[32];

	if (sscanf(address, "%5u:%5u%n", &id, &lun, &len) != 2 || address[len])
		return err_set(err, EINVAL, "SCSI address %s is not <id>:<lun>", address);
	(void)snprintf(text, sizeof(text), "0 %u %u", id, lun);
	int r = io_write_str_at(AT_FDCWD, SYSFS "/class/scsi_host/host0/scan", text);
	return r < 0 ? err_set_errno(err, r, "scan SCSI host 0") : 0;
}

static int node_name(const char *path, struct wanted *wanted, struct err *err)
{
	const char *name = str_skip_prefix(path, "/dev/");

	if (!name || !*name || strchr(name, '/') || *name == '.' ||
	    strlen(name) >= sizeof(wanted->name))
		return err_set(err, EINVAL, "%s is not the name of a block device", path);
	memcpy(wanted->name, name, strlen(name) + 1);
	return 0;
}

static int wait_wanted(const struct hotplug *hotplug, uevent_ready_fn ready, struct wanted *wanted,
		       struct err *err)
{
	int r = uevents_wait(hotplug->uevents, ready, wanted,
			     loop_deadline_ms(hotplug->timeout_ms));

	if (r == -ETIMEDOUT)
		return err_set(err, ETIMEDOUT, "device %s did not appear within %llu ms",
			       wanted->address, (unsigned long long)hotplug->timeout_ms);
	return r < 0 ? err_set_errno(err, r, "device %s", wanted->address) : 0;
}

/**
 * hotplug_wait_block() - wait for a block device
 * @hotplug: where to listen and how long to wait
 * @type: DEVICE_*
 * @address: in the form @type has
 * @ret_node: receives "/dev/<name>"
 * @size: its size, HOTPLUG_NODE_MAX
 * @err: names the device
 *
 * Return: 0 or -errno.
 */
int hotplug_wait_block(const struct hotplug *hotplug, const char *type, const char *address,
		       char *ret_node, size_t size, struct err *err)
{
	struct wanted wanted = { .address = address, .subsystem = "block" };
	uevent_ready_fn ready = ready_name;
	int r = 0;

	if (str_eq(type, HOTPLUG_SCSI)) {
		ready = ready_scsi;
		r = scan_scsi(address, err);
	} else if (str_eq(type, HOTPLUG_BLK) && *address != '/') {
		ready = ready_pci;
	} else if (str_eq(type, HOTPLUG_BLK) || str_eq(type, HOTPLUG_MMIOBLK) ||
		   str_eq(type, HOTPLUG_NVDIMM)) {
		r = node_name(address, &wanted, err);
	} else {
		r = err_set(err, ENOTSUP, "not supported: block devices of type %s", type);
	}
	if (r >= 0)
		r = wait_wanted(hotplug, ready, &wanted, err);
	if (r >= 0)
		(void)snprintf(ret_node, size, "/dev/%s", wanted.name);
	return r;
}

/**
 * hotplug_wait_net() - wait for a network interface
 * @hotplug: where to listen and how long to wait
 * @pci_path: where it is plugged
 * @ret_name: receives the kernel's name for it
 * @size: its size
 * @err: names the device
 *
 * Return: 0 or -errno.
 */
int hotplug_wait_net(const struct hotplug *hotplug, const char *pci_path, char *ret_name,
		     size_t size, struct err *err)
{
	struct wanted wanted = { .address = pci_path, .subsystem = "net" };
	int r = wait_wanted(hotplug, ready_pci, &wanted, err);

	if (r >= 0)
		(void)snprintf(ret_name, size, "%s", wanted.name);
	return r;
}

/* A device's numbers on the host and here. */
struct renumbered {
	int64_t old_major, old_minor;
	dev_t dev;
};

static struct oci_device *find_in_spec(struct oci_spec *spec, const char *container_path)
{
	for (size_t i = 0; spec->linux_ && i < spec->linux_->nr_devices; i++)
		if (str_eq(spec->linux_->devices[i].path, container_path))
			return &spec->linux_->devices[i];
	return NULL;
}

static int add_block(const struct hotplug *hotplug, const struct agent_device *device,
		     struct oci_spec *spec, struct renumbered *ret, struct err *err)
{
	const char *address = str_empty(device->id) || str_eq(device->type, HOTPLUG_MMIOBLK) ||
					      str_eq(device->type, HOTPLUG_NVDIMM)
				      ? device->vm_path
				      : device->id;
	char node[HOTPLUG_NODE_MAX];
	struct stat st;
	int r = hotplug_wait_block(hotplug, device->type, address, node, sizeof(node), err);

	if (r < 0)
		return r;
	struct oci_device *entry = find_in_spec(spec, device->container_path);
	if (!entry)
		return err_set(err, EINVAL, "device %s: the container has no %s to give it to",
			       address, device->container_path);
	if (stat(node, &st) < 0)
		return err_set_errno(err, -errno, "stat %s", node);
	*ret = (struct renumbered){ .old_major = entry->major,
				    .old_minor = entry->minor,
				    .dev = st.st_rdev };
	entry->type = "b";
	entry->major = major(st.st_rdev);
	entry->minor = minor(st.st_rdev);
	return 0;
}

static int wait_vfio(const struct hotplug *hotplug, const struct agent_device *device,
		     struct err *err)
{
	for (size_t i = 0; i < device->options.nr; i++) {
		const char *equals = strrchr(device->options.v[i], '=');
		struct wanted wanted = { .address = equals ? equals + 1 : "" };

		if (!equals)
			return err_set(err, EINVAL, "device option %s is not <address>=<PCI path>",
				       device->options.v[i]);
		int r = wait_wanted(hotplug, ready_pci_device, &wanted, err);
		if (r < 0)
			return r;
	}
	return 0;
}

/* All at once, from the old numbers: one device's new pair may be another's old one. */
static int renumber_rules(struct oci_spec *spec, const struct renumbered *list, size_t nr,
			  struct arena *arena)
{
	struct oci_resources *res = spec->linux_ ? spec->linux_->resources : NULL;

	for (size_t i = 0; res && i < res->nr_devices; i++) {
		struct oci_device_cgroup *rule = &res->devices[i];

		if (!rule->major || !rule->minor ||
		    (rule->type && *rule->type && !str_eq(rule->type, "b")))
			continue;
		for (size_t j = 0; j < nr; j++) {
			if (*rule->major != list[j].old_major || *rule->minor != list[j].old_minor)
				continue;
			int64_t pair[2] = { major(list[j].dev), minor(list[j].dev) };
			int64_t *p = arena_memdup(arena, pair, sizeof(pair));
			if (!p)
				return -ENOMEM;
			rule->major = &p[0];
			rule->minor = &p[1];
			break;
		}
	}
	return 0;
}

static void renumber_throttles(struct oci_throttle_device *limits, size_t nr_limits,
			       const struct renumbered *list, size_t nr)
{
	for (size_t i = 0; i < nr_limits; i++)
		for (size_t j = 0; j < nr; j++) {
			if (limits[i].major != list[j].old_major ||
			    limits[i].minor != list[j].old_minor)
				continue;
			limits[i].major = major(list[j].dev);
			limits[i].minor = minor(list[j].dev);
			break;
		}
}

static void renumber_block_io(struct oci_spec *spec, const struct renumbered *list, size_t nr)
{
	const struct oci_resources *res = spec->linux_ ? spec->linux_->resources : NULL;
	struct oci_block_io *io = res ? res->block_io : NULL;

	if (!io)
		return;
	renumber_throttles(io->throttle_read_bps_device, io->nr_throttle_read_bps_device, list, nr);
	renumber_throttles(io->throttle_write_bps_device, io->nr_throttle_write_bps_device, list,
			   nr);
	renumber_throttles(io->throttle_read_iops_device, io->nr_throttle_read_iops_device, list,
			   nr);
	renumber_throttles(io->throttle_write_iops_device, io->nr_throttle_write_iops_device, list,
			   nr);
}

/**
 * hotplug_add_devices() - wait for a container's devices and enter them into its spec
 * @hotplug: where to listen and how long to wait
 * @devices: what the host plugged
 * @nr: number of them
 * @spec: spec, changed: numbers in linux.devices, in the device rules and in limits of block I/O
 * @arena: arena of the spec
 * @err: names the device
 *
 * Return: 0 or -errno.
 */
int hotplug_add_devices(const struct hotplug *hotplug, const struct agent_device *devices,
			size_t nr, struct oci_spec *spec, struct arena *arena, struct err *err)
{
	struct renumbered *list = arena_calloc(arena, nr + 1, sizeof(*list));
	size_t nr_list = 0;

	if (!list)
		return err_set(err, ENOMEM, "out of memory");
	for (size_t i = 0; i < nr; i++) {
		int r = str_eq(devices[i].type, HOTPLUG_VFIO_GK)
				? wait_vfio(hotplug, &devices[i], err)
				: add_block(hotplug, &devices[i], spec, &list[nr_list], err);

		if (r < 0)
			return r;
		if (!str_eq(devices[i].type, HOTPLUG_VFIO_GK))
			nr_list++;
	}
	renumber_block_io(spec, list, nr_list);
	int r = renumber_rules(spec, list, nr_list, arena);
	return r < 0 ? err_set_errno(err, r, "device rules") : 0;
}
