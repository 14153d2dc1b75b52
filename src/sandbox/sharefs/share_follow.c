/* SPDX-License-Identifier: Apache-2.0 */
/*
 * DOC: What the host mounts later
 *
 * umount(2) refuses where a copy of the mount that it would take away, too, is in use, in whatever
 * namespace. Were the exported mounts such copies (slaves of the host's), the host could not unmount
 * what a guest has once looked at: virtiofsd has open what the guest's kernel knows, and that
 * forgets when it needs the memory.
 *
 * So the slaves are mounts that nobody looks into: they lie over the entries of <state>/mounts/,
 * the side that is not exported. The kernel says when mounts have changed (poll(2) of
 * /proc/self/mountinfo). What has come is mounted on the exported side, by descriptor and without
 * following links, for the guest may have put them there; what has gone is detached there, and
 * whoever started this is told, so that the guest gives up what it still knows of it.
 *
 * Mounts are told by the kernel's numbers: their paths change when the guest renames directories.
 */
#include "sandbox/sharefs/share_follow.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <linux/openat2.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <unistd.h>

#include "common/fd.h"
#include "common/list.h"
#include "common/log.h"
#include "common/loop.h"
#include "common/mountinfo.h"
#include "common/str.h"
#include "sandbox/sharefs/share.h"

#define FOLLOW_MOUNTS_MAX 1024

/* A directory whose mounts are followed. */
struct followed {
	struct list node;
	char *name;
	unsigned flags; /* enum share_flag */
	uint64_t slave; /* number of the mount that is the host's slave */
};

/* A mount below one. */
struct follow_mount {
	uint64_t slave, exported; /* numbers of both mounts */
	bool kept;
};

struct share_follow {
	struct share *share;
	struct loop *loop;
	share_gone_fn gone;
	void *arg;
	struct list dirs;
	struct follow_mount mounts[FOLLOW_MOUNTS_MAX]; /* in the order in which they were made */
	size_t nr;
	int mountinfo_fd, changed_fd;
	struct loop_source *changed;
};

/* Follows no link: the guest can put some there. */
static int open_below(int dir_fd, const char *path)
{
	return fd_open_resolved(dir_fd, path, O_PATH | O_NOFOLLOW,
				RESOLVE_NO_SYMLINKS | RESOLVE_BENEATH);
}

static uint64_t mount_number(int fd)
{
	struct statx stx;

	if (statx(fd, "", AT_EMPTY_PATH | AT_STATX_DONT_SYNC, STATX_MNT_ID, &stx) < 0 ||
	    !(stx.stx_mask & STATX_MNT_ID))
		return 0;
	return stx.stx_mnt_id;
}

/* What follows the directory and a slash in a path; NULL: it is not in it. */
static const char *below(const char *path, const char *dir)
{
	const char *rest = str_skip_prefix(path, dir);

	return rest && rest[0] == '/' && rest[1] ? rest + 1 : NULL;
}

/* The directory that is followed and has @path in it. A mount over it is in it, too. */
static const struct followed *find_dir(const struct share_follow *follow, const char *path)
{
	list_for_each(node, &follow->dirs) {
		const struct followed *dir = list_entry(node, struct followed, node);
		const char *rest = str_skip_prefix(path, dir->name);

		if (rest && (!*rest || *rest == '/'))
			return dir;
	}
	return NULL;
}

static bool is_exported_read_only(const struct share_follow *follow, const struct followed *dir)
{
	cleanup_close int fd = open_below(follow->share->mounts_fd, dir->name);
	struct statvfs fs;

	return !(dir->flags & SHARE_READ_ONLY_TOP) && fd >= 0 && fstatvfs(fd, &fs) == 0 &&
	       (fs.f_flag & ST_RDONLY);
}

/* Shows the guest what @slave_fd is open on. Return: 0 or -errno. */
static int export_mount(struct share_follow *follow, const struct followed *dir, int slave_fd,
			const char *path, struct follow_mount *mount)
{
	struct mount_attr attr = { .attr_set = SHARE_FORBIDDEN, .propagation = MS_PRIVATE };
	cleanup_close int fd = neg_errno(
		open_tree(slave_fd, "", AT_EMPTY_PATH | OPEN_TREE_CLONE | OPEN_TREE_CLOEXEC));
	cleanup_close int target = open_below(follow->share->mounts_fd, path);

	if (fd < 0 || target < 0)
		return MIN(fd, target);
	if (is_exported_read_only(follow, dir))
		attr.attr_set |= MOUNT_ATTR_RDONLY;
	if (mount_setattr(fd, "", AT_EMPTY_PATH, &attr, sizeof(attr)) < 0 ||
	    move_mount(fd, "", target, "", MOVE_MOUNT_F_EMPTY_PATH | MOVE_MOUNT_T_EMPTY_PATH) < 0)
		return -errno;
	mount->exported = mount_number(fd);
	return 0;
}

static struct follow_mount *find_mount(struct share_follow *follow, uint64_t slave)
{
	for (size_t i = 0; i < follow->nr; i++)
		if (follow->mounts[i].slave == slave)
			return &follow->mounts[i];
	return NULL;
}

