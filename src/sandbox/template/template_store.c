/* SPDX-License-Identifier: Apache-2.0 */
/*
 * DOC: The store of templates
 *
 * Readers take no lock: a template appears by a rename, whole, and one that is thrown away while it
 * is being copied stays readable by its open files. Makers hold the lock, one at a time; what a
 * maker that was killed left behind is removed by whoever gets the lock next.
 */
#include "sandbox/template/template_store.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <sys/vfs.h>
#include <time.h>
#include <unistd.h>

#include <linux/magic.h>

#include "common/fd.h"
#include "common/io.h"
#include "common/log.h"

#define LOCK_NAME "lock"
#define NEW_NAME "new"
#define FAILED_SUFFIX ".failed"
#define FAILED_NAME_MAX (SNAPSHOT_DIGEST_LEN + sizeof(FAILED_SUFFIX))
#define ENTRIES_MAX 64

static bool is_ours(int fd)
{
	struct stat st;

	return fstat(fd, &st) == 0 && S_ISDIR(st.st_mode) && st.st_uid == geteuid() &&
	       !(st.st_mode & 077);
}

/* What is above it is others' way to their files, too. */
static int make_store(const char *path)
{
	cleanup_free char *parent = strdup(path);
	char *slash = parent ? strrchr(parent, '/') : NULL;

	if (!slash)
		return parent ? -EINVAL : -ENOMEM;
	*slash = '\0';
	int r = *parent ? io_mkdir_p(parent, 0711) : 0;
	if (r >= 0)
		r = neg_errno(mkdir(path, 0700));
	return r == -EEXIST ? 0 : r;
}

/**
 * template_store_open() - open the directory of templates
 * @path: absolute
 * @make: make it if it is missing
 * @err: filled on failure
 *
 * Return: descriptor, -ENOENT, -EPERM when it is not ours alone, -ENOTSUP when it is not in memory,
 * or -errno.
 */
int template_store_open(const char *path, bool make, struct err *err)
{
	struct statfs fs;
	int r = make ? make_store(path) : 0;
	cleanup_close int fd =
		r < 0 ? r : neg_errno(open(path, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC));

	if (fd < 0)
		return err_set_errno(err, fd, "open %s", path);
	if (!is_ours(fd))
		return err_set(err, EPERM, "%s may be read by others: it is not used", path);
	if (fstatfs(fd, &fs) < 0 || fs.f_type != TMPFS_MAGIC)
		return err_set(err, ENOTSUP, "%s is not on a tmpfs", path);
	return TAKE_FD(fd);
}

/**
 * template_store_lock() - become the one who makes templates
 * @store_fd: store
 *
 * Return: a descriptor that holds the lock, -EWOULDBLOCK when somebody else does, or -errno.
 */
int template_store_lock(int store_fd)
{
	cleanup_close int fd = neg_errno(openat(
		store_fd, LOCK_NAME, O_RDWR | O_CREAT | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC, 0600));

	if (fd < 0)
		return fd;
	return flock(fd, LOCK_EX | LOCK_NB) < 0 ? -errno : TAKE_FD(fd);
}

static void remove_tree(int store_fd, const char *name)
{
	int r = io_rm_tree_at(store_fd, name);

	if (r < 0 && r != -ENOENT)
		log_debug("template %s cannot be removed: %s", name, strerror(-r));
}

/**
 * template_store_clean() - remove what a maker that was killed left
 * @store_fd: store
 */
void template_store_clean(int store_fd)
{
	if (faccessat(store_fd, NEW_NAME, F_OK, AT_SYMLINK_NOFOLLOW) < 0)
		return;
	cleanup_close int lock = template_store_lock(store_fd);
	if (lock >= 0)
		remove_tree(store_fd, NEW_NAME);
}

/**
 * template_store_find() - open the template of a key
 * @store_fd: store
 * @key: key
 * @ret: receives it, verified but for the contents of its RAM
 *
 * One that is damaged is thrown away.
 *
 * Return: 0 or -ENOENT.
 */
int template_store_find(int store_fd, const char *key, struct snapshot *ret)
{
	struct err err = ERR_NULL;
	cleanup_close int dir =
		neg_errno(openat(store_fd, key, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC));

	if (dir == -ENOENT)
		return -ENOENT;
	if (dir < 0)
		(void)err_set_errno(&err, dir, "open");
	if (dir >= 0 && snapshot_open(dir, key, ret, &err) >= 0) {
		(void)futimens(dir, NULL); /* when it was used last; else it goes sooner */
		return 0;
	}
	template_store_discard(store_fd, key, err.text);
	return -ENOENT;
}

/**
 * template_store_discard() - throw a template away that is of no use
 * @store_fd: store
 * @key: which
 * @why: for the log
 */
void template_store_discard(int store_fd, const char *key, const char *why)
{
	log_warn("template %.12s is thrown away: %s", key, why);
	remove_tree(store_fd, key);
}

/**
 * template_store_begin() - a directory for what is to become a template
 * @store_fd: store whose lock the caller has
 * @err: filled on failure
 *
 * Return: descriptor of an empty directory, or -errno.
 */
int template_store_begin(int store_fd, struct err *err)
{
	remove_tree(store_fd, NEW_NAME);
	int r = neg_errno(mkdirat(store_fd, NEW_NAME, 0700));
	if (r >= 0)
		r = neg_errno(openat(store_fd, NEW_NAME,
				     O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC));
	return r < 0 ? err_set_errno(err, r, "make a template's directory") : r;
}

