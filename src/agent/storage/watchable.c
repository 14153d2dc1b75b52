/* SPDX-License-Identifier: Apache-2.0 */
/*
 * DOC: Theory of operation
 *
 * The host's changes to a shared file make no inotify event in the guest. So a watchable mount is a
 * tmpfs that holds a copy, and a fiber looks at the source every two seconds and repeats what has
 * changed: this is the one place of the agent that polls, because nothing announces these changes.
 * New files and links appear under their final name by rename(2), links last and removals after
 * them, which is the order Kubernetes' own atomic updates have: readers see the old or the new set.
 */
#include "agent/storage/watchable.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <unistd.h>

#include "agent/core/agent.h"
#include "common/arena.h"
#include "common/fd.h"
#include "common/io.h"
#include "common/log.h"
#include "common/str.h"

#define WATCH_INTERVAL_MS 2000
/* A key of a ConfigMap takes two entries, a file and a link. */
#define WATCH_ENTRIES_MAX 64
#define WATCH_SIZE_MAX (1L << 20)
#define WATCH_DEPTH_MAX 8
#define WATCH_TMP ".kata-tmp"

struct entry {
	char *path; /* relative to the source */
	struct stat st;
	char *link; /* target of a symbolic link */
};

/* What a source looked like at one time. */
struct snapshot {
	struct arena *arena;
	struct entry entries[WATCH_ENTRIES_MAX];
	size_t nr;
	off_t size;
};

struct watchable {
	int source, target; /* directories */
	char *name;	    /* for the log */
	struct snapshot *seen;
	struct fiber *fiber;
	bool stopped;
};

static struct snapshot *snapshot_free(struct snapshot *s)
{
	if (s)
		(void)arena_free(s->arena);
	return NULL;
}
DEFINE_CLEANUP(struct snapshot, snapshot_free)

static int add_entry(struct snapshot *s, int dirfd, const char *name, const char *path)
{
	char link[PATH_MAX];

	if (s->nr == WATCH_ENTRIES_MAX)
		return -E2BIG;
	struct entry *e = &s->entries[s->nr];
	*e = (struct entry){ .path = arena_strdup(s->arena, path) };
	if (!e->path)
		return -ENOMEM;
	if (fstatat(dirfd, name, &e->st, AT_SYMLINK_NOFOLLOW) < 0)
		return errno == ENOENT ? 0 : -errno;
	if (S_ISLNK(e->st.st_mode)) {
		ssize_t n = readlinkat(dirfd, name, link, sizeof(link));
		if (n < 0)
			return errno == ENOENT ? 0 : -errno;
		e->link = arena_strndup(s->arena, link, (size_t)n);
		if (!e->link)
			return -ENOMEM;
	} else if (S_ISREG(e->st.st_mode)) {
		s->size += e->st.st_size;
		if (s->size > WATCH_SIZE_MAX)
			return -E2BIG;
	} else if (!S_ISDIR(e->st.st_mode)) {
		return 0;
	}
	s->nr++;
	return S_ISDIR(e->st.st_mode);
}

static int scan(struct snapshot *s, int parent_fd, const char *name, const char *prefix, int depth)
{
	DIR *dir;
	int r = io_opendir_at(parent_fd, name, &dir);

	if (r < 0)
		return r;
	if (depth > WATCH_DEPTH_MAX)
		r = -E2BIG;
	for (struct dirent *e = readdir(dir); r >= 0 && e; e = readdir(dir)) {
		char path[PATH_MAX];

		if (!strcmp(e->d_name, ".") || !strcmp(e->d_name, ".."))
			continue;
		if ((size_t)snprintf(path, sizeof(path), "%s%s%s", prefix, *prefix ? "/" : "",
				     e->d_name) >= sizeof(path))
			r = -ENAMETOOLONG;
		else
			r = add_entry(s, dirfd(dir), e->d_name, path);
		if (r > 0)
			r = scan(s, dirfd(dir), e->d_name, path, depth + 1);
	}
	(void)closedir(dir);
	return r;
}