/* A mount that lies below another one cannot be seen, and so is not to be. */
static int open_visible(int side_fd, const char *path, uint64_t number)
{
	cleanup_close int fd = open_below(side_fd, path);

	if (fd >= 0 && mount_number(fd) != number)
		return -ENOENT;
	return TAKE_FD(fd);
}

static void follow_new(struct share_follow *follow, const struct mountinfo_entry *entry,
		       const struct followed *dir, int slave_fd, const char *path)
{
	struct follow_mount mount = { .slave = entry->id, .kept = true };
	int r = follow->nr < FOLLOW_MOUNTS_MAX ? export_mount(follow, dir, slave_fd, path, &mount)
					       : -ENOSPC;

	if (r < 0)
		log_warn_errno(r, "%s: what the host has mounted there stays hidden", path);
	else
		follow->mounts[follow->nr++] = mount;
}

/* Marks what is still there, or, when @add, shows what is new. */
static void look_at_slaves(struct share_follow *follow, const struct mountinfo *info,
			   const char *entries, bool add)
{
	for (size_t i = 0; i < info->nr; i++) {
		const struct mountinfo_entry *entry = &info->entries[i];
		const char *path = below(entry->mount_point, entries);
		const struct followed *dir = path ? find_dir(follow, path) : NULL;
		struct follow_mount *known = dir ? find_mount(follow, entry->id) : NULL;

		if (!dir || entry->id == dir->slave || add == !!known)
			continue;
		cleanup_close int fd = open_visible(follow->share->entries_fd, path, entry->id);
		if (fd < 0)
			continue;
		if (known)
			known->kept = true;
		else
			follow_new(follow, entry, dir, fd, path);
	}
}

static void detach(struct share_follow *follow, const struct mountinfo *info, const char *exported,
		   uint64_t number)
{
	for (size_t i = 0; i < info->nr; i++) {
		const char *path = info->entries[i].id == number
					   ? below(info->entries[i].mount_point, exported)
					   : NULL;
		char link[FD_PATH_MAX];

		if (!path)
			continue;
		cleanup_close int fd = open_visible(follow->share->mounts_fd, path, number);
		/* The link of a descriptor is to be followed; itself it is no link. */
		if (fd >= 0 && umount2(fd_path(fd, link), MNT_DETACH) < 0)
			log_warn_errno(-errno, "unmount %s", path);
		fd = fd_close(fd);
		follow->gone(follow->arg, path);
	}
}

static void drop_gone(struct share_follow *follow, const struct mountinfo *info,
		      const char *exported)
{
	size_t nr = 0;

	for (size_t i = follow->nr; i > 0; i--)
		if (!follow->mounts[i - 1].kept)
			detach(follow, info, exported, follow->mounts[i - 1].exported);
	for (size_t i = 0; i < follow->nr; i++)
		if (follow->mounts[i].kept)
			follow->mounts[nr++] = follow->mounts[i];
	follow->nr = nr;
}

/* Makes the exported side what the slaves are. */
static int synchronize(struct share_follow *follow)
{
	cleanup_mountinfo struct mountinfo info = MOUNTINFO_NULL;
	char entries[PATH_MAX], exported[PATH_MAX];
	ssize_t r = mountinfo_read(&info);

	/* As mountinfo has them, without links. */
	if (r >= 0)
		r = fd_read_path(follow->share->entries_fd, entries);
	if (r >= 0)
		r = fd_read_path(follow->share->mounts_fd, exported);
	if (r < 0)
		return (int)r;
	for (size_t i = 0; i < follow->nr; i++)
		follow->mounts[i].kept = false;
	look_at_slaves(follow, &info, entries, false);
	drop_gone(follow, &info, exported);
	look_at_slaves(follow, &info, entries, true);
	return 0;
}

static void on_change(void *arg, unsigned events)
{
	struct share_follow *follow = arg;
	struct epoll_event event;

	(void)events;
	(void)epoll_wait(follow->changed_fd, &event, 1, 0); /* looked at in any case */
	if (list_empty(&follow->dirs))
		return;
	int r = synchronize(follow);
	if (r < 0)
		log_warn_errno(r, "look at the mounts of the host");
}

/*
 * The file can always be read, and has urgent data when something has changed: only an epoll of
 * its own tells the loop of the latter alone.
 */
static int watch_mounts(struct share_follow *follow)
{
	struct epoll_event event = { .events = EPOLLPRI };

	if (follow->changed)
		return 0;
	follow->mountinfo_fd = neg_errno(open("/proc/self/mountinfo", O_RDONLY | O_CLOEXEC));
	follow->changed_fd = neg_errno(epoll_create1(EPOLL_CLOEXEC));
	if (follow->mountinfo_fd < 0 || follow->changed_fd < 0)
		return MIN(follow->mountinfo_fd, follow->changed_fd);
	if (epoll_ctl(follow->changed_fd, EPOLL_CTL_ADD, follow->mountinfo_fd, &event) < 0)
		return -errno;
	return loop_add_io(follow->loop, follow->changed_fd, LOOP_READ, on_change, follow,
			   &follow->changed);
}

