/* SPDX-License-Identifier: Apache-2.0 */
/*
 * DOC: Saved VMs and trust
 *
 * Whoever writes a saved VM decides what runs in the guest, and what QEMU parses: its directory and
 * its files are root's (or whose the shim is) and nobody else may even read them. Against accidents
 * there is the manifest. It is written last, and holds each file's inode and the time of its last
 * change, which cp, truncate and any write alter; the digest of the VMM's part; the measure of the
 * RAM, which is taken anew while that is copied. What does not fit is damaged: the caller throws it
 * away and does without.
 */
#include "sandbox/snapshot/snapshot.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "common/fd.h"
#include "common/io.h"
#include "sandbox/snapshot/digest.h"
#include "sandbox/snapshot/memory_image.h"

static uint64_t time_ns(const struct timespec *time)
{
	return (uint64_t)time->tv_sec * 1000000000U + (uint64_t)time->tv_nsec;
}

/* What a file of ours is like. Return: 0, -EPERM for one that is not ours alone, or -errno. */
static int describe(int fd, struct snapshot_file *ret)
{
	struct stat st;

	if (fstat(fd, &st) < 0)
		return -errno;
	if (!S_ISREG(st.st_mode) || st.st_uid != geteuid() || (st.st_mode & 077) ||
	    st.st_nlink != 1)
		return -EPERM;
	*ret = (struct snapshot_file){ .size = (uint64_t)st.st_size,
				       .ino = st.st_ino,
				       .ctime_ns = time_ns(&st.st_ctim) };
	return 0;
}

static int make_file(int dir_fd, const char *name, int flags, mode_t mode)
{
	return neg_errno(
		openat(dir_fd, name, flags | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, mode));
}

/**
 * snapshot_begin() - make the files of a VM that is to be saved
 * @dir_fd: empty directory of ours
 * @memory_size: bytes of RAM
 * @ret: receives the files, both for writing; released with snapshot_close()
 * @err: filled on failure
 *
 * Return: 0 or -errno.
 */
int snapshot_begin(int dir_fd, uint64_t memory_size, struct snapshot *ret, struct err *err)
{
	struct snapshot snapshot = SNAPSHOT_NULL;
	int r;

	r = snapshot.memory_fd = make_file(dir_fd, SNAPSHOT_MEMORY, O_RDWR, 0600);
	if (r >= 0)
		r = snapshot.state_fd = make_file(dir_fd, SNAPSHOT_STATE, O_RDWR, 0600);
	/* A VMM in its jail is another user, and opens its RAM by /proc; nobody gets at its path. */
	if (r >= 0)
		r = neg_errno(fchmod(snapshot.memory_fd, 0666));
	if (r >= 0)
		r = neg_errno(ftruncate(snapshot.memory_fd, (off_t)memory_size));
	if (r < 0) {
		snapshot_close(&snapshot);
		return err_set_errno(err, r, "make the files of a saved VM");
	}
	*ret = snapshot;
	return 0;
}

/**
 * snapshot_seal() - finish a saved VM, whose VMM has ended
 * @dir_fd: its directory
 * @snapshot: its files; the manifest is filled
 * @key: what it was made of, SNAPSHOT_DIGEST_LEN digits
 * @err: filled on failure
 *
 * Blocks for some tens of milliseconds.
 *
 * Return: 0 or -errno.
 */
int snapshot_seal(int dir_fd, struct snapshot *snapshot, const char *key, struct err *err)
{
	cleanup_strbuf struct strbuf text = STRBUF_NULL;
	struct snapshot_manifest *manifest = &snapshot->manifest;
	struct memory_measure measure = { 0 };
	int r = neg_errno(fchmod(snapshot->memory_fd, 0600));

	memcpy(manifest->key, key, SNAPSHOT_DIGEST_LEN);
	if (r >= 0)
		r = describe(snapshot->memory_fd, &manifest->memory);
	if (r >= 0)
		r = memory_image_trim(snapshot->memory_fd, manifest->memory.size, &measure);
	if (r >= 0)
		r = describe(snapshot->memory_fd, &manifest->memory);
	if (r >= 0)
		r = describe(snapshot->state_fd, &manifest->state);
	if (r >= 0 && (!manifest->state.size || manifest->state.size > SNAPSHOT_STATE_MAX))
		r = -EBADMSG;
	if (r >= 0)
		r = snapshot_digest(snapshot->state_fd, manifest->state.size,
				    manifest->state_digest);
	manifest->memory_data = measure.data;
	manifest->memory_sum = measure.sum;
	if (r >= 0)
		r = snapshot_manifest_write(manifest, &text);
	cleanup_close int fd = r < 0 ? -1 : make_file(dir_fd, SNAPSHOT_MANIFEST, O_WRONLY, 0600);
	if (r >= 0)
		r = fd < 0 ? fd : io_write_full(fd, text.data, text.len);
	return r < 0 ? err_set_errno(err, r, "write down a saved VM") : 0;
}

