/* SPDX-License-Identifier: Apache-2.0 */
/*
 * DOC: A root for one process
 *
 * Mounts are made and moved by descriptor (open_tree(2), move_mount(2)), so the way to a source
 * needs no search permission for who will live there. Everything is at the path that it has on the
 * host: command lines and error messages stay true. A file that its reader may not read is copied,
 * for what a mount shows keeps its owner and mode.
 */
#include "jail/root.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/sendfile.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "common/fd.h"

#define COPY_CHUNK (1 << 30)
#define PATH_ROOM 4096

struct builder {
	const struct root_plan *plan;
	int root; /* of the new file system */
	struct err *err;
};

/**
 * root_empty() - an empty file system that is mounted nowhere
 * @writable: can be filled, and hold nodes of devices
 *
 * Return: a descriptor of its root, or -errno.
 */
int root_empty(bool writable)
{
	cleanup_close int fs = neg_errno(fsopen("tmpfs", FSOPEN_CLOEXEC));
	unsigned attrs = MOUNT_ATTR_NOEXEC | MOUNT_ATTR_NOSUID;

	if (fs < 0)
		return fs;
	int r = neg_errno(fsconfig(fs, FSCONFIG_SET_STRING, "mode", "0755", 0));
	if (r == 0)
		r = neg_errno(fsconfig(fs, FSCONFIG_CMD_CREATE, NULL, NULL, 0));
	if (r < 0)
		return r;
	return neg_errno(
		fsmount(fs, FSMOUNT_CLOEXEC, writable ? attrs : attrs | MOUNT_ATTR_RDONLY));
}

static int attach_root(int mount_fd)
{
	int r = neg_errno(move_mount(mount_fd, "", AT_FDCWD, "/", MOVE_MOUNT_F_EMPTY_PATH));

	return r == 0 ? neg_errno(fchdir(mount_fd)) : r;
}

static int leave_old_root(void)
{
	int r = neg_errno(syscall(SYS_pivot_root, ".", "."));

	/* The old root lies on top of the new one now. */
	if (r == 0)
		r = neg_errno(umount2(".", MNT_DETACH));
	return r == 0 ? neg_errno(chdir("/")) : r;
}

/**
 * root_enter() - make a detached mount the root of this mount namespace, and the working directory
 * @mount_fd: from open_tree(2) or fsmount(2)
 *
 * The namespace is the caller's own, and its mounts are private or slaves: see pivot_root(2).
 *
 * Return: 0 or -errno.
 */
int root_enter(int mount_fd)
{
	int r = attach_root(mount_fd);

	return r == 0 ? leave_old_root() : r;
}

/* May the owner of the new root use it as it is? Of code, libraries need no right to be executed. */
static bool can_use(const struct stat *st, const struct root_plan *plan, enum root_entry_kind kind)
{
	bool runs = S_ISDIR(st->st_mode) || (kind == ROOT_ENTRY_CODE && (st->st_mode & S_IXUSR));
	mode_t need = runs ? 05 : 04;

	if (st->st_uid == plan->owner)
		return (st->st_mode >> 6 & need) == need;
	return (st->st_mode & need) == need;
}

/* Copies a whole file into the new root. Return: a descriptor of the copy, a path only, or -errno. */
static int copy_file(struct builder *b, const char *path)
{
	char name[32];
	ssize_t n;
	static unsigned nr_copies;

	cleanup_close int in = neg_errno(open(path, O_RDONLY | O_CLOEXEC));
	if (in < 0)
		return in;
	(void)snprintf(name, sizeof(name), ".copy-%u", nr_copies++);
	cleanup_close int out =
		neg_errno(openat(b->root, name, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0500));
	if (out < 0)
		return out;
	do
		n = sendfile(out, in, NULL, COPY_CHUNK);
	while (n > 0);
	if (n < 0 || fchown(out, b->plan->owner, b->plan->group) < 0)
		return -errno;
	return neg_errno(open_tree(b->root, name, OPEN_TREE_CLONE | OPEN_TREE_CLOEXEC));
}

/* It shows the processes of our pid namespace, and nothing of the kernel (subset=pid). */
static int new_proc(void)
{
	cleanup_close int fs = neg_errno(fsopen("proc", FSOPEN_CLOEXEC));

	if (fs < 0)
		return fs;
	int r = neg_errno(fsconfig(fs, FSCONFIG_SET_STRING, "subset", "pid", 0));
	if (r == 0)
		r = neg_errno(fsconfig(fs, FSCONFIG_CMD_CREATE, NULL, NULL, 0));
	return r < 0 ? r
		     : neg_errno(fsmount(fs, FSMOUNT_CLOEXEC,
					 MOUNT_ATTR_RDONLY | MOUNT_ATTR_NOSUID | MOUNT_ATTR_NODEV |
						 MOUNT_ATTR_NOEXEC));
}

