/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Removing a container's traces: its stand-in, its record and, with the sandbox's last container,
 * the sandbox's own state. A living shim cleans up after itself and is only waited for; after a
 * dead one the shim's program is run to undo what was recorded. Nothing is removed below a mount.
 */
#include "runtime/container/container_cleanup.h"

#include <fcntl.h>
#include <limits.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/mount.h>
#include <unistd.h>

#include "common/fd.h"
#include "common/fiber.h"
#include "common/io.h"
#include "common/mountinfo.h"
#include "common/proc.h"
#include "common/str.h"
#include "host/hooks.h"
#include "kata/state.h"
#include "runtime/shim/shim_launch.h"

#define SHIM_END_MS 20000 /* a shim may take that long to end its VM and undo its mounts */
#define KILLED_MS 5000
#define STANDIN_END_MS 500

static void kill_standin(const struct record *record)
{
	if (record->standin_pid <= 0)
		return;
	cleanup_close int pidfd = proc_open_same(record->standin_pid, record->standin_start);
	if (pidfd < 0)
		return;
	/* It has been told the status of its process, or that the shim has gone, just now. */
	if (fiber_wait_fd(pidfd, LOOP_READ, loop_deadline_ms(STANDIN_END_MS)) >= 0)
		return;
	const struct proc proc = { .pid = record->standin_pid, .pidfd = pidfd };
	(void)proc_signal(&proc, SIGKILL); /* it may have ended meanwhile */
}

static int open_shim(int sandbox_fd)
{
	cleanup_free char *text = NULL;
	unsigned long long start;
	int pid;

	ssize_t n = io_read_file_at(sandbox_fd, KATA_STATE_SHIM_PID, 128, &text);
	if (n < 0)
		return (int)n;
	if (sscanf(text, "%d %llu", &pid, &start) != 2 || pid <= 1)
		return -EINVAL;
	return proc_open_same(pid, start);
}

static bool is_shim_alive(int sandbox_fd)
{
	cleanup_close int pidfd = open_shim(sandbox_fd);

	return pidfd >= 0;
}

/* Returns once the shim has gone, if need be by force. */
static void await_shim(int sandbox_fd, const char *sandbox_id, uint64_t patience_ms)
{
	cleanup_close int pidfd = open_shim(sandbox_fd);

	if (pidfd < 0)
		return;
	int r = fiber_wait_fd(pidfd, LOOP_READ, loop_deadline_ms(patience_ms));
	if (r >= 0)
		return;
	log_warn("the shim of sandbox \"%s\" does not end: killing it", sandbox_id);
	const struct proc proc = { .pid = 0, .pidfd = pidfd };
	(void)proc_signal(&proc, SIGKILL); /* gone is as good */
	(void)fiber_wait_fd(pidfd, LOOP_READ,
			    loop_deadline_ms(KILLED_MS)); /* the next steps do not depend on it */
}

struct member_search {
	const struct record *record;
	const char *root;
	int root_fd;
};

static int is_other_member(void *arg, const char *id)
{
	struct member_search *search = arg;
	struct err ignored = ERR_NULL;
	cleanup_record struct record other = RECORD_NULL;

	if (str_eq(id, search->record->id))
		return 0;
	int r = record_load_at(&other, search->root_fd, search->root, id, &ignored);
	if (r < 0 && r != -EOPNOTSUPP) /* a newer version's container is one of its sandbox, too */
		return 0; /* being removed, or damaged: then it has no living sandbox either */
	return str_eq(other.sandbox_id, search->record->sandbox_id);
}

/* Mounts are listed in the order they were made, so the last one is on top. */
static int detach_mounts(const char *dir, struct err *err)
{
	cleanup_mountinfo struct mountinfo info = MOUNTINFO_NULL;
	size_t dir_len = strlen(dir);
	int r = mountinfo_read(&info);

	if (r < 0)
		return err_set_errno(err, r, "cannot read the list of mounts");
	for (size_t i = info.nr; i-- > 0;) {
		const char *target = info.entries[i].mount_point;

		if (strncmp(target, dir, dir_len) != 0 || target[dir_len] != '/')
			continue;
		if (umount2(target, MNT_DETACH | UMOUNT_NOFOLLOW) < 0 && errno != EINVAL &&
		    errno != ENOENT)
			return err_set_errno(err, -errno, "cannot unmount %s", target);
	}
	return 0;
}

static int remove_dir(const struct record *record, const char *id, struct err *err)
{
	char path[PATH_MAX];

	if (snprintf(path, sizeof(path), "%s/%s", record->root, id) >= (int)sizeof(path))
		return err_set(err, ENAMETOOLONG, "%s/%s", record->root, id);
	int r = detach_mounts(path, err);
	if (r < 0)
		return r;
	r = io_rm_tree_at(record->root_fd, id);
	return r < 0 ? err_set_errno(err, r, "cannot remove %s", path) : 0;
}

