/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Container records on disk. A record is written by replacing the file, so a reader sees the old or
 * the new one. It does not know the sandbox's own files; see include/kata/state.h for the
 * layout.
 */
#include "runtime/state/record.h"

#include <dirent.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "common/fd.h"
#include "common/io.h"
#include "common/proc.h"
#include "common/str.h"
#include "kata/state.h"
#include "oci/spec.h"
#include "oci/state.h"

#define RECORD_FILE_MAX (4U << 20)

/*
 * The version of the record's form: raised by a change that an older kata-runtime would get wrong,
 * not by a further member. Records of before there was a number are of version 1.
 */
#define RECORD_VERSION 1

/**
 * record_open_root() - open the state root
 * @root: absolute path
 * @create: make it when it is not there
 * @err: filled on failure
 *
 * What lies there is believed, so nobody else may put anything there.
 *
 * Return: a directory descriptor, or -errno (-ENOENT without @create when it is not there, -EPERM
 * when others may write to it).
 */
int record_open_root(const char *root, bool create, struct err *err)
{
	struct stat st;

	if (create) {
		int r = io_mkdir_p(root, 0711);

		if (r < 0)
			return err_set_errno(err, r, "cannot make the state root %s", root);
	}
	cleanup_close int fd = neg_errno(open(root, O_PATH | O_DIRECTORY | O_CLOEXEC));
	if (fd < 0 || fstat(fd, &st) < 0)
		return err_set_errno(err, fd < 0 ? fd : -errno, "cannot open the state root %s",
				     root);
	if (!io_is_ours_alone(&st))
		return err_set(err, EPERM, "state root %s: somebody else may write to it", root);
	return TAKE_FD(fd);
}

/**
 * record_lock() - lock the state root: exclusively to rename a sandbox, shared to keep the names
 * @root_fd: state root, borrowed
 * @operation: LOCK_EX or LOCK_SH
 * @err: filled on failure
 *
 * Held for moments only, so waiting for it in a fiber stalls nobody.
 *
 * Return: a descriptor that holds the lock until it is closed, or -errno.
 */
int record_lock(int root_fd, int operation, struct err *err)
{
	cleanup_close int fd = neg_errno(openat(root_fd, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC));
	int r = fd;

	if (r >= 0)
		do
			r = neg_errno(flock(fd, operation));
		while (r == -EINTR);
	return r < 0 ? err_set_errno(err, r, "cannot lock the state root") : TAKE_FD(fd);
}

static int record_init(struct record *record, int root_fd, const char *root, const char *id)
{
	int r = arena_new(&record->arena);

	if (r < 0)
		return r;
	record->root = arena_strdup(record->arena, root);
	record->id = arena_strdup(record->arena, id);
	if (!record->root || !record->id)
		return -ENOMEM;
	record->root_fd = neg_errno(fcntl(root_fd, F_DUPFD_CLOEXEC, 3));
	return record->root_fd < 0 ? record->root_fd : 0;
}

static int check_id(const char *id, struct err *err)
{
	return str_is_valid_id(id)
		       ? 0
		       : err_set(err, EINVAL, "invalid container ID format: \"%s\"", id);
}

/**
 * record_claim() - make the directory of a new container
 * @record: RECORD_NULL
 * @root: state root, made when it is not there
 * @id: container id
 * @err: filled on failure
 *
 * Making the directory is what decides between two callers with one id. Nothing is in it yet:
 * record_save().
 *
 * Return: 0 or -errno; -EEXIST when the directory is there, be it that of a container or of a
 * sandbox whose first container was deleted: see sandbox_rename().
 */
