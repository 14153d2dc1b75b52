/* SPDX-License-Identifier: Apache-2.0 */
/*
 * DOC: Character devices and privileged containers
 *
 * The numbers in a spec are the host's. A character device that the guest's kernel has under the
 * same name gets the guest's numbers; one under a name of the container's own must exist here with
 * the spec's numbers; anything else is an error, since a node without a driver behind it would fail
 * later and less clearly. A privileged container, whose rules allow everything, gets every device
 * of its machine, and nodes of loop devices, which the kernel makes when a node is opened. Disks the host plugged have been entered before (agent/device/hotplug.h).
 */
#include "agent/device/guest_devices.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/major.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <unistd.h>

#include "common/log.h"
#include "common/str.h"
#include "oci/devices.h"

/* A guest has about a hundred; what is beyond is not listed. */
#define GUEST_DEVICES_MAX 512
#define GUEST_DEVICE_PATH_MAX 300
#define LOOP_NODES 8 /* as many as the kernel makes where it is left to its defaults */

struct scan {
	struct oci_spec *spec;
	struct arena *arena;
	struct oci_device *devices;
	size_t nr, max;
	int r;
};

static void renumber(struct oci_resources *res, struct oci_device *device, dev_t rdev,
		     struct arena *arena, int *r)
{
	int64_t pair[2] = { major(rdev), minor(rdev) };

	for (size_t i = 0; res && i < res->nr_devices && *r >= 0; i++) {
		struct oci_device_cgroup *rule = &res->devices[i];

		if (!rule->major || !rule->minor || *rule->major != device->major ||
		    *rule->minor != device->minor ||
		    (!str_empty(rule->type) && !str_eq(rule->type, "c")))
			continue;
		int64_t *copy = arena_memdup(arena, pair, sizeof(pair));
		if (!copy) {
			*r = -ENOMEM;
			return;
		}
		rule->major = &copy[0];
		rule->minor = &copy[1];
	}
	device->major = pair[0];
	device->minor = pair[1];
}

/* Whether the last rule that names this device, and no others, forbids all of it. */
static bool is_denied(const struct oci_resources *res, const struct oci_device *device)
{
	for (size_t i = res ? res->nr_devices : 0; i-- > 0;) {
		const struct oci_device_cgroup *rule = &res->devices[i];

		if (str_eq(rule->type, "c") && rule->major && *rule->major == device->major &&
		    rule->minor && *rule->minor == device->minor)
			return !rule->allow && str_eq(rule->access, "rwm");
	}
	return false;
}

static int adapt_char(struct oci_spec *spec, struct oci_device *device, const char *dev_dir,
		      const char *sys_dir, struct arena *arena, struct err *err)
{
	const char *name = str_skip_prefix(device->path, "/dev/");
	char path[GUEST_DEVICE_PATH_MAX];
	struct stat st;
	int r = 0;

	(void)snprintf(path, sizeof(path), "%s/%s", dev_dir, name ? name : "");
	if (name && !strstr(name, "..") && lstat(path, &st) == 0 && S_ISCHR(st.st_mode)) {
		if (major(st.st_rdev) != device->major || minor(st.st_rdev) != device->minor)
			renumber(spec->linux_->resources, device, st.st_rdev, arena, &r);
		return r < 0 ? err_set_errno(err, r, "device %s", device->path) : 0;
	}
	(void)snprintf(path, sizeof(path), "%s/dev/char/%lld:%lld", sys_dir,
		       (long long)device->major, (long long)device->minor);
	/* One that the host has no more than the guest does is a node that nobody may open. */
	if (access(path, F_OK) < 0 && !is_denied(spec->linux_->resources, device))
		return err_set(err, ENXIO,
			       "device %s: the guest's kernel has no character device %lld:%lld",
			       device->path, (long long)device->major, (long long)device->minor);
	return 0;
}

static bool is_listed(const struct scan *scan, const char *path)
{
	for (size_t i = 0; i < scan->nr; i++)
		if (str_eq(scan->devices[i].path, path))
			return true;
	return false;
}

static void add_node(struct scan *scan, const char *path, const struct stat *st)
{
	uint32_t mode = st->st_mode & 07777,
		 *mode_copy = arena_memdup(scan->arena, &mode, sizeof(mode));
	struct oci_device device = {
		.type = S_ISBLK(st->st_mode) ? "b" : "c",
		.path = arena_strdup(scan->arena, path),
		.major = major(st->st_rdev),
		.minor = minor(st->st_rdev),
		.file_mode = mode_copy,
	};

	if (!device.path || !mode_copy)
		scan->r = -ENOMEM;
	else if (scan->nr < scan->max && !is_listed(scan, path))
		scan->devices[scan->nr++] = device;
}

/* What a container makes for itself under these names. */
static bool is_containers_own(const char *name)
{
	static const char *const names[] = { "pts", "ptmx", "shm", "mqueue", "fd", "console" };

	if (*name == '.')
		return true;
	for (size_t i = 0; i < ARRAY_SIZE(names); i++)
		if (str_eq(name, names[i]))
			return true;
	return false;
}

