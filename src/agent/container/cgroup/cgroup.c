/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The cgroup of a container: a directory of the v2 hierarchy, from making it to removing it. Limits
 * are written by cgroup_resources.c, counters read by cgroup_stats.c.
 */
#include "agent/container/cgroup/cgroup.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <linux/magic.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/inotify.h>
#include <sys/stat.h>
#include <sys/vfs.h>
#include <unistd.h>

#include "agent/container/cgroup/devices_bpf.h"
#include "common/fd.h"
#include "common/fiber.h"
#include "common/io.h"
#include "common/str.h"

/* Nested cgroups that a container made; deeper ones are not removed and the removal fails. */
#define CGROUP_DEPTH_MAX 32
#define CGROUP_PIDS_MAX 65536

struct cgroup {
	char *path;	    /* absolute */
	int fd;		    /* of the directory */
	int device_prog_fd; /* -1: none attached */
};

/**
 * cgroup_path() - where it is
 * @cgroup: cgroup
 *
 * Return: absolute path, owned by @cgroup.
 */
const char *cgroup_path(const struct cgroup *cgroup)
{
	return cgroup->path;
}

/**
 * cgroup_fd() - its directory
 * @cgroup: cgroup
 *
 * Return: descriptor, owned by @cgroup.
 */
int cgroup_fd(const struct cgroup *cgroup)
{
	return cgroup->fd;
}

/*
 * The relative path of a container: linux.cgroupsPath as it is, systemd's "slice:prefix:name" as
 * plain directories (there is no systemd in the guest), or a default.
 */
static int relative_path(const char *cgroups_path, const char *id, char out[PATH_MAX],
			 struct err *err)
{
	const char *first = cgroups_path ? strchr(cgroups_path, ':') : NULL;
	const char *second = first ? strchr(first + 1, ':') : NULL;
	int n;

	if (str_empty(cgroups_path))
		n = snprintf(out, PATH_MAX, "kata/%s", id);
	else if (second && !strchr(second + 1, ':'))
		n = snprintf(out, PATH_MAX, "%.*s/%.*s%s%s", (int)(first - cgroups_path),
			     cgroups_path, (int)(second - first - 1), first + 1,
			     second - first > 1 ? "-" : "", second + 1);
	else
		n = snprintf(out, PATH_MAX, "%s", cgroups_path);
	if (n < 0 || n >= PATH_MAX)
		return err_set(err, ENAMETOOLONG, "linux.cgroupsPath is too long");
	return 0;
}

/*
 * Enables all controllers for the children of a cgroup. A controller that cannot be enabled is not
 * reported here: writing one of its limits fails later.
 */
static void enable_controllers(int dir_fd)
{
	cleanup_free char *available = NULL;
	struct err ignored;

	if (cgroup_read_text(dir_fd, "cgroup.controllers", &available) < 0)
		return;
	for (char *rest = available, *name; (name = strsep(&rest, " \n"));)
		if (*name)
			(void)cgroup_write(dir_fd, "cgroup.subtree_control", &ignored, "+%s", name);
}

/* One level down, made if need be. Return: descriptor or -errno. */
static int descend(int parent_fd, const char *name, struct err *err)
{
	if (strcmp(name, "..") == 0)
		return err_set(err, EINVAL, "linux.cgroupsPath must not contain \"..\"");
	enable_controllers(parent_fd);
	if (mkdirat(parent_fd, name, 0755) < 0 && errno != EEXIST)
		return err_set_errno(err, -errno, "make cgroup %.100s", name);
	int fd =
		neg_errno(openat(parent_fd, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC));
	return fd < 0 ? err_set_errno(err, fd, "open cgroup %.100s", name) : fd;
}

static int check_unused(int dir_fd, const char *path, struct err *err)
{
	uint64_t populated = 0;

	if (cgroup_read_key(dir_fd, "cgroup.events", "populated", &populated) >= 0 && populated)
		return err_set(err, EBUSY, "cgroup %s has processes already", path);
	return 0;
}

/**
 * cgroup_new() - make the cgroup of a container
 * @root: where the v2 hierarchy is mounted
 * @cgroups_path: linux.cgroupsPath, NULL for a default
 * @id: the container, for the default
 * @ret: receives the cgroup, freed with cgroup_free()
 * @err: filled on failure
 *
 * Controllers are enabled on the way down. A cgroup that is there already must be empty.
 *
 * Return: 0 or -errno.
 */
int cgroup_new(const char *root, const char *cgroups_path, const char *id, struct cgroup **ret,
	       struct err *err)
{
	char relative[PATH_MAX];
	struct statfs fs;
	cleanup_close int fd = neg_errno(open(root, O_RDONLY | O_DIRECTORY | O_CLOEXEC));
	int r = relative_path(cgroups_path, id, relative, err);

