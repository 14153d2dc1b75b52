/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Walks sysfs along a PCI path. Slots are given, bus numbers are not: the kernel assigns them, so
 * each step looks for the slot among the children of the step before.
 */
#include "agent/device/pci_path.h"

#include <ctype.h>
#include <dirent.h>
#include <errno.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/err.h"
#include "common/str.h"

/* First elements from here on are not slots but bus numbers of further root complexes (pxb). */
#define PCI_ROOT_BUS_MIN 0x20
#define PCI_SLOT_MAX 0x1f

static void cleanup_dir_fn(DIR **dir)
{
	if (*dir)
		(void)closedir(*dir);
}
#define cleanup_dir cleanup_with(cleanup_dir_fn)

struct pci_slot {
	unsigned slot, function;
};

/* "03" or "03.1"; advances @p behind it and the slash that follows. */
static int parse_element(const char **p, struct pci_slot *ret)
{
	struct pci_slot slot = { 0 };
	char *end;

	if (!isxdigit((unsigned char)**p))
		return -EINVAL;
	unsigned long value = strtoul(*p, &end, 16);
	if (end - *p > 2 || value > 0xff)
		return -EINVAL;
	slot.slot = (unsigned)value;
	if (*end == '.') {
		if (end[1] < '0' || end[1] > '7')
			return -EINVAL;
		slot.function = (unsigned)(end[1] - '0');
		end += 2;
	}
	if (*end && (*end != '/' || !end[1]))
		return -EINVAL;
	*p = *end ? end + 1 : end;
	*ret = slot;
	return 0;
}

static bool is_slot(const char *name, const struct pci_slot *slot)
{
	unsigned domain, bus, device, function;
	int len = 0;

	return sscanf(name, "%4x:%2x:%2x.%1x%n", &domain, &bus, &device, &function, &len) == 4 &&
	       !name[len] && len == 12 && device == slot->slot && function == slot->function;
}

/* Appends the child of @path that is in the slot. */
static int descend(char *path, size_t size, const struct pci_slot *slot)
{
	cleanup_dir DIR *dir = opendir(path);

	if (!dir)
		return -errno;
	for (struct dirent *e = readdir(dir); e; e = readdir(dir)) {
		size_t len = strlen(path);

		if (!is_slot(e->d_name, slot))
			continue;
		return (size_t)snprintf(path + len, size - len, "/%s", e->d_name) >= size - len
			       ? -ENAMETOOLONG
			       : 0;
	}
	return -ENOENT;
}

/**
 * pci_path_resolve() - find a device by its PCI path
 * @sysfs: where sysfs is mounted
 * @path: slots in hexadecimal, from the root bus down
 * @ret: receives the directory
 * @size: its size
 *
 * Return: 0, -EINVAL for a malformed path, -ENOENT while the device is not there, or -errno.
 */
int pci_path_resolve(const char *sysfs, const char *path, char *ret, size_t size)
{
	const char *p = path;
	unsigned root = 0;
	struct pci_slot slot;
	int r = parse_element(&p, &slot);

	if (r < 0)
		return r;
	bool other_root = slot.slot >= PCI_ROOT_BUS_MIN;
	if (other_root)
		root = slot.slot;
	int n = snprintf(ret, size, "%s/devices/pci0000:%02x", sysfs, root);
	if (n < 0 || (size_t)n >= size)
		return -ENAMETOOLONG;
	if (other_root && !*p)
		return -EINVAL;
	if (other_root)
		r = parse_element(&p, &slot);
	for (int depth = 0; r >= 0; depth++) {
		if (slot.slot > PCI_SLOT_MAX || depth == PCI_PATH_DEPTH_MAX)
			return -EINVAL;
		r = descend(ret, size, &slot);
		if (r < 0 || !*p)
			return r;
		r = parse_element(&p, &slot);
	}
	return r;
}

/* Return: 1 and the entry's name when there is one with the prefix. */
static int first_entry(const char *path, const char *prefix, char *ret, size_t size)
{
	cleanup_dir DIR *dir = opendir(path);

	if (!dir)
		return -errno;
	for (struct dirent *e = readdir(dir); e; e = readdir(dir)) {
		if (e->d_name[0] == '.' || !str_skip_prefix(e->d_name, prefix))
			continue;
		return (size_t)snprintf(ret, size, "%s", e->d_name) >= size ? -ENAMETOOLONG : 0;
	}
	return -ENOENT;
}

/**
 * pci_path_child() - what a virtio driver has made of a PCI device
 * @dir: directory of pci_path_resolve()
 * @subsystem: "block" or "net"
 * @ret: receives the name
 * @size: its size
 *
 * Return: 0, -ENOENT while the driver has not made it, or -errno.
 */
int pci_path_child(const char *dir, const char *subsystem, char *ret, size_t size)
{
	char virtio[32], path[1024];
	int r = first_entry(dir, "virtio", virtio, sizeof(virtio));

	if (r < 0)
		return r;
	if ((size_t)snprintf(path, sizeof(path), "%s/%s/%s", dir, virtio, subsystem) >=
	    sizeof(path))
		return -ENAMETOOLONG;
	return first_entry(path, "", ret, size);
}
