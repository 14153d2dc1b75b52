/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Mounts, what both halves use: new file systems and attributes, by descriptors only.
 */
#include "agent/container/rootfs/mount.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/mount.h>
#include <unistd.h>

#include "common/fd.h"
#include "common/str.h"

/**
 * mount_setattr_fd() - change attributes of a mount
 * @fd: its root, an O_PATH descriptor
 * @recursive: of everything below too
 * @set: MOUNT_ATTR_* to set
 * @clear: MOUNT_ATTR_* to clear
 *
 * In a user namespace flags that were locked on the way in cannot be cleared; then only what is
 * asked to be set is.
 *
 * Return: 0 or -errno.
 */
int mount_setattr_fd(int fd, bool recursive, uint64_t set, uint64_t clear)
{
	struct mount_attr attr = { .attr_set = set, .attr_clr = clear };
	unsigned flags = AT_EMPTY_PATH | (recursive ? AT_RECURSIVE : 0);

	if (!set && !clear)
		return 0;
	int r = neg_errno(mount_setattr(fd, "", flags, &attr, sizeof(attr)));
	if (r == -EPERM && clear && !(set & MOUNT_ATTR__ATIME)) {
		attr.attr_clr = 0;
		r = neg_errno(mount_setattr(fd, "", flags, &attr, sizeof(attr)));
	}
	return r;
}

/**
 * mount_apply_propagation() - set the propagation an option list asks for
 * @fd: root of the mount
 * @options: options
 *
 * Return: 0 or -errno.
 */
int mount_apply_propagation(int fd, const struct mount_options *options)
{
	for (size_t i = 0; i < options->nr_propagation; i++) {
		struct mount_attr attr = { .propagation = options->propagation[i].flag };
		unsigned flags = AT_EMPTY_PATH |
				 (options->propagation[i].recursive ? AT_RECURSIVE : 0);

		if (mount_setattr(fd, "", flags, &attr, sizeof(attr)) < 0)
			return -errno;
	}
	return 0;
}

/**
 * mount_move_to() - attach a detached mount
 * @tree_fd: the mount
 * @target_fd: O_PATH descriptor of where it goes
 *
 * Return: 0 or -errno.
 */
int mount_move_to(int tree_fd, int target_fd)
{
	return neg_errno(move_mount(tree_fd, "", target_fd, "",
				    MOVE_MOUNT_F_EMPTY_PATH | MOVE_MOUNT_T_EMPTY_PATH));
}

/*
 * The kernel's message about a file system context that failed, without its severity prefix; ""
 * when there is none.
 */
static void read_fs_log(int fs_fd, char text[256])
{
	ssize_t n = read(fs_fd, text, 255);

	text[n > 0 ? n : 0] = '\0';
	if (n > 2 && text[1] == ' ')
		memmove(text, text + 2, (size_t)n - 1);
	text[strcspn(text, "\n")] = '\0';
}

static int fs_error(int fs_fd, int r, const char *what, struct err *err)
{
	char text[256];

	read_fs_log(fs_fd, text);
	return *text ? err_set(err, -r, "%s: %s (%s)", what, strerror(-r), text)
		     : err_set_errno(err, r, "%s", what);
}

static int configure_one(int fs_fd, const char *option, struct err *err)
{
	const char *eq = strchr(option, '=');
	char key[64], what[128];
	size_t len = eq ? (size_t)(eq - option) : strlen(option);

	if (len >= sizeof(key))
		return err_set(err, EINVAL, "option %.64s", option);
	memcpy(key, option, len);
	key[len] = '\0';
	if (fsconfig(fs_fd, eq ? FSCONFIG_SET_STRING : FSCONFIG_SET_FLAG, key, eq ? eq + 1 : NULL,
		     0) >= 0)
		return 0;
	(void)snprintf(what, sizeof(what), "option %.100s", option);
	return fs_error(fs_fd, -errno, what, err);
}

/* Those of the kernel itself share one superblock or follow the flags of the mount. */
static bool takes_read_only(const char *type)
{
	static const char *const kernel_types[] = { "proc",   "sysfs", "cgroup2", "mqueue",
						    "devpts", "tmpfs", "ramfs" };

	for (size_t i = 0; i < ARRAY_SIZE(kernel_types); i++)
		if (str_eq(type, kernel_types[i]))
			return false;
	return true;
}

static int configure(int fs_fd, const char *type, const char *source,
		     const struct mount_options *options, const char *label, struct err *err)
{
	int r = 0;

	if (!str_empty(source) && fsconfig(fs_fd, FSCONFIG_SET_STRING, "source", source, 0) < 0)
		return fs_error(fs_fd, -errno, "source", err);
	if ((options->self.set & MOUNT_ATTR_RDONLY) && takes_read_only(type) &&
	    fsconfig(fs_fd, FSCONFIG_SET_FLAG, "ro", NULL, 0) < 0)
		return fs_error(fs_fd, -errno, "option ro", err);
	for (size_t i = 0; i < options->super.nr && r >= 0; i++)
		r = configure_one(fs_fd, options->super.v[i], err);
	for (size_t i = 0; i < options->data.nr && r >= 0; i++)
		r = configure_one(fs_fd, options->data.v[i], err);
	if (r >= 0 && !str_empty(label) && takes_read_only(type) &&
	    fsconfig(fs_fd, FSCONFIG_SET_STRING, "context", label, 0) < 0)
		return fs_error(fs_fd, -errno, "option context", err);
	return r;
}

/**
 * mount_new_fs() - make a file system, attached nowhere yet
 * @type: its type
 * @source: its source; may be NULL
 * @options: options
 * @label: linux.mountLabel; may be NULL
 * @ret_fd: receives the detached mount, owned by the caller
 * @err: filled on failure
 *
 * Return: 0 or -errno.
 */
int mount_new_fs(const char *type, const char *source, const struct mount_options *options,
		 const char *label, int *ret_fd, struct err *err)
{
	cleanup_close int fs_fd = neg_errno(fsopen(type, FSOPEN_CLOEXEC));

	if (fs_fd == -ENODEV)
		return err_set(err, ENODEV, "the kernel has no file system \"%.32s\"", type);
	if (fs_fd < 0)
		return err_set_errno(err, fs_fd, "file system %.32s", type);
	int r = configure(fs_fd, type, source, options, label, err);
	if (r < 0)
		return r;
	if (fsconfig(fs_fd, FSCONFIG_CMD_CREATE, NULL, NULL, 0) < 0)
		return fs_error(fs_fd, -errno, type, err);
	/* The tree of a new file system is itself. */
	uint64_t set = options->self.set | options->tree.set;
	cleanup_close int fd = neg_errno(fsmount(fs_fd, FSMOUNT_CLOEXEC, (unsigned)set));
	if (fd < 0)
		return fs_error(fs_fd, fd, type, err);
	*ret_fd = TAKE_FD(fd);
	return 0;
}
