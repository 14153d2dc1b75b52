/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Terminals. The pty is made in the container's own devpts, so that its name is right there; the
 * master is handed to the agent. The slave is reached from the master, never by a path.
 */
#include "agent/container/terminal.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/magic.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/vfs.h>
#include <termios.h>
#include <unistd.h>

#include "agent/container/launch.h"
#include "agent/container/rootfs/mount.h"
#include "agent/util/path.h"
#include "common/fd.h"

static int open_master(int root_fd)
{
	struct statfs fs;
	cleanup_close int fd = path_open_in(root_fd, "/dev/pts/ptmx", O_RDWR | O_NOCTTY);

	if (fd == -ENOENT || fd == -EACCES) {
		(void)fd_close(TAKE_FD(fd));
		fd = path_open_in(root_fd, "/dev/ptmx", O_RDWR | O_NOCTTY);
	}
	if (fd < 0)
		return fd;
	if (fstatfs(fd, &fs) < 0)
		return -errno;
	/* Also keeps a fifo or a disk of that name from being used as a terminal. */
	if (fs.f_type != DEVPTS_SUPER_MAGIC)
		return -ENOTTY;
	return TAKE_FD(fd);
}

/*
 * Makes the slave the container's /dev/console (CVE-2025-52565: by descriptors, and no link is
 * followed).
 */
static int bind_console(int root_fd, int slave, struct err *err)
{
	cleanup_close int dev = path_open_plain_in(root_fd, "/dev", O_PATH | O_DIRECTORY);

	if (dev < 0)
		return err_set_errno(err, dev, "/dev of the container");
	int r = neg_errno(openat(dev, "console",
				 O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC | O_NOCTTY,
				 0600));
	if (r >= 0)
		(void)close(r);
	if (r < 0 && r != -EEXIST)
		return err_set_errno(err, r, "make /dev/console");
	cleanup_close int target =
		neg_errno(openat(dev, "console", O_PATH | O_NOFOLLOW | O_CLOEXEC));
	cleanup_close int tree = neg_errno(
		open_tree(slave, "", OPEN_TREE_CLONE | OPEN_TREE_CLOEXEC | AT_EMPTY_PATH));
	r = target < 0 ? target : tree < 0 ? tree : mount_move_to(tree, target);
	return r < 0 ? err_set_errno(err, r, "bind the terminal to /dev/console") : 0;
}

static int set_up_slave(const struct launch_plan *launch, int slave, struct err *err)
{
	const struct oci_box *size = launch->process->console_size;

	if (size && (size->width || size->height)) {
		struct winsize ws = {
			.ws_row = (unsigned short)MIN(size->height, 0xffffU),
			.ws_col = (unsigned short)MIN(size->width, 0xffffU),
		};
		if (ioctl(slave, TIOCSWINSZ, &ws) < 0)
			return err_set_errno(err, -errno, "set the size of the terminal");
	}
	if (fchown(slave, launch->process->user.uid, (gid_t)-1) < 0)
		return err_set_errno(err, -errno, "give the terminal to user %u",
				     launch->process->user.uid);
	/* It belongs to a session, and that is its child's. */
	if (!launch->birth && ioctl(slave, TIOCSCTTY, 0) < 0)
		return err_set_errno(err, -errno, "make it the controlling terminal");
	for (int fd = 0; fd <= 2; fd++)
		if (dup2(slave, fd) < 0)
			return err_set_errno(err, -errno, "dup2");
	return 0;
}

/**
 * terminal_open() - in the child: make a terminal and let it be stdin, stdout, stderr and
 * controlling terminal
 * @launch: plan; for an init /dev/console is made too
 * @root_fd: root of the container
 * @ret_master: receives the master, owned by the caller
 * @err: filled on failure
 *
 * The process must lead its session.
 *
 * Return: 0 or -errno.
 */
int terminal_open(const struct launch_plan *launch, int root_fd, int *ret_master, struct err *err)
{
	int unlock = 0;
	cleanup_close int master = open_master(root_fd), slave = -1;

	if (master < 0)
		return err_set_errno(err, master, "open /dev/ptmx of the container");
	if (ioctl(master, TIOCSPTLCK, &unlock) < 0)
		return err_set_errno(err, -errno, "unlock the terminal");
	slave = neg_errno(ioctl(master, TIOCGPTPEER, O_RDWR | O_NOCTTY | O_CLOEXEC));
	if (slave < 0)
		return err_set_errno(err, slave, "open the terminal");
	int r = launch->is_init ? bind_console(root_fd, slave, err) : 0;
	if (r >= 0)
		r = set_up_slave(launch, slave, err);
	if (r < 0)
		return r;
	*ret_master = TAKE_FD(master);
	return 0;
}
