/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Makes a Linux system of a kernel and an empty root file system: the mounts every program expects,
 * all cgroup controllers, the loopback. Nothing in here waits for anything.
 */
#include "agent/server/guest_init.h"

#include <errno.h>
#include <fcntl.h>
#include <net/if.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mount.h>
#include <sys/reboot.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include "agent/container/rootfs/rootfs.h"
#include "agent/device/drivers.h"
#include "agent/util/cmdline.h"
#include "common/fd.h"
#include "common/io.h"
#include "common/log.h"

#define CGROUP_DIR "/sys/fs/cgroup"
#define CMDLINE_MAX 8192
/* Containers inherit it where their spec sets none. */
#define GUEST_NOFILE (1024UL * 1024)

static const struct {
	const char *type, *target, *data;
	unsigned long flags;
} guest_mounts[] = {
	{ "proc", "/proc", NULL, MS_NOSUID | MS_NODEV | MS_NOEXEC },
	{ "sysfs", "/sys", NULL, MS_NOSUID | MS_NODEV | MS_NOEXEC },
	{ "devtmpfs", "/dev", "mode=755", MS_NOSUID },
	{ "devpts", "/dev/pts", "gid=5,mode=620,ptmxmode=666", MS_NOSUID | MS_NOEXEC },
	{ "tmpfs", "/dev/shm", "mode=1777", MS_NOSUID | MS_NODEV },
	{ "tmpfs", "/run", "mode=755", MS_NOSUID | MS_NODEV },
	{ "tmpfs", "/tmp", "mode=1777", MS_NOSUID | MS_NODEV },
	{ "cgroup2", CGROUP_DIR, "nsdelegate", MS_NOSUID | MS_NODEV | MS_NOEXEC },
};

static int mount_all(struct err *err)
{
	for (size_t i = 0; i < ARRAY_SIZE(guest_mounts); i++) {
		const char *target = guest_mounts[i].target;

		/* When it fails for another reason than EEXIST, the mount fails, too. */
		(void)mkdir(target, 0755);
		/* EBUSY: the kernel has mounted devtmpfs by itself. */
		if (mount(guest_mounts[i].type, target, guest_mounts[i].type, guest_mounts[i].flags,
			  guest_mounts[i].data) < 0 &&
		    errno != EBUSY)
			return err_set_errno(err, -errno, "mount %s", target);
	}
	return 0;
}

/*
 * One by one: a single write of all names fails as a whole when one controller cannot be enabled.
 */
static void enable_controllers(void)
{
	cleanup_free char *list = NULL;
	char *save = NULL, word[64];

	if (io_read_file_at(AT_FDCWD, CGROUP_DIR "/cgroup.controllers", 4096, &list) < 0)
		return;
	for (char *name = strtok_r(list, " \n", &save); name; name = strtok_r(NULL, " \n", &save)) {
		(void)snprintf(word, sizeof(word), "+%s", name);
		int r = io_write_str_at(AT_FDCWD, CGROUP_DIR "/cgroup.subtree_control", word);
		if (r < 0)
			log_warn_errno(r, "cgroup controller %s", name);
	}
}

/*
 * Namespaces, cgroups and network devices come and go through RCU grace periods, which last some
 * clock ticks each. In a guest of a few processors the quick kind costs nothing, and halves the
 * time to make a container.
 */
static void hurry_rcu(void)
{
	(void)io_write_str_at(AT_FDCWD, "/sys/kernel/rcu_expedited",
			      "1"); /* without it things are slower, but work */
}

/*
 * Since 6.7 a CPU may keep an eighth of all memory in its lists of single free pages, which no
 * balloon hears of, and shrinks them only while it is awake. This is a 512th for all CPUs together.
 */
static void keep_few_free_pages(void)
{
	(void)io_write_str_at(AT_FDCWD, "/proc/sys/vm/percpu_pagelist_high_fraction",
			      "512"); /* without it the host gets memory back later */
}

static int loopback_up(void)
{
	struct ifreq ifr = { .ifr_name = "lo" };
	cleanup_close int fd = neg_errno(socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0));

	if (fd < 0)
		return fd;
	if (ioctl(fd, SIOCGIFFLAGS, &ifr) < 0)
		return -errno;
	ifr.ifr_flags = (short)(ifr.ifr_flags | IFF_UP);
	return neg_errno(ioctl(fd, SIOCSIFFLAGS, &ifr));
}

static void read_cmdline(struct agent_config *config)
{
	cleanup_free char *cmdline = NULL;

	if (io_read_file_at(AT_FDCWD, "/proc/cmdline", CMDLINE_MAX, &cmdline) >= 0)
		agent_config_read_cmdline(config, cmdline);
}

/* The kernel gives PID 1 no descriptors when the image has no /dev/console. */
static void occupy_stdio(void)
{
	int fd;

	do
		fd = open("/dev/null", O_RDWR | O_CLOEXEC);
	while (fd >= 0 && fd <= STDERR_FILENO);
	(void)fd_close(fd);
}

static void raise_limits(void)
{
	struct rlimit nofile = { GUEST_NOFILE, GUEST_NOFILE };

	(void)setrlimit(RLIMIT_NOFILE, &nofile); /* when it fails the lower limit stays */
	int r = io_write_str_at(AT_FDCWD, "/proc/self/oom_score_adj", "-1000");
	if (r < 0)
		log_warn_errno(r, "oom_score_adj");
}

/**
 * guest_init() - make the system
 * @config: settings; the kernel command line is applied
 * @ret_console: receives the console, not blocking, or -1
 * @err: says what is missing
 *
 * Return: 0, or -errno when the guest is of no use.
 */
int guest_init(struct agent_config *config, int *ret_console, struct err *err)
{
	int r = rootfs_make_pivotable(err);

	if (r >= 0)
		r = mount_all(err);
	hurry_rcu();
	keep_few_free_pages();
	drivers_start(); /* the console may be one of them */
	/* Opened after a failure, too, so that it can be logged. */
	*ret_console = drivers_open_console();
	log_init("kata-agent", *ret_console, LOG_FORMAT_PLAIN, config->log_level);
	if (r < 0)
		return r;
	occupy_stdio();
	read_cmdline(config);
	log_set_level(config->log_level);
	r = drivers_check(err);
	if (r == -EAFNOSUPPORT && config->server.type == AGENT_ADDR_VSOCK)
		return r;
	if (r < 0)
		log_warn("%s", err->text);
	enable_controllers();
	raise_limits();
	r = loopback_up();
	if (r < 0)
		log_warn_errno(r, "loopback");
	if (symlink("/run", "/var/run") < 0)
		log_debug("/var/run is there already"); /* the image may bring its own */
	/* Ctrl-Alt-Del must not reboot the guest. */
	(void)reboot(RB_DISABLE_CAD);
	return 0;
}

/**
 * guest_power_off() - the end
 */
void guest_power_off(void)
{
	sync();
	(void)reboot(RB_POWER_OFF);
	for (;;)
		(void)pause(); /* only when the machine cannot be switched off */
}