	if (r < 0)
		return r;
	if (fd < 0)
		return err_set_errno(err, fd, "open %s", root);
	if (fstatfs(fd, &fs) < 0 || fs.f_type != CGROUP2_SUPER_MAGIC)
		return err_set(err, ENOTSUP, "%s is not a cgroup v2 hierarchy", root);
	cleanup_with(cleanup_cgroup_free) struct cgroup *cgroup = calloc(1, sizeof(*cgroup));
	if (!cgroup)
		return err_set_errno(err, -ENOMEM, "cgroup");
	cgroup->fd = cgroup->device_prog_fd = -1;
	if (asprintf(&cgroup->path, "%s/%s", root, relative + strspn(relative, "/")) < 0) {
		cgroup->path = NULL;
		return err_set_errno(err, -ENOMEM, "cgroup");
	}
	bool any = false;
	for (char *rest = relative, *name; (name = strsep(&rest, "/"));) {
		if (!*name || strcmp(name, ".") == 0)
			continue;
		int next = descend(fd, name, err);
		if (next < 0)
			return next;
		(void)fd_close(fd);
		fd = next;
		any = true;
	}
	if (!any)
		return err_set(err, EINVAL, "linux.cgroupsPath \"%.100s\" names the root",
			       cgroups_path);
	r = check_unused(fd, cgroup->path, err);
	if (r < 0)
		return r;
	cgroup->fd = TAKE_FD(fd);
	*ret = TAKE_PTR(cgroup);
	return 0;
}

/**
 * cgroup_free() - release the object; the directory and what is in it stay
 * @cgroup: cgroup or NULL
 *
 * Return: NULL.
 */
struct cgroup *cgroup_free(struct cgroup *cgroup)
{
	if (!cgroup)
		return NULL;
	(void)fd_close(cgroup->fd);
	(void)fd_close(cgroup->device_prog_fd);
	free(cgroup->path);
	free(cgroup);
	return NULL;
}

/**
 * cgroup_delegate() - let the root of a user namespace make cgroups below this one
 * @cgroup: cgroup
 * @uid: that root, as the agent sees it
 * @gid: its group
 * @err: filled on failure
 *
 * The limits of the cgroup itself stay out of its reach.
 *
 * Return: 0 or -errno.
 */
int cgroup_delegate(const struct cgroup *cgroup, uid_t uid, gid_t gid, struct err *err)
{
	static const char *const files[] = { ".", "cgroup.procs", "cgroup.threads",
					     "cgroup.subtree_control" };

	for (size_t i = 0; i < ARRAY_SIZE(files); i++)
		if (fchownat(cgroup->fd, files[i], uid, gid, AT_SYMLINK_NOFOLLOW) < 0)
			return err_set_errno(err, -errno, "delegate cgroup file %s", files[i]);
	return 0;
}

/**
 * cgroup_set_devices() - say which devices may be used
 * @cgroup: cgroup
 * @rules: complete list
 * @err: filled on failure; the rules before stay in force then
 *
 * Return: 0 or -errno.
 */
int cgroup_set_devices(struct cgroup *cgroup, const struct device_rules *rules, struct err *err)
{
	cleanup_arena struct arena *arena = NULL;
	struct bpf_insn *insns;
	size_t nr;

	if (arena_new(&arena) < 0 || device_rules_compile(rules, arena, &insns, &nr) < 0)
		return err_set_errno(err, -ENOMEM, "device rules");
	return device_program_attach(cgroup->fd, insns, nr, &cgroup->device_prog_fd, err);
}

/* Calls @fn for a directory after all directories below it. */
static int for_tree(int dir_fd, unsigned depth,
		    int (*fn)(int dir_fd, int parent_fd, const char *name, void *arg), void *arg)
{
	DIR *dir;
	int r = io_opendir_at(dir_fd, ".", &dir);

	if (r < 0)
		return r;
	for (struct dirent *d; r >= 0 && (d = readdir(dir));) {
		if (d->d_type != DT_DIR || strcmp(d->d_name, ".") == 0 ||
		    strcmp(d->d_name, "..") == 0)
			continue;
		cleanup_close int sub = neg_errno(
			openat(dir_fd, d->d_name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC));
		if (sub == -ENOENT)
			continue;
		r = sub < 0			? sub
		    : depth >= CGROUP_DEPTH_MAX ? -ELOOP
						: for_tree(sub, depth + 1, fn, arg);
		if (r >= 0)
			r = fn(sub, dir_fd, d->d_name, arg);
	}
	(void)closedir(dir);
	return r;
}

struct pid_list {
	struct arena *arena;
	pid_t *pids;
	size_t nr;
};

static int add_pids(int dir_fd, int parent_fd, const char *name, void *arg)
{
	struct pid_list *list = arg;
	cleanup_free char *text = NULL;
	int r = cgroup_read_text(dir_fd, "cgroup.procs", &text);

	(void)parent_fd;
	(void)name;
	/* The processes of a threaded one are listed in the cgroup above. */
	if (r < 0)
		return r == -EOPNOTSUPP ? 0 : r;
	for (char *rest = text, *line; (line = strsep(&rest, "\n"));) {
		uint32_t pid;

		if (!*line || str_to_u32(line, &pid) < 0)
			continue;
		if (list->nr >= CGROUP_PIDS_MAX)
			return -E2BIG;
		r = arena_grow(list->arena, &list->pids, &list->nr, sizeof(*list->pids));
		if (r < 0)
			return r;
		list->pids[list->nr - 1] = (pid_t)pid;
	}
	return 0;
}