static int snapshot_take(int source, struct snapshot **ret)
{
	struct arena *arena;

	if (arena_new(&arena) < 0)
		return -ENOMEM;
	struct snapshot *s = arena_alloc(arena, sizeof(*s));
	if (!s) {
		(void)arena_free(arena);
		return -ENOMEM;
	}
	s->arena = arena;
	int r = scan(s, source, ".", "", 0);
	if (r < 0) {
		(void)snapshot_free(s);
		return r;
	}
	*ret = s;
	return 0;
}

static const struct entry *find(const struct snapshot *s, const char *path)
{
	for (size_t i = 0; s && i < s->nr; i++)
		if (str_eq(s->entries[i].path, path))
			return &s->entries[i];
	return NULL;
}

static bool is_same(const struct entry *a, const struct entry *b)
{
	return a && a->st.st_mode == b->st.st_mode && a->st.st_uid == b->st.st_uid &&
	       a->st.st_gid == b->st.st_gid &&
	       (S_ISDIR(a->st.st_mode) ||
		(a->st.st_ino == b->st.st_ino && a->st.st_size == b->st.st_size &&
		 a->st.st_mtim.tv_sec == b->st.st_mtim.tv_sec &&
		 a->st.st_mtim.tv_nsec == b->st.st_mtim.tv_nsec && str_eq(a->link, b->link)));
}

static int copy_file(const struct watchable *w, const struct entry *e)
{
	cleanup_free char *data = NULL;
	cleanup_close int in =
		neg_errno(openat(w->source, e->path, O_RDONLY | O_NOFOLLOW | O_CLOEXEC));

	if (in < 0)
		return in;
	char self[FD_PATH_MAX];
	ssize_t n = io_read_file_at(AT_FDCWD, fd_path(in, self), WATCH_SIZE_MAX, &data);
	if (n < 0)
		return (int)n;
	(void)unlinkat(w->target, WATCH_TMP,
		       0); /* of a copy that failed half-way; most times there is none */
	cleanup_close int out = neg_errno(
		openat(w->target, WATCH_TMP, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600));
	int r = out < 0 ? out : io_write_full(out, data, (size_t)n);
	if (r >= 0)
		r = neg_errno(fchown(out, e->st.st_uid, e->st.st_gid));
	if (r >= 0)
		r = neg_errno(fchmod(out, e->st.st_mode & 07777));
	return r < 0 ? r : neg_errno(renameat(w->target, WATCH_TMP, w->target, e->path));
}

static int copy_link(const struct watchable *w, const struct entry *e)
{
	(void)unlinkat(w->target, WATCH_TMP, 0); /* as above */
	int r = neg_errno(symlinkat(e->link, w->target, WATCH_TMP));

	if (r >= 0)
		r = neg_errno(fchownat(w->target, WATCH_TMP, e->st.st_uid, e->st.st_gid,
				       AT_SYMLINK_NOFOLLOW));
	return r < 0 ? r : neg_errno(renameat(w->target, WATCH_TMP, w->target, e->path));
}

static int copy_dir(const struct watchable *w, const struct entry *e)
{
	if (mkdirat(w->target, e->path, 0700) < 0 && errno != EEXIST)
		return -errno;
	if (fchownat(w->target, e->path, e->st.st_uid, e->st.st_gid, AT_SYMLINK_NOFOLLOW) < 0)
		return -errno;
	return neg_errno(fchmodat(w->target, e->path, e->st.st_mode & 07777, 0));
}

/* Copies entries of one type that are new or have changed. */
static int copy_type(const struct watchable *w, const struct snapshot *now, mode_t type,
		     int (*copy)(const struct watchable *w, const struct entry *e))
{
	for (size_t i = 0; i < now->nr; i++) {
		const struct entry *e = &now->entries[i], *old = find(w->seen, e->path);

		if ((e->st.st_mode & S_IFMT) != type || is_same(old, e))
			continue;
		if (old && (old->st.st_mode & S_IFMT) != type) {
			int r = io_rm_tree_at(w->target, e->path);
			if (r < 0)
				return r;
		}
		int r = copy(w, e);
		/* It has gone again already: the next look will see that. */
		if (r < 0 && r != -ENOENT)
			return r;
	}
	return 0;
}