static int describe(int store_fd, const char *key, struct template_info *ret)
{
	struct stat st, file;

	if (fstatat(store_fd, key, &st, AT_SYMLINK_NOFOLLOW) < 0)
		return -errno;
	*ret = (struct template_info){ .used_s = st.st_mtim.tv_sec };
	(void)snprintf(ret->key, sizeof(ret->key), "%s", key);
	cleanup_close int dir =
		neg_errno(openat(store_fd, key, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC));
	if (dir < 0)
		return dir;
	if (fstatat(dir, SNAPSHOT_MEMORY, &file, AT_SYMLINK_NOFOLLOW) == 0)
		ret->bytes += (uint64_t)file.st_blocks * 512;
	if (fstatat(dir, SNAPSHOT_STATE, &file, AT_SYMLINK_NOFOLLOW) == 0)
		ret->bytes += (uint64_t)file.st_blocks * 512;
	return 0;
}

/**
 * template_store_list() - which templates there are
 * @store_fd: store
 * @ret: receives them, in no order
 * @max: room there
 *
 * Return: their number, or -errno.
 */
int template_store_list(int store_fd, struct template_info *ret, size_t max)
{
	size_t nr = 0;
	DIR *dir;
	int r = io_opendir_at(store_fd, ".", &dir);

	if (r < 0)
		return r;
	for (struct dirent *e = readdir(dir); e && nr < max; e = readdir(dir))
		if (snapshot_is_digest(e->d_name) && describe(store_fd, e->d_name, &ret[nr]) >= 0)
			nr++;
	(void)closedir(dir);
	return (int)nr;
}

/* Removes those that were used longest ago, until there is room for one more. */
static void make_room(int store_fd)
{
	struct template_info infos[ENTRIES_MAX];
	int nr = template_store_list(store_fd, infos, ARRAY_SIZE(infos));

	for (; nr >= TEMPLATES_MAX; nr--) {
		int oldest = 0;

		for (int i = 1; i < nr; i++)
			if (infos[i].used_s < infos[oldest].used_s)
				oldest = i;
		remove_tree(store_fd, infos[oldest].key);
		infos[oldest] = infos[nr - 1];
	}
}

/**
 * template_store_commit() - what was begun is whole: make it a template
 * @store_fd: store whose lock the caller has
 * @key: of which
 * @err: filled on failure
 *
 * Return: 0 or -errno.
 */
int template_store_commit(int store_fd, const char *key, struct err *err)
{
	struct template_info info;
	int r = describe(store_fd, NEW_NAME, &info);

	if (r >= 0 && info.bytes > TEMPLATE_BYTES_MAX)
		return err_set(err, EFBIG, "it is larger than %llu MiB",
			       (unsigned long long)TEMPLATE_BYTES_MAX >> 20);
	remove_tree(store_fd, key);
	make_room(store_fd);
	if (r >= 0)
		r = neg_errno(renameat(store_fd, NEW_NAME, store_fd, key));
	return r < 0 ? err_set_errno(err, r, "keep the template") : 0;
}

static void failed_name(const char *key, char name[FAILED_NAME_MAX])
{
	(void)snprintf(name, FAILED_NAME_MAX, "%.64s" FAILED_SUFFIX, key);
}

/**
 * template_store_abandon() - a template could not be made
 * @store_fd: store whose lock the caller has
 * @key: of which; "" when not even that was found
 * @why: kept beside the templates
 */
void template_store_abandon(int store_fd, const char *key, const char *why)
{
	char name[FAILED_NAME_MAX];

	remove_tree(store_fd, NEW_NAME);
	failed_name(*key ? key : "key", name);
	/* Without it every start tries again. */
	(void)io_replace_file_at(store_fd, name, why, strlen(why), 0600);
}

/**
 * template_store_has_failed() - could it not be made a short while ago
 * @store_fd: store
 * @key: of which
 *
 * Return: whether.
 */
bool template_store_has_failed(int store_fd, const char *key)
{
	char name[FAILED_NAME_MAX];
	struct stat st;

	failed_name(key, name);
	if (fstatat(store_fd, name, &st, AT_SYMLINK_NOFOLLOW) < 0)
		return false;
	if (time(NULL) - st.st_mtim.tv_sec < TEMPLATE_RETRY_S)
		return true;
	(void)unlinkat(store_fd, name, 0);
	return false;
}

/**
 * template_store_empty() - remove all that is in the store
 * @store_fd: store
 *
 * Return: 0, -EWOULDBLOCK while a template is being made, or -errno.
 */
int template_store_empty(int store_fd)
{
	cleanup_close int lock = template_store_lock(store_fd);
	DIR *dir;
	int r = lock < 0 ? lock : io_opendir_at(store_fd, ".", &dir);

	if (r < 0)
		return r;
	for (struct dirent *e = readdir(dir); e && r >= 0; e = readdir(dir))
		/* The lock's file stays: another one would be another lock. */
		if (e->d_name[0] != '.' && strcmp(e->d_name, LOCK_NAME) != 0)
			r = io_rm_tree_at(store_fd, e->d_name);
	(void)closedir(dir);
	return r;
}
