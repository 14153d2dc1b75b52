/* SPDX-License-Identifier: Apache-2.0 */
/*
 * DOC: A sandbox that outlives the container it was made for
 *
 * The state directory of a sandbox is that of its first container. When that one is deleted while
 * others live in its VM, the directory stays for them, without a container record. When a container
 * of that id is made again, it gets a VM of its own, and the directory a name of its own; the
 * records of those who live there follow.
 *
 * Two locks keep others from seeing it half done. Reading a record and opening the sandbox that it
 * names happens under a shared lock on the state root, the renaming under an exclusive one. A
 * sandbox is removed under a shared lock on its directory, which the renaming needs exclusively.
 */
#include "runtime/state/sandbox_rename.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <sys/file.h>
#include <unistd.h>

#include "common/fd.h"
#include "common/io.h"
#include "common/log.h"
#include "common/str.h"
#include "kata/state.h"
#include "runtime/state/record.h"

/* One sandbox on its way to another name. */
struct rename {
	int root_fd;
	const char *root, *id;
	char name[NAME_MAX + 1];
	struct err *err;
};

static int follow(void *arg, const char *id)
{
	const struct rename *rn = arg;
	struct err ignored = ERR_NULL;
	cleanup_record struct record record = RECORD_NULL;

	/* One that is being removed, or damaged, has no use for it. */
	if (record_load_at(&record, rn->root_fd, rn->root, id, &ignored) < 0 ||
	    !str_eq(record.sandbox_id, rn->id))
		return 0;
	record.sandbox_id = rn->name;
	return record_save(&record, rn->err);
}

/* A record that a newer version wrote could not follow. */
static int can_follow(void *arg, const char *id)
{
	const struct rename *rn = arg;
	struct err err = ERR_NULL;
	cleanup_record struct record record = RECORD_NULL;

	if (record_load_at(&record, rn->root_fd, rn->root, id, &err) != -EOPNOTSUPP ||
	    !str_eq(record.sandbox_id, rn->id))
		return 0;
	*rn->err = err;
	return -EOPNOTSUPP;
}

/* The shim's process number makes the name: as long as it lives no other sandbox has it. */
static int move(struct rename *rn, int dir_fd, struct err *err)
{
	cleanup_free char *text = NULL;
	int pid, r = (int)io_read_file_at(dir_fd, KATA_STATE_SHIM_PID, 128, &text);

	if (r < 0 || sscanf(text, "%d", &pid) != 1)
		return err_set_errno(err, r < 0 ? r : -EINVAL, "cannot read %s/%s/%s", rn->root,
				     rn->id, KATA_STATE_SHIM_PID);
	(void)snprintf(rn->name, sizeof(rn->name), "%s+%d", rn->id, pid);
	if (!str_is_valid_id(rn->name))
		return err_set(err, ENAMETOOLONG,
			       "container \"%s\": others run in the VM of that name", rn->id);
	r = record_for_each(rn->root_fd, can_follow, rn);
	if (r < 0)
		return err->code ? r : err_set_errno(err, r, "cannot search %s", rn->root);
	if (renameat2(rn->root_fd, rn->id, rn->root_fd, rn->name, RENAME_NOREPLACE) < 0)
		return err_set_errno(err, -errno, "cannot rename %s/%s to %s", rn->root, rn->id,
				     rn->name);
	r = record_for_each(rn->root_fd, follow, rn);
	return r < 0 && !err->code ? err_set_errno(err, r, "cannot search %s", rn->root) : r;
}

static bool has_file(int dir_fd, const char *name)
{
	return faccessat(dir_fd, name, F_OK, AT_SYMLINK_NOFOLLOW) == 0;
}

/**
 * sandbox_rename() - give the directory <root>/<id> another name if only other containers need it
 * @root_fd: state root, borrowed
 * @root: its path
 * @id: id of a container to be made
 * @err: filled on failure
 *
 * Waits while somebody removes that directory.
 *
 * Return: 1 when there is no such directory any more, 0 when a container has it, or -errno.
 */
int sandbox_rename(int root_fd, const char *root, const char *id, struct err *err)
{
	struct rename rn = { .root_fd = root_fd, .root = root, .id = id, .err = err };

	for (;;) {
		cleanup_close int lock = record_lock(root_fd, LOCK_EX, err);
		if (lock < 0)
			return lock;
		cleanup_close int dir_fd = neg_errno(
			openat(root_fd, id, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC));
		if (dir_fd == -ENOENT)
			return 1;
		if (dir_fd < 0)
			return err_set_errno(err, dir_fd, "cannot open %s/%s", root, id);
		/* A container's record is there before its sandbox has a shim. */
		if (has_file(dir_fd, KATA_STATE_CONTAINER) ||
		    !has_file(dir_fd, KATA_STATE_SHIM_PID))
			return 0;
		if (flock(dir_fd, LOCK_EX | LOCK_NB) == 0) {
			int r = move(&rn, dir_fd, err);
			return r < 0 ? r : 1;
		}
		if (errno != EWOULDBLOCK)
			return err_set_errno(err, -errno, "cannot lock %s/%s", root, id);
		/* It is being removed. Wait for that without the root's lock, then look again. */
		lock = fd_close(lock);
		if (flock(dir_fd, LOCK_EX) < 0 && errno != EINTR)
			return err_set_errno(err, -errno, "cannot lock %s/%s", root, id);
	}
}