static int open_file(int dir_fd, const char *name, const struct snapshot_file *want,
		     struct err *err)
{
	struct snapshot_file is;
	cleanup_close int fd = neg_errno(
		openat(dir_fd, name, O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_NOCTTY | O_CLOEXEC));
	int r = fd < 0 ? fd : describe(fd, &is);

	if (r < 0)
		return err_set_errno(err, r, "%s", name);
	if (is.size != want->size || is.ino != want->ino || is.ctime_ns != want->ctime_ns)
		return err_set(err, EBADMSG, "%s was changed", name);
	return TAKE_FD(fd);
}

static int read_manifest(int dir_fd, struct snapshot_manifest *ret, struct err *err)
{
	cleanup_free char *text = NULL;
	struct snapshot_file ours;
	struct stat st;
	cleanup_close int fd =
		neg_errno(openat(dir_fd, SNAPSHOT_MANIFEST,
				 O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_NOCTTY | O_CLOEXEC));
	int r = fd < 0 ? fd : describe(fd, &ours);

	if (r >= 0 && fstat(dir_fd, &st) < 0)
		r = -errno;
	if (r >= 0 && (st.st_uid != geteuid() || (st.st_mode & 077)))
		r = -EPERM;
	ssize_t n =
		r < 0 ? r
		      : io_read_file_at(dir_fd, SNAPSHOT_MANIFEST, SNAPSHOT_MANIFEST_MAX, &text);
	if (n < 0)
		return err_set_errno(err, (int)n, "manifest");
	return snapshot_manifest_parse(text, (size_t)n, ret, err);
}

/**
 * snapshot_open() - open a saved VM and verify it, but for the contents of its RAM
 * @dir_fd: its directory
 * @key: what it must have been made of; NULL: anything
 * @ret: receives it; released with snapshot_close()
 * @err: says what is wrong with it
 *
 * Return: 0, or -errno for one that is not to be used.
 */
int snapshot_open(int dir_fd, const char *key, struct snapshot *ret, struct err *err)
{
	char digest[SNAPSHOT_DIGEST_LEN + 1];
	struct snapshot snapshot = SNAPSHOT_NULL;
	struct snapshot_manifest *manifest = &snapshot.manifest;
	int r = read_manifest(dir_fd, manifest, err);

	if (r >= 0 && key && !str_eq(manifest->key, key))
		r = err_set(err, EBADMSG, "it was made of something else");
	if (r >= 0 && manifest->state.size > SNAPSHOT_STATE_MAX)
		r = err_set(err, EFBIG, "state is too large");
	if (r >= 0)
		r = snapshot.memory_fd = open_file(dir_fd, SNAPSHOT_MEMORY, &manifest->memory, err);
	if (r >= 0)
		r = snapshot.state_fd = open_file(dir_fd, SNAPSHOT_STATE, &manifest->state, err);
	if (r >= 0) {
		r = snapshot_digest(snapshot.state_fd, manifest->state.size, digest);
		if (r < 0)
			(void)err_set_errno(err, r, "state");
	}
	if (r >= 0 && !str_eq(digest, manifest->state_digest))
		r = err_set(err, EBADMSG, "state is damaged");
	if (r < 0) {
		snapshot_close(&snapshot);
		return r;
	}
	*ret = snapshot;
	return 0;
}

/**
 * snapshot_copy_memory() - give a new VM the RAM
 * @snapshot: verified
 * @to_fd: file of its own that is one hole, of the same size
 *
 * Blocks for some tens of milliseconds.
 *
 * Return: 0, -EBADMSG for a RAM that is not what was saved, or -errno.
 */
int snapshot_copy_memory(const struct snapshot *snapshot, int to_fd)
{
	const struct snapshot_manifest *manifest = &snapshot->manifest;
	struct memory_measure measure;
	int r = memory_image_copy(snapshot->memory_fd, manifest->memory.size, to_fd, &measure);

	if (r < 0)
		return r;
	return measure.data == manifest->memory_data && measure.sum == manifest->memory_sum
		       ? 0
		       : -EBADMSG;
}

/**
 * snapshot_close() - release one
 * @snapshot: or SNAPSHOT_NULL, which it is afterwards
 */
void snapshot_close(struct snapshot *snapshot)
{
	(void)fd_close(snapshot->memory_fd);
	(void)fd_close(snapshot->state_fd);
	*snapshot = SNAPSHOT_NULL;
}
