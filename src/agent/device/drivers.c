/* SPDX-License-Identifier: Apache-2.0 */
/*
 * DOC: Kernels with modules
 *
 * Our own kernel has built in what every start needs. A distribution's has virtio, virtiofs and vsock
 * as modules, which the initrd holds (guest/kernel/distro.sh). There is no udev and no modprobe:
 * before the console is opened, and again whenever the kernel says that a device has come, the agent
 * gives each device that has no driver the modules that its "modalias" in sysfs asks for. Everything
 * else (file systems, netfilter) the kernel loads when it is needed, by modprobe.c.
 *
 * The lists of modules are read anew each time: a guest hardly ever needs them, and its memory is
 * dear.
 */
#include "agent/device/drivers.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "agent/device/modules.h"
#include "common/fd.h"
#include "common/io.h"
#include "common/log.h"
#include "common/str.h"

#define ALIAS_MAX 256
#define VSOCK_OPTION "CONFIG_VIRTIO_VSOCKETS"
#define VSOCK_MODULE "vmw_vsock_virtio_transport"
/* A host that has given no console by then has none. */
#define CONSOLE_WAIT_MS 2000
/* QEMU says by it that PCI devices come or go. */
#define HOTPLUG_EVENT "gpe01"
#define VIRTIO_VENDOR "0x1af4" /* in PCI */

/* In this order: virtio_pci makes devices of the second bus of those on the first. */
static const char *const buses[] = { "pci", "acpi", "virtio" };

/* The kernel's options behind the device numbers of the virtio specification, chapter 5. */
static const struct {
	unsigned id;
	const char *what, *option;
} virtio_drivers[] = {
	{ 1, "virtio network", "CONFIG_VIRTIO_NET" },
	{ 2, "virtio disks", "CONFIG_VIRTIO_BLK" },
	{ 3, "virtio console", "CONFIG_VIRTIO_CONSOLE" },
	{ 4, "virtio random numbers", "CONFIG_HW_RANDOM_VIRTIO" },
	{ 5, "virtio balloon", "CONFIG_VIRTIO_BALLOON" },
	{ 8, "virtio SCSI", "CONFIG_SCSI_VIRTIO" },
	{ 9, "9p over virtio", "CONFIG_NET_9P_VIRTIO" },
	{ 19, "vsock", VSOCK_OPTION },
	{ 24, "virtio-mem", "CONFIG_VIRTIO_MEM" },
	{ 26, "virtiofs", "CONFIG_VIRTIO_FS" },
	{ 27, "virtio-pmem", "CONFIG_VIRTIO_PMEM" },
};

static const struct {
	const char *fstype, *option;
} fs_options[] = {
	{ "9p", "CONFIG_9P_FS" },
	{ "virtiofs", "CONFIG_VIRTIO_FS" },
	{ "overlay", "CONFIG_OVERLAY_FS" },
	{ "erofs", "CONFIG_EROFS_FS" },
	{ "ext4", "CONFIG_EXT4_FS" },
	{ "xfs", "CONFIG_XFS_FS" },
	{ "btrfs", "CONFIG_BTRFS_FS" },
	{ "squashfs", "CONFIG_SQUASHFS" },
	{ "hugetlbfs", "CONFIG_HUGETLBFS" },
	{ "cgroup2", "CONFIG_CGROUPS" },
};

/* Whether the running kernel has any. */
static bool have_modules;

/* Reads a one-line file of a device. Return: @buf without the newline, "" when there is no such. */
static const char *read_attribute(int dir, const char *device, const char *name,
				  char buf[ALIAS_MAX])
{
	cleanup_free char *text = NULL;
	char path[ALIAS_MAX + 32];

	*buf = '\0';
	(void)snprintf(path, sizeof(path), "%s/%s", device, name);
	if (io_read_file_at(dir, path, ALIAS_MAX - 1, &text) > 0)
		(void)snprintf(buf, ALIAS_MAX, "%.*s", (int)strcspn(text, "\n"), text);
	return buf;
}

static bool has_driver(int dir, const char *device)
{
	char path[ALIAS_MAX + 8];

	(void)snprintf(path, sizeof(path), "%s/driver", device);
	return faccessat(dir, path, F_OK, AT_SYMLINK_NOFOLLOW) == 0;
}

typedef void (*device_fn)(int dir, const char *device, void *arg);