static void scan_dir(struct scan *scan, const char *dir_path, const char *shown, bool deeper)
{
	DIR *dir = opendir(dir_path);

	if (!dir)
		return;
	for (struct dirent *e = readdir(dir); e && scan->r >= 0; e = readdir(dir)) {
		char path[GUEST_DEVICE_PATH_MAX], child[GUEST_DEVICE_PATH_MAX];
		struct stat st;

		if (is_containers_own(e->d_name) ||
		    fstatat(dirfd(dir), e->d_name, &st, AT_SYMLINK_NOFOLLOW) < 0 ||
		    snprintf(path, sizeof(path), "%s/%s", shown, e->d_name) >= (int)sizeof(path))
			continue;
		if (S_ISCHR(st.st_mode) || S_ISBLK(st.st_mode))
			add_node(scan, path, &st);
		else if (S_ISDIR(st.st_mode) && deeper &&
			 snprintf(child, sizeof(child), "%s/%s", dir_path, e->d_name) <
				 (int)sizeof(child))
			scan_dir(scan, child, path, false);
	}
	(void)closedir(dir);
}

static void add_loops(struct scan *scan, const char *dev_dir)
{
	char path[GUEST_DEVICE_PATH_MAX];

	(void)snprintf(path, sizeof(path), "%s/loop-control", dev_dir);
	if (access(path, F_OK) < 0)
		return;
	for (unsigned i = 0; i < LOOP_NODES && scan->r >= 0; i++) {
		struct stat st = { .st_mode = S_IFBLK | 0660, .st_rdev = makedev(LOOP_MAJOR, i) };

		(void)snprintf(path, sizeof(path), "/dev/loop%u", i);
		add_node(scan, path, &st);
	}
}

static int add_all(struct oci_spec *spec, const char *dev_dir, struct arena *arena)
{
	struct oci_linux *linux_ = spec->linux_;
	struct scan scan = { .spec = spec,
			     .arena = arena,
			     .max = linux_->nr_devices + GUEST_DEVICES_MAX };

	scan.devices = arena_calloc(arena, scan.max, sizeof(*scan.devices));
	if (!scan.devices)
		return -ENOMEM;
	if (linux_->nr_devices)
		memcpy(scan.devices, linux_->devices, linux_->nr_devices * sizeof(*scan.devices));
	scan.nr = linux_->nr_devices;
	scan_dir(&scan, dev_dir, "/dev", true);
	add_loops(&scan, dev_dir);
	linux_->devices = scan.devices;
	linux_->nr_devices = scan.nr;
	return scan.r;
}

/**
 * guest_devices_adapt() - make a spec's devices the guest's
 * @spec: spec with linux; changed
 * @dev_dir: where the guest's nodes are
 * @sys_dir: its sysfs
 * @arena: arena of what is added
 * @err: names the device that the guest does not have
 *
 * Return: 0 or -errno.
 */
int guest_devices_adapt(struct oci_spec *spec, const char *dev_dir, const char *sys_dir,
			struct arena *arena, struct err *err)
{
	struct oci_linux *linux_ = spec->linux_;
	int r = 0;

	if (!linux_)
		return 0;
	for (size_t i = 0; i < linux_->nr_devices && r >= 0; i++)
		if (str_eq(linux_->devices[i].type, "c") || str_eq(linux_->devices[i].type, "u"))
			r = adapt_char(spec, &linux_->devices[i], dev_dir, sys_dir, arena, err);
	if (r < 0)
		return r;
	if (oci_devices_allow_all(linux_->resources))
		r = add_all(spec, dev_dir, arena);
	return r < 0 ? err_set_errno(err, r, "list the guest's devices") : 0;
}

/**
 * guest_devices_copy() - make the nodes that are missing
 * @dev_dir: where the guest's nodes are
 * @target_fd: another such directory
 *
 * Directories in it are passed over. What cannot be made is in the log.
 */
void guest_devices_copy(const char *dev_dir, int target_fd)
{
	DIR *dir = opendir(dev_dir);

	if (!dir)
		return;
	for (struct dirent *e = readdir(dir); e; e = readdir(dir)) {
		struct stat st, there;

		if (is_containers_own(e->d_name) ||
		    fstatat(dirfd(dir), e->d_name, &st, AT_SYMLINK_NOFOLLOW) < 0 ||
		    (!S_ISCHR(st.st_mode) && !S_ISBLK(st.st_mode)) ||
		    fstatat(target_fd, e->d_name, &there, AT_SYMLINK_NOFOLLOW) == 0)
			continue;
		if (mknodat(target_fd, e->d_name, st.st_mode, st.st_rdev) < 0)
			log_debug("device %s: %s", e->d_name, strerror(errno));
	}
	(void)closedir(dir);
}