/**
 * share_follow_start() - follow what the host mounts below what is shared with SHARE_FOLLOW
 * @share: tree, from share_init()
 * @loop: where mounts are watched, from the first such directory on
 * @gone: called for what is no more, after it went
 * @arg: for @gone
 * @err: says which step failed
 *
 * Without it such directories are shared without what comes later. Ends with the tree.
 *
 * Return: 0 or -errno.
 */
int share_follow_start(struct share *share, struct loop *loop, share_gone_fn gone, void *arg,
		       struct err *err)
{
	struct share_follow *follow = calloc(1, sizeof(*follow));

	if (!follow)
		return err_set(err, ENOMEM, "out of memory");
	*follow = (struct share_follow){ .share = share,
					 .loop = loop,
					 .gone = gone,
					 .arg = arg,
					 .mountinfo_fd = -1,
					 .changed_fd = -1 };
	list_init(&follow->dirs);
	share->follow = follow;
	return 0;
}

/* The slaves go; what of them is exported is the caller's. */
static void take_away(struct share_follow *follow, const char *name)
{
	char path[FD_PATH_MAX + PATH_MAX], link[FD_PATH_MAX];

	(void)snprintf(path, sizeof(path), "%s/%s", fd_path(follow->share->entries_fd, link), name);
	if (umount2(path, MNT_DETACH | UMOUNT_NOFOLLOW) < 0 && errno != EINVAL && errno != ENOENT)
		log_warn_errno(-errno, "unmount %s", path);
}

static void forget_dir(struct share_follow *follow, struct followed *dir)
{
	take_away(follow, dir->name);
	list_del(&dir->node);
	free(dir->name);
	free(dir);
}

/**
 * share_follow_free() - release
 * @follow: from share_follow_start() or NULL; what it exports stays
 *
 * Return: NULL.
 */
struct share_follow *share_follow_free(struct share_follow *follow)
{
	if (!follow)
		return NULL;
	follow->changed = loop_source_free(follow->changed);
	(void)fd_close(follow->changed_fd);
	(void)fd_close(follow->mountinfo_fd);
	list_for_each_safe(node, next, &follow->dirs)
		forget_dir(follow, list_entry(node, struct followed, node));
	free(follow);
	return NULL;
}

/**
 * share_follow_place() - put the host's slaves where nobody looks
 * @follow: from share_follow_start()
 * @tree_fd: a detached tree of slaves, whose mount point has been made
 * @name: as given to share_add()
 * @err: filled on failure
 *
 * Return: a detached copy, which follows nobody, of its topmost mount, or -errno.
 */
int share_follow_place(struct share_follow *follow, int tree_fd, const char *name, struct err *err)
{
	struct mount_attr attr = { .propagation = MS_PRIVATE };
	cleanup_close int entry = open_below(follow->share->entries_fd, name);

	if (entry < 0 || move_mount(tree_fd, "", entry, "",
				    MOVE_MOUNT_F_EMPTY_PATH | MOVE_MOUNT_T_EMPTY_PATH) < 0)
		return err_set_errno(err, entry < 0 ? entry : -errno, "mount %s to follow", name);
	cleanup_close int fd = neg_errno(
		open_tree(tree_fd, "", AT_EMPTY_PATH | OPEN_TREE_CLONE | OPEN_TREE_CLOEXEC));
	int r = fd < 0 ? fd : neg_errno(mount_setattr(fd, "", AT_EMPTY_PATH, &attr, sizeof(attr)));
	if (r >= 0)
		return TAKE_FD(fd);
	take_away(follow, name);
	return err_set_errno(err, r, "copy the mount of %s", name);
}

/**
 * share_follow_add() - show what is mounted below a directory, now and later
 * @follow: from share_follow_start()
 * @name: what share_follow_place() was called for, mounted on the exported side
 * @flags: enum share_flag
 * @err: filled on failure
 *
 * Return: 0 or -errno.
 */
int share_follow_add(struct share_follow *follow, const char *name, unsigned flags, struct err *err)
{
	struct followed *dir = calloc(1, sizeof(*dir));
	cleanup_close int fd = open_below(follow->share->entries_fd, name);

	if (!dir || !(dir->name = strdup(name))) {
		free(dir);
		return err_set(err, ENOMEM, "out of memory");
	}
	dir->flags = flags;
	dir->slave = fd < 0 ? 0 : mount_number(fd);
	list_add_tail(&follow->dirs, &dir->node);
	int r = watch_mounts(follow);
	if (r >= 0)
		r = synchronize(follow);
	if (r >= 0)
		return 0;
	forget_dir(follow, dir);
	return err_set_errno(err, r, "follow the mounts below %s", name);
}

/**
 * share_follow_remove() - what was shared is not any more
 * @follow: from share_follow_start() or NULL
 * @name: as given to share_add()
 */
void share_follow_remove(struct share_follow *follow, const char *name)
{
	if (!follow)
		return;
	list_for_each_safe(node, next, &follow->dirs) {
		struct followed *dir = list_entry(node, struct followed, node);

		if (str_eq(dir->name, name))
			forget_dir(follow, dir);
	}
}