/* Calls @fn for every device of a bus that no driver has taken. */
static void for_each_idle(const char *bus, device_fn fn, void *arg)
{
	char path[64];

	(void)snprintf(path, sizeof(path), "/sys/bus/%s/devices", bus);
	DIR *dir = opendir(path);
	if (!dir)
		return;
	for (struct dirent *e = readdir(dir); e; e = readdir(dir))
		if (e->d_name[0] != '.' && !has_driver(dirfd(dir), e->d_name))
			fn(dirfd(dir), e->d_name, arg);
	(void)closedir(dir);
}

static void load_driver(int dir, const char *device, void *arg)
{
	struct err err = ERR_NULL;
	char alias[ALIAS_MAX];

	if (!*read_attribute(dir, device, "modalias", alias))
		return;
	int r = modules_load(arg, alias, "", &err);
	if (r < 0 && r != -ENOENT) /* most of a machine's parts need no driver of us */
		log_warn("driver for %s: %s", alias, err.text);
}

static void load_all(struct modules *modules)
{
	for (size_t i = 0; i < ARRAY_SIZE(buses); i++)
		if (modules_know_bus(modules, buses[i]))
			for_each_idle(buses[i], load_driver, modules);
}

/* Return: the lists, or NULL when there are none. */
static struct modules *open_modules(void)
{
	struct modules *modules = NULL;
	int r = modules_open_running(&modules);

	if (r < 0 && r != -ENOENT)
		log_warn_errno(r, "the kernel's modules");
	return modules;
}

static void note_idle(int dir, const char *device, void *arg)
{
	struct strbuf *list = arg;
	char alias[ALIAS_MAX];

	(void)read_attribute(dir, device, "modalias", alias);
	if (strbuf_printf(list, "%s %s\n", device, alias) < 0)
		log_debug("out of memory");
}

/* Return: whether the devices without a driver are others than when that was asked last. */
static bool idle_have_changed(void)
{
	static struct strbuf last;
	struct strbuf list = STRBUF_NULL;

	for (size_t i = 0; i < ARRAY_SIZE(buses); i++)
		for_each_idle(buses[i], note_idle, &list);
	bool changed = !last.data || !list.data || !str_eq(last.data, list.data);
	strbuf_deinit(&last);
	last = list;
	return changed;
}

/**
 * drivers_load() - load drivers for the devices that have none
 *
 * The lists of modules are looked through only if there are other such devices than the last time:
 * most of a machine's parts need no driver of us.
 */
void drivers_load(void)
{
	cleanup_modules struct modules *modules =
		have_modules && idle_have_changed() ? open_modules() : NULL;

	if (modules)
		load_all(modules);
}

/* The kernel compares the newline, too. One without ACPI has no events. */
static void set_hotplug_event(const char *line)
{
	(void)io_write_str_at(AT_FDCWD, "/sys/firmware/acpi/interrupts/" HOTPLUG_EVENT, line);
}

/**
 * drivers_expect_devices() - PCI devices will come that drivers_find_devices() is to find
 *
 * The kernel is not to hear of them otherwise: it would interpret the machine's methods for each,
 * which takes longer than all else that is done for a device, and no-one could look for devices
 * meanwhile.
 */
void drivers_expect_devices(void)
{
	set_hotplug_event("disable\n");
	(void)idle_have_changed(); /* those that come are told from those that are there */
}

/**
 * drivers_find_devices() - look for the PCI devices that have come
 *
 * When it returns, those that have a driver are bound to it.
 *
 * Return: 0 or -errno.
 */
int drivers_find_devices(void)
{
	int r = io_write_str_at(AT_FDCWD, "/sys/bus/pci/rescan", "1");

	set_hotplug_event("clear\n");
	set_hotplug_event("enable\n");
	drivers_load();
	return r;
}

/* New memory of a kernel that is not ours stays offline, and virtio-mem waits for somebody. */
static void online_new_memory(void)
{
	static const char path[] = "/sys/devices/system/memory/auto_online_blocks";
	cleanup_free char *text = NULL;

	if (io_read_file_at(AT_FDCWD, path, 32, &text) > 0 && str_skip_prefix(text, "offline") &&
	    io_write_str_at(AT_FDCWD, path, "online") < 0)
		log_debug("new memory stays offline until the host asks for it");
}

/**
 * drivers_start() - once, before the first device is used
 */
void drivers_start(void)
{
	cleanup_modules struct modules *modules = open_modules();
	struct err err = ERR_NULL;

	have_modules = modules;
	if (!modules)
		return;
	load_all(modules);
	/* Also where the device comes later, or never: the agent listens in any case. */
	if (modules_load(modules, VSOCK_MODULE, "", &err) < 0)
		log_debug("%s", err.text);
	online_new_memory();
}