int record_claim(struct record *record, const char *root, const char *id, struct err *err)
{
	int r = check_id(id, err);

	if (r < 0)
		return r;
	cleanup_close int root_fd = record_open_root(root, true, err);
	if (root_fd < 0)
		return root_fd;
	r = record_init(record, root_fd, root, id);
	if (r < 0)
		return err_set_errno(err, r, "container \"%s\"", id);
	r = neg_errno(mkdirat(root_fd, id, 0700));
	if (r == -EEXIST)
		return err_set(err, EEXIST, "container with given ID already exists: \"%s\"", id);
	if (r < 0)
		return err_set_errno(err, r, "cannot make %s/%s", root, id);
	record->dir_fd =
		neg_errno(openat(root_fd, id, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC));
	return record->dir_fd < 0
		       ? err_set_errno(err, record->dir_fd, "cannot open %s/%s", root, id)
		       : 0;
}

static int parse_annotations(struct record *record, const struct json *object, struct err *err)
{
	if (!object || object->nr == 0)
		return 0;
	record->annotations = arena_calloc(record->arena, object->nr, sizeof(*record->annotations));
	if (!record->annotations)
		return err_set(err, ENOMEM, "%s", "out of memory");
	json_for_each(member, object) {
		const char *value;
		int r = json_to_str(member, &value, err);

		if (r < 0)
			return r;
		record->annotations[record->nr_annotations++] =
			(struct kv){ .key = (char *)member->key, .value = (char *)value };
	}
	return 0;
}

static int parse_members(struct record *record, const struct json *root, struct err *err)
{
	const struct json *annotations = NULL;
	int64_t pid = 0;
	int r = json_get_str(root, "bundle", &record->bundle, err);

	if (r == 0)
		r = json_get_str(root, "sandboxId", &record->sandbox_id, err);
	if (r == 0)
		r = json_get_str(root, "rootfs", &record->rootfs, err);
	if (r == 0)
		r = json_get_str(root, "ociVersion", &record->oci_version, err);
	if (r == 0)
		r = json_get_str(root, "created", &record->created, err);
	if (r == 0)
		r = json_get_i64(root, "pid", &pid, err);
	if (r == 0)
		r = json_get_u64(root, "pidStart", &record->standin_start, err);
	if (r == 0)
		r = json_get_u32(root, "owner", &record->owner, err);
	if (r == 0)
		r = json_get_bool(root, "terminal", &record->terminal, err);
	if (r == 0)
		r = json_get_object(root, "annotations", &annotations, err);
	if (r == 0)
		r = parse_annotations(record, annotations, err);
	if (r < 0)
		return r;
	if (!str_is_valid_id(record->sandbox_id) || !record->bundle || pid < 0 || pid > INT_MAX)
		return err_set(err, EINVAL, "%s is damaged", KATA_STATE_CONTAINER);
	record->standin_pid = (pid_t)pid;
	return 0;
}

/* Of a newer version's record, what is understood is filled in: see record_load_at(). */
static int parse_record(struct record *record, const struct json *root, struct err *err)
{
	uint64_t version = 1;
	struct err ignored = ERR_NULL;
	int r = json_get_u64(root, "version", &version, err);

	if (r < 0)
		return r;
	if (version <= RECORD_VERSION)
		return parse_members(record, root, err);
	if (parse_members(record, root, &ignored) < 0 && !str_is_valid_id(record->sandbox_id))
		record->sandbox_id = NULL;
	return err_set(err, EOPNOTSUPP,
		       "%s is of version %llu, of a newer kata-runtime; this one knows version %d",
		       KATA_STATE_CONTAINER, (unsigned long long)version, RECORD_VERSION);
}

static int missing(const char *id, struct err *err)
{
	return err_set(err, ENOENT, "container \"%s\" does not exist", id);
}

/**
 * record_load_at() - read a container's record below an open root
 * @record: RECORD_NULL
 * @root_fd: state root, borrowed
 * @root: its path
 * @id: container id
 * @err: filled on failure
 *
 * Return: 0 or -errno, -ENOENT when there is no such container, -EOPNOTSUPP when a newer version
 * wrote it. Of such a record the sandbox's id and the stand-in may be looked at, where they are
 * there; it must not be saved.
 */