static int sync_all(struct watchable *w, struct snapshot *now)
{
	int r = copy_type(w, now, S_IFDIR, copy_dir);

	if (r >= 0)
		r = copy_type(w, now, S_IFREG, copy_file);
	if (r >= 0)
		r = copy_type(w, now, S_IFLNK, copy_link);
	for (size_t i = 0; r >= 0 && w->seen && i < w->seen->nr; i++)
		if (!find(now, w->seen->entries[i].path))
			r = io_rm_tree_at(w->target, w->seen->entries[i].path);
	return r;
}

static int look(struct watchable *w)
{
	cleanup_with(cleanup_snapshot_free) struct snapshot *now = NULL;
	int r = snapshot_take(w->source, &now);

	if (r >= 0)
		r = sync_all(w, now);
	if (r < 0)
		return r;
	(void)snapshot_free(w->seen);
	w->seen = TAKE_PTR(now);
	return 0;
}

static void watchable_free(struct watchable *w)
{
	(void)fd_close(w->source);
	(void)fd_close(w->target);
	(void)snapshot_free(w->seen);
	free(w->name);
	free(w);
}

static void watch_main(void *arg)
{
	struct watchable *w = arg;
	bool failing = false;

	w->fiber = fiber_self();
	while (!w->stopped && fiber_sleep_until(loop_deadline_ms(WATCH_INTERVAL_MS)) >= 0 &&
	       !w->stopped) {
		int r = look(w);

		if (r < 0 && !failing)
			log_warn_errno(r, "watched mount %s is not up to date", w->name);
		failing = r < 0;
	}
	watchable_free(w);
}

static int watchable_new(const char *source, const char *target, struct watchable **ret,
			 struct err *err)
{
	struct watchable *w = calloc(1, sizeof(*w));

	if (!w)
		return err_set(err, ENOMEM, "out of memory");
	w->target = -1;
	w->name = strdup(target);
	w->source = neg_errno(open(source, O_RDONLY | O_DIRECTORY | O_CLOEXEC));
	if (w->source < 0 || !w->name) {
		int r = w->source == -ENOTDIR ? -E2BIG : w->source;
		watchable_free(w);
		return err_set_errno(err, r < 0 ? r : -ENOMEM, "open %s", source);
	}
	*ret = w;
	return 0;
}

static int mount_copy(struct watchable *w, const char *target, struct err *err)
{
	int r = io_mkdir_p(target, 0755);

	if (r >= 0)
		r = neg_errno(
			mount("tmpfs", target, "tmpfs", MS_NODEV | MS_NOSUID, "mode=755,size=4m"));
	if (r < 0)
		return err_set_errno(err, r, "mount tmpfs on %s", target);
	w->target = neg_errno(open(target, O_RDONLY | O_DIRECTORY | O_CLOEXEC));
	r = w->target < 0 ? w->target : look(w);
	if (r < 0)
		(void)umount2(target, MNT_DETACH); /* the first failure is the one to report */
	return r < 0 ? err_set_errno(err, r, "copy to %s", target) : 0;
}

/**
 * watchable_start() - mount a copy and keep it fresh
 * @agent: agent
 * @source: directory of the share; a file is bound instead, like a large tree
 * @target: mount point
 * @ret: receives the watch, for watchable_stop(); the caller unmounts afterwards
 * @err: filled on failure
 *
 * Return: 0, -E2BIG when it is not to be copied but to be bound, or -errno; then nothing is
 * mounted.
 */
int watchable_start(struct agent *agent, const char *source, const char *target,
		    struct watchable **ret, struct err *err)
{
	struct watchable *w = NULL;
	int r = watchable_new(source, target, &w, err);

	if (r >= 0)
		r = mount_copy(w, target, err);
	if (r >= 0) {
		r = fiber_spawn(agent->loop, "watch", watch_main, w, NULL);
		if (r < 0) {
			(void)umount2(target, MNT_DETACH); /* as above */
			(void)err_set_errno(err, r, "watch %s", source);
		}
	}
	if (r < 0) {
		if (w)
			watchable_free(w);
		return r;
	}
	*ret = w;
	return 0;
}

/**
 * watchable_stop() - stop looking
 * @watch: watch or NULL; it releases itself
 */
void watchable_stop(struct watchable *watch)
{
	if (!watch)
		return;
	watch->stopped = true;
	if (watch->fiber)
		fiber_cancel(watch->fiber);
}