/**
 * drivers_open_console() - open the console, as soon as there is one
 *
 * The driver of virtio consoles agrees upon its ports with the host in the background. The kernel
 * wakes whoever polls the list of consoles when it changes (sysfs_notify() in register_console()).
 *
 * Return: descriptor, not blocking, owned by the caller, or -errno.
 */
int drivers_open_console(void)
{
	cleanup_close int active =
		have_modules
			? neg_errno(open("/sys/class/tty/console/active", O_RDONLY | O_CLOEXEC))
			: -ENOENT;

	for (;;) {
		struct pollfd change = { .fd = active, .events = POLLPRI };
		char names[64];

		/* Read before the try: what changes after it is a change again. */
		bool listening = active >= 0 && pread(active, names, sizeof(names), 0) >= 0;
		int fd =
			neg_errno(open("/dev/console", O_RDWR | O_NOCTTY | O_CLOEXEC | O_NONBLOCK));

		if (fd >= 0 || !listening || poll(&change, 1, CONSOLE_WAIT_MS) <= 0)
			return fd;
	}
}

/* @what and its @option to the list; once, if two devices of a kind have no driver. */
static void add_lack(struct strbuf *lacks, const char *what, const char *option)
{
	if (lacks->len && strstr(lacks->data, option))
		return;
	if (strbuf_printf(lacks, "%s%s (%s)", lacks->len ? ", " : "", what, option) < 0)
		log_debug("out of memory");
}

static void note_idle_pci(int dir, const char *device, void *arg)
{
	char vendor[ALIAS_MAX];

	if (str_eq(read_attribute(dir, device, "vendor", vendor), VIRTIO_VENDOR))
		add_lack(arg, "virtio over PCI", "CONFIG_VIRTIO_PCI");
}

static void note_idle_virtio(int dir, const char *device, void *arg)
{
	char text[ALIAS_MAX];
	unsigned long id = strtoul(read_attribute(dir, device, "device", text), NULL, 16);

	for (size_t i = 0; i < ARRAY_SIZE(virtio_drivers); i++)
		if (virtio_drivers[i].id == id)
			add_lack(arg, virtio_drivers[i].what, virtio_drivers[i].option);
}

/* Its socket may be there without a driver, or no device be there that a driver could miss. */
static void note_vsock(struct strbuf *lacks)
{
	cleanup_close int fd = neg_errno(socket(AF_VSOCK, SOCK_STREAM | SOCK_CLOEXEC, 0));

	if (fd == -EAFNOSUPPORT)
		add_lack(lacks, "vsock", VSOCK_OPTION);
}

/**
 * drivers_check() - say by name what the kernel lacks for the devices that are there
 * @err: says it in one line
 *
 * Return: 0; -EAFNOSUPPORT when it is vsock, without which no host reaches the agent; -ENODEV when
 * it is something else, which a container may never ask for.
 */
int drivers_check(struct err *err)
{
	cleanup_strbuf struct strbuf lacks = STRBUF_NULL;

	for_each_idle("pci", note_idle_pci, &lacks);
	for_each_idle("virtio", note_idle_virtio, &lacks);
	note_vsock(&lacks);
	if (!lacks.len)
		return 0;
	return err_set(err, strstr(lacks.data, VSOCK_OPTION) ? EAFNOSUPPORT : ENODEV,
		       "the guest's kernel lacks %s", lacks.data);
}

static bool knows_fs(const char *fstype)
{
	cleanup_free char *list = NULL;
	char *save = NULL;

	if (io_read_file_at(AT_FDCWD, "/proc/filesystems", 16384, &list) < 0)
		return true; /* nothing is known of it */
	for (char *word = strtok_r(list, "\t\n", &save); word; word = strtok_r(NULL, "\t\n", &save))
		if (str_eq(word, fstype))
			return true;
	return false;
}

/**
 * drivers_mount_failed() - words for a mount that failed
 * @err: filled; when the kernel does not know the file system, with the option that would bring it
 * @r: -errno of it
 * @source: what was to be mounted
 * @fstype: as what
 *
 * Return: @r.
 */
int drivers_mount_failed(struct err *err, int r, const char *source, const char *fstype)
{
	const char *option = "no such file system";

	if (r != -ENODEV || knows_fs(fstype))
		return err_set_errno(err, r, "mount %.128s (%.32s)", source, fstype);
	for (size_t i = 0; i < ARRAY_SIZE(fs_options); i++)
		if (str_eq(fs_options[i].fstype, fstype))
			option = fs_options[i].option;
	return err_set(err, ENODEV, "mount %.128s: the guest's kernel lacks %.32s (%s)", source,
		       fstype, option);
}