int record_load_at(struct record *record, int root_fd, const char *root, const char *id,
		   struct err *err)
{
	cleanup_free char *data = NULL;
	struct json *doc;
	int r = check_id(id, err);

	if (r < 0)
		return r;
	r = record_init(record, root_fd, root, id);
	if (r < 0)
		return err_set_errno(err, r, "container \"%s\"", id);
	record->dir_fd =
		neg_errno(openat(root_fd, id, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC));
	if (record->dir_fd == -ENOENT)
		return missing(id, err);
	if (record->dir_fd < 0)
		return err_set_errno(err, record->dir_fd, "cannot open %s/%s", root, id);
	ssize_t len =
		io_read_regular_at(record->dir_fd, KATA_STATE_CONTAINER, RECORD_FILE_MAX, &data);
	if (len == -ENOENT)
		return missing(id, err);
	if (len < 0)
		return err_set_errno(err, (int)len, "cannot read %s/%s/%s", root, id,
				     KATA_STATE_CONTAINER);
	r = json_parse(record->arena, data, (size_t)len, KATA_STATE_CONTAINER, NULL, &doc, err);
	if (r == 0)
		r = json_expect(doc, JSON_OBJECT, err);
	if (r == 0)
		r = parse_record(record, doc, err);
	return r < 0 ? err_wrap(err, "%s/%s", root, id) : 0;
}

/**
 * record_load() - read a container's record
 * @record: RECORD_NULL
 * @root: state root
 * @id: container id
 * @err: filled on failure
 *
 * Return: 0 or -errno, -ENOENT when there is no such container.
 */
int record_load(struct record *record, const char *root, const char *id, struct err *err)
{
	int r = check_id(id, err);

	if (r < 0)
		return r;
	cleanup_close int root_fd = record_open_root(root, false, err);
	if (root_fd == -ENOENT)
		return missing(id, err);
	return root_fd < 0 ? root_fd : record_load_at(record, root_fd, root, id, err);
}

/**
 * record_save() - write the record
 * @record: claimed or loaded record
 * @err: filled on failure
 *
 * Return: 0 or -errno.
 */
int record_save(const struct record *record, struct err *err)
{
	cleanup_strbuf struct strbuf out = STRBUF_NULL;
	struct json_writer w;

	json_writer_init(&w, &out, 0);
	json_object(&w);
	json_member_int(&w, "version", RECORD_VERSION);
	json_member_str(&w, "ociVersion", record->oci_version);
	json_member_str(&w, "id", record->id);
	json_member_str(&w, "sandboxId", record->sandbox_id);
	json_member_str(&w, "bundle", record->bundle);
	json_member_str(&w, "rootfs", record->rootfs);
	json_member_str(&w, "created", record->created);
	json_member_int(&w, "pid", record->standin_pid);
	json_member_uint(&w, "pidStart", record->standin_start);
	json_member_uint(&w, "owner", record->owner);
	json_member_bool(&w, "terminal", record->terminal);
	json_member_map(&w, "annotations", record->annotations, record->nr_annotations);
	json_object_end(&w);
	int r = json_writer_finish(&w);
	if (r == 0)
		r = io_replace_file_at(record->dir_fd, KATA_STATE_CONTAINER, out.data, out.len,
				       0600);
	return r < 0 ? err_set_errno(err, r, "cannot write %s/%s/%s", record->root, record->id,
				     KATA_STATE_CONTAINER)
		     : 0;
}

/* sandbox_rename() may have moved the sandbox since the record was loaded. */
static int reload_sandbox_id(struct record *record)
{
	struct err ignored = ERR_NULL;
	cleanup_record struct record now = RECORD_NULL;

	if (record_load_at(&now, record->root_fd, record->root, record->id, &ignored) < 0)
		return 0; /* not saved yet, or removed */
	record->sandbox_id = arena_strdup(record->arena, now.sandbox_id);
	return record->sandbox_id ? 0 : -ENOMEM;
}