/**
 * cgroup_pids() - all processes in a cgroup and below
 * @cgroup: cgroup
 * @arena: holds the result
 * @ret: receives the pids
 * @ret_nr: number of them
 * @err: filled on failure
 *
 * Return: 0 or -errno.
 */
int cgroup_pids(const struct cgroup *cgroup, struct arena *arena, pid_t **ret, size_t *ret_nr,
		struct err *err)
{
	struct pid_list list = { .arena = arena };
	int r = add_pids(cgroup->fd, -1, "", &list);

	if (r >= 0)
		r = for_tree(cgroup->fd, 0, add_pids, &list);
	if (r < 0)
		return err_set_errno(err, r, "list the processes of cgroup %s", cgroup->path);
	*ret = list.pids;
	*ret_nr = list.nr;
	return 0;
}

/**
 * cgroup_kill() - SIGKILL for every process in a cgroup and below, also those being forked
 * @cgroup: cgroup
 * @err: filled on failure
 *
 * Return: 0 or -errno.
 */
int cgroup_kill(const struct cgroup *cgroup, struct err *err)
{
	return cgroup_write(cgroup->fd, "cgroup.kill", err, "1");
}

/**
 * cgroup_watch() - learn of changes of an event file
 * @cgroup: cgroup
 * @file: "cgroup.events" or "memory.events"
 *
 * The descriptor becomes readable with each change until it is read empty.
 *
 * Return: non-blocking descriptor, owned by the caller, or -errno.
 */
int cgroup_watch(const struct cgroup *cgroup, const char *file)
{
	cleanup_close int fd = neg_errno(inotify_init1(IN_CLOEXEC | IN_NONBLOCK));
	char path[PATH_MAX];

	if (fd < 0)
		return fd;
	int n = snprintf(path, sizeof(path), "%s/%s", cgroup->path, file);
	if (n < 0 || (size_t)n >= sizeof(path))
		return -ENAMETOOLONG;
	if (inotify_add_watch(fd, path, IN_MODIFY) < 0)
		return -errno;
	return TAKE_FD(fd);
}

/* Waits until a key of cgroup.events has a value. */
static int wait_event(const struct cgroup *cgroup, const char *key, uint64_t want,
		      uint64_t deadline_ns)
{
	cleanup_close int watch = cgroup_watch(cgroup, "cgroup.events");
	char drain[4096];

	if (watch < 0)
		return watch;
	for (;;) {
		uint64_t value;

		while (read(watch, drain, sizeof(drain)) > 0)
			;
		/* Read after the watch was armed, so that no change is missed. */
		int r = cgroup_read_key(cgroup->fd, "cgroup.events", key, &value);
		if (r < 0 || value == want)
			return r;
		r = fiber_wait_fd(watch, LOOP_READ, deadline_ns);
		if (r < 0)
			return r;
	}
}

/**
 * cgroup_freeze() - freeze or thaw all processes, and wait until they are
 * @cgroup: cgroup
 * @freeze: which
 * @deadline_ns: absolute time
 * @err: filled on failure; a freeze that took too long is undone
 *
 * Return: 0 or -errno.
 */
int cgroup_freeze(const struct cgroup *cgroup, bool freeze, uint64_t deadline_ns, struct err *err)
{
	struct err ignored;
	int r = cgroup_write(cgroup->fd, "cgroup.freeze", err, "%d", freeze);

	if (r < 0)
		return r;
	r = wait_event(cgroup, "frozen", freeze, deadline_ns);
	if (r >= 0)
		return 0;
	if (freeze)
		(void)cgroup_write(cgroup->fd, "cgroup.freeze", &ignored, "0");
	return err_set_errno(err, r, "wait until cgroup %s is %s", cgroup->path,
			     freeze ? "frozen" : "thawed");
}

static int remove_dir(int dir_fd, int parent_fd, const char *name, void *arg)
{
	(void)dir_fd;
	(void)arg;
	return unlinkat(parent_fd, name, AT_REMOVEDIR) < 0 && errno != ENOENT ? -errno : 0;
}

/**
 * cgroup_remove() - wait until a cgroup is empty, then remove it with all below
 * @cgroup: cgroup, killed before
 * @deadline_ns: absolute time
 * @err: filled on failure
 *
 * Directories above it stay: other containers may be about to use them.
 *
 * Return: 0, also when it is gone already, or -errno.
 */
int cgroup_remove(const struct cgroup *cgroup, uint64_t deadline_ns, struct err *err)
{
	int r = wait_event(cgroup, "populated", 0, deadline_ns);

	if (r == -ENOENT || r == -ENODEV)
		return 0;
	if (r >= 0)
		r = for_tree(cgroup->fd, 0, remove_dir, NULL);
	if (r >= 0 && rmdir(cgroup->path) < 0 && errno != ENOENT)
		r = -errno;
	return r < 0 ? err_set_errno(err, r, "remove cgroup %s", cgroup->path) : 0;
}