/* What a shim that has gone did not undo itself. */
static int undo_sandbox(const struct cli *cli, const struct record *record, int sandbox_fd,
			struct err *err)
{
	/* A shim removes this file as the last thing it undoes. */
	return faccessat(sandbox_fd, KATA_STATE_SANDBOX, F_OK, AT_SYMLINK_NOFOLLOW) < 0
		       ? 0
		       : shim_launch_delete(cli, record, sandbox_fd, err);
}

static int remove_sandbox(const struct cli *cli, const struct record *record, int sandbox_fd,
			  struct err *err)
{
	if (sandbox_fd < 0)
		return 0; /* somebody else was faster */
	await_shim(sandbox_fd, record->sandbox_id, SHIM_END_MS);
	if (undo_sandbox(cli, record, sandbox_fd, err) < 0) {
		log_warn("%s", err->text);
		*err = ERR_NULL;
	}
	hooks_run_due(sandbox_fd, NULL);
	return remove_dir(record, record->sandbox_id, err);
}

/* Opens the directory of the sandbox and locks it: it is not renamed while it is open. */
static int hold_sandbox(struct record *record)
{
	struct err ignored = ERR_NULL;
	cleanup_close int lock = record_lock(record->root_fd, LOCK_SH, &ignored);
	cleanup_close int fd = lock < 0 ? lock : record_open_sandbox(record, &ignored);

	/* sandbox_rename() takes both locks, exclusively and in this order. */
	return fd < 0 || flock(fd, LOCK_SH) < 0 ? -1 : TAKE_FD(fd);
}

/**
 * container_cleanup() - remove a container that its shim does not know (any more)
 * @cli: global options
 * @record: the container
 * @err: filled on failure
 *
 * Must run in a fiber. Waits for the shim when this was the sandbox's last container.
 *
 * Return: 0 or -errno.
 */
int container_cleanup(const struct cli *cli, struct record *record, struct err *err)
{
	cleanup_close int sandbox_fd = hold_sandbox(record);
	struct member_search search = { .record = record,
					.root = record->root,
					.root_fd = record->root_fd };
	bool own_sandbox = str_eq(record->id, record->sandbox_id);
	int r;

	kill_standin(record);
	if (unlinkat(record->dir_fd, KATA_STATE_CONTAINER, 0) < 0 && errno != ENOENT)
		return err_set_errno(err, -errno, "cannot remove %s/%s/%s", record->root,
				     record->id, KATA_STATE_CONTAINER);
	if (!own_sandbox) {
		r = remove_dir(record, record->id, err);
		if (r < 0)
			return r;
	}
	r = record_for_each(record->root_fd, is_other_member, &search);
	if (r < 0)
		return err_set_errno(err, r, "cannot search %s", record->root);
	if (r == 0)
		return remove_sandbox(cli, record, sandbox_fd, err);
	if (!is_shim_alive(sandbox_fd))
		hooks_run_due(sandbox_fd, record->id);
	return 0;
}

/**
 * container_cleanup_sandbox() - end the VM of a container that cannot be ended by itself
 * @cli: global options
 * @s: session of the container
 * @err: filled on failure
 *
 * Must run in a fiber. The sandbox's other containers end, too, and stay listed as stopped. A shim
 * that does not answer is killed.
 *
 * Return: 0 with VM and shim gone, or -errno.
 */
int container_cleanup_sandbox(const struct cli *cli, struct session *s, struct err *err)
{
	cleanup_close int sandbox_fd = hold_sandbox(&s->record);

	if (sandbox_fd < 0)
		return 0; /* somebody else was faster */
	await_shim(sandbox_fd, s->record.sandbox_id, session_shut_down(s) < 0 ? 0 : SHIM_END_MS);
	return undo_sandbox(cli, &s->record, sandbox_fd, err);
}

/**
 * container_cleanup_orphan() - remove a directory without a record, left by a create that was killed
 * @cli: global options
 * @id: container id
 * @err: filled on failure
 *
 * Return: 0 also when there is nothing, or -errno.
 */
int container_cleanup_orphan(const struct cli *cli, const char *id, struct err *err)
{
	struct err ignored = ERR_NULL;
	cleanup_record struct record record = RECORD_NULL;
	int r;

	if (!str_is_valid_id(id))
		return 0;
	record.root_fd = record_open_root(cli->root, false, &ignored);
	if (record.root_fd < 0)
		return 0;
	record.dir_fd = neg_errno(
		openat(record.root_fd, id, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC));
	if (record.dir_fd < 0)
		return 0;
	record.root = cli->root;
	record.id = record.sandbox_id = id;
	record.bundle = "/"; /* unknown, and of no use to who cleans up */
	r = container_cleanup(cli, &record, err);
	return r;
}