/**
 * record_open_sandbox() - open the directory of the sandbox a container is in
 * @record: loaded record
 * @err: filled on failure
 *
 * Return: a directory descriptor, or -errno (-ENOENT when the sandbox is gone).
 */
int record_open_sandbox(struct record *record, struct err *err)
{
	cleanup_close int lock = -1;

	if (!str_eq(record->id, record->sandbox_id)) {
		lock = record_lock(record->root_fd, LOCK_SH, err);
		if (lock < 0)
			return lock;
		int r = reload_sandbox_id(record);
		if (r < 0)
			return err_set_errno(err, r, "container \"%s\"", record->id);
	}
	int fd = neg_errno(openat(record->root_fd, record->sandbox_id,
				  O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC));

	return fd < 0 ? err_set_errno(err, fd, "cannot open %s/%s", record->root,
				      record->sandbox_id)
		      : fd;
}

static int is_container(const struct dirent *entry, int root_fd)
{
	char path[NAME_MAX + sizeof(KATA_STATE_CONTAINER) + 1];

	if (!str_is_valid_id(entry->d_name))
		return 0;
	snprintf(path, sizeof(path), "%s/%s", entry->d_name, KATA_STATE_CONTAINER);
	return faccessat(root_fd, path, F_OK, AT_SYMLINK_NOFOLLOW) == 0;
}

static int by_name(const struct dirent **a, const struct dirent **b)
{
	return strcmp((*a)->d_name, (*b)->d_name); /* in no locale's order, so that it is one */
}

/**
 * record_for_each() - walk over the containers of a root, in the order of their ids
 * @root_fd: state root, borrowed
 * @fn: called for each id that has a record; non-zero ends the walk
 * @arg: passed on
 *
 * Return: what ended the walk, 0 at its end, or -errno.
 */
int record_for_each(int root_fd, record_fn fn, void *arg)
{
	struct dirent **entries = NULL;
	int nr = scandirat(root_fd, ".", &entries, NULL, by_name), r = MIN(neg_errno(nr), 0);

	for (int i = 0; i < nr; i++) {
		if (r == 0 && is_container(entries[i], root_fd))
			r = fn(arg, entries[i]->d_name);
		free(entries[i]);
	}
	free(entries);
	return r;
}

/**
 * record_standin_alive() - is the recorded stand-in that very process, and running?
 * @record: loaded record
 *
 * Return: true when it is.
 */
bool record_standin_alive(const struct record *record)
{
	uint64_t start;

	return record->standin_pid > 0 && proc_start_time(record->standin_pid, &start) == 0 &&
	       start == record->standin_start;
}

/**
 * record_put_state() - write the OCI state of a container as an object
 * @record: loaded record
 * @w: writer
 * @status: "creating", "created", "running", "paused" or "stopped"
 * @owner: the user's name
 */
void record_put_state(const struct record *record, struct json_writer *w, const char *status,
		      const char *owner)
{
	const char *version = record->oci_version ? record->oci_version : OCI_VERSION;
	const struct oci_container_info info = {
		.state = {
			.oci_version = (char *)version,
			.id = (char *)record->id,
			.status = (char *)status,
			.pid = str_eq(status, "stopped") ? 0 : record->standin_pid,
			.bundle = (char *)record->bundle,
			.annotations = record->annotations,
			.nr_annotations = record->nr_annotations,
		},
		.rootfs = record->rootfs ? record->rootfs : "",
		.created = record->created ? record->created : "",
		.owner = owner,
	};

	oci_container_info_write(w, &info);
}

/**
 * record_deinit() - release a record
 * @record: record, loaded or not
 */
void record_deinit(struct record *record)
{
	(void)arena_free(record->arena); /* always NULL */
	if (record->root_fd >= 0)
		(void)close(record->root_fd); /* O_PATH */
	if (record->dir_fd >= 0)
		(void)close(record->dir_fd); /* a directory */
	*record = RECORD_NULL;
}