/* A detached mount of what @entry names. */
static int open_source(struct builder *b, const struct root_entry *entry)
{
	unsigned flags = OPEN_TREE_CLONE | OPEN_TREE_CLOEXEC;
	struct stat st;

	if (entry->kind == ROOT_ENTRY_PROC)
		return new_proc();
	if (entry->kind == ROOT_ENTRY_TREE)
		return neg_errno(open_tree(AT_FDCWD, entry->path, flags | AT_RECURSIVE));
	if (stat(entry->path, &st) < 0)
		return -errno;
	if (S_ISDIR(st.st_mode) != (entry->kind == ROOT_ENTRY_DIR))
		return entry->kind == ROOT_ENTRY_DIR ? -ENOTDIR : -EISDIR;
	bool readable = can_use(&st, b->plan, entry->kind);
	if (!readable && !S_ISREG(st.st_mode))
		return -EACCES;
	int fd = readable ? neg_errno(open_tree(AT_FDCWD, entry->path, flags))
			  : copy_file(b, entry->path);
	struct mount_attr attr = { .attr_set = MOUNT_ATTR_RDONLY | MOUNT_ATTR_NOSUID |
					       MOUNT_ATTR_NODEV };
	if (entry->kind != ROOT_ENTRY_CODE)
		attr.attr_set |= MOUNT_ATTR_NOEXEC;
	else if (!readable) /* the new root's own */
		attr.attr_clr = MOUNT_ATTR_NOEXEC;
	if (fd >= 0 && mount_setattr(fd, "", AT_EMPTY_PATH, &attr, sizeof(attr)) < 0) {
		int r = -errno;

		(void)fd_close(fd);
		return r;
	}
	return fd;
}

/* Directories on the way to @path, which stays as it was. Return: 0 or -errno. */
static int make_parents(struct builder *b, char *path)
{
	for (char *p = path; (p = strchr(p, '/')); p++) {
		*p = '\0';
		int r = neg_errno(mkdirat(b->root, path, 0755));
		*p = '/';
		/* It is below a directory that is there already, and read-only. */
		if (r < 0 && r != -EEXIST && r != -EROFS)
			return r;
	}
	return 0;
}

static int make_node(struct builder *b, const char *source, const char *target)
{
	struct stat st;

	if (stat(source, &st) < 0)
		return -errno;
	if (!S_ISCHR(st.st_mode))
		return -ENODEV;
	if (mknodat(b->root, target, S_IFCHR | 0600, st.st_rdev) < 0)
		return errno == EEXIST ? 0 : -errno;
	return neg_errno(
		fchownat(b->root, target, b->plan->owner, b->plan->group, AT_SYMLINK_NOFOLLOW));
}

static int make_target(struct builder *b, const char *path, bool dir)
{
	if (dir) {
		int r = neg_errno(mkdirat(b->root, path, 0755));

		return r == -EEXIST || r == -EROFS ? 0 : r;
	}
	int fd = neg_errno(openat(b->root, path, O_PATH | O_NOFOLLOW | O_CLOEXEC));
	if (fd == -ENOENT)
		fd = neg_errno(
			openat(b->root, path, O_RDONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0444));
	if (fd < 0)
		return fd;
	(void)fd_close(fd);
	return 0;
}

static int add_entry(struct builder *b, const struct root_entry *entry)
{
	bool dir = entry->kind == ROOT_ENTRY_DIR || entry->kind == ROOT_ENTRY_TREE ||
		   entry->kind == ROOT_ENTRY_PROC;
	char path[PATH_ROOM];

	if (*entry->path != '/' || strstr(entry->path, "/../"))
		return -EINVAL;
	int n = snprintf(path, sizeof(path), "%s", entry->path + strspn(entry->path, "/"));
	if (n < 1 || (size_t)n >= sizeof(path))
		return -ENAMETOOLONG;
	int r = make_parents(b, path);
	if (r == 0 && entry->kind == ROOT_ENTRY_DEVICE)
		return make_node(b, entry->path, path);
	cleanup_close int source = r == 0 ? open_source(b, entry) : r;
	if (source < 0)
		return source;
	r = make_target(b, path, dir);
	return r == 0 ? neg_errno(move_mount(source, "", b->root, path, MOVE_MOUNT_F_EMPTY_PATH))
		      : r;
}

static int fill(struct builder *b)
{
	struct mount_attr sealed = { .attr_set = MOUNT_ATTR_RDONLY };

	for (size_t i = 0; i < b->plan->nr; i++) {
		int r = add_entry(b, &b->plan->entries[i]);

		if (r < 0)
			return err_set_errno(b->err, r, "put %s into its root",
					     b->plan->entries[i].path);
	}
	if (mount_setattr(b->root, "", AT_EMPTY_PATH, &sealed, sizeof(sealed)) < 0)
		return err_set_errno(b->err, -errno, "make its root read-only");
	return 0;
}

/**
 * root_build() - live in a new root that holds what a plan says
 * @plan: what
 * @err: names what failed
 *
 * For a process that has a mount namespace of its own and CAP_SYS_ADMIN, and CAP_MKNOD for devices.
 * The mounts of the namespace become slaves, so what is mounted below a ROOT_ENTRY_TREE later is
 * seen, and nothing travels the other way. Allocates no memory.
 *
 * Return: 0 or -errno.
 */
int root_build(const struct root_plan *plan, struct err *err)
{
	struct builder b = { .plan = plan, .root = -1, .err = err };
	mode_t mask = umask(022);

	int r = neg_errno(mount(NULL, "/", NULL, MS_REC | MS_SLAVE, NULL));
	cleanup_close int root = r == 0 ? root_empty(true) : r;
	b.root = root;
	if (root >= 0)
		r = attach_root(root);
	if (root < 0 || r < 0)
		return err_set_errno(err, root < 0 ? root : r, "a root of its own");
	r = fill(&b);
	if (r == 0) {
		r = leave_old_root();
		if (r < 0)
			(void)err_set_errno(err, r, "leave the host's root");
	}
	(void)umask(mask);
	return r;
}
