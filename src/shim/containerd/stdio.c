/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Opens a process's host streams from the URIs of a Task call. See containerd's runtime v2
 * documentation, "IO".
 */
#include "shim/containerd/stdio.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "common/fd.h"
#include "common/str.h"
#include "shim/containerd/stdio_logger.h"
#include "shim/core/shim.h"

/*
 * No open waits for the other side. An output fifo is opened for both directions: should its reader
 * restart, as containerd may, nothing is lost and the container gets no SIGPIPE. An input fifo is
 * opened for reading only, so that the end of its last writer is seen; see fifo(7).
 */
static int open_path(const char *path, bool for_writing, struct err *err)
{
	struct stat st;
	int flags = O_CLOEXEC | O_NONBLOCK;

	if (stat(path, &st) < 0)
		return err_set_errno(err, -errno, "stream %s", path);
	if (S_ISSOCK(st.st_mode) || S_ISDIR(st.st_mode))
		return err_set(err, EINVAL, "stream %s is neither a fifo nor a file", path);
	if (for_writing)
		flags |= S_ISFIFO(st.st_mode) ? O_RDWR : O_WRONLY;
	int fd = neg_errno(open(path, flags));
	return fd < 0 ? err_set_errno(err, fd, "open %s", path) : fd;
}

static int open_file(const char *path, struct err *err)
{
	if (*path != '/')
		return err_set(err, EINVAL, "stream file://%s: not an absolute path", path);
	int fd = neg_errno(open(
		path, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK, 0640));
	return fd < 0 ? err_set_errno(err, fd, "open %s", path) : fd;
}

static int open_uri(const char *uri, bool for_writing, struct err *err)
{
	const char *path = str_skip_prefix(uri, "fifo://");
	const char *file = str_skip_prefix(uri, "file://");

	if (file)
		return for_writing ? open_file(file, err) : open_path(file, false, err);
	if (!path)
		path = uri;
	if (*path != '/')
		return err_set(err, EINVAL, "stream '%s': unknown scheme", uri);
	return open_path(path, for_writing, err);
}

static int open_uris(struct shim *shim, const struct stdio_request *req, struct sb_process_io *io,
		     struct err *err)
{
	const char *uris[] = { req->in, req->out, req->terminal ? "" : req->err };
	int r = 0;

	if (stdio_logger_is(req->out))
		r = stdio_logger_start(shim, req, io->fds, err);
	for (size_t i = 0; r >= 0 && i < ARRAY_SIZE(uris); i++) {
		if (str_empty(uris[i]) || (i > 0 && stdio_logger_is(uris[i])))
			continue;
		io->fds[i] = open_uri(uris[i], i > 0, err);
		r = MIN(io->fds[i], 0);
	}
	if (r < 0)
		sb_process_io_close(io);
	return r;
}

/**
 * stdio_open() - open the streams of a process
 * @shim: shim
 * @req: what the call says
 * @ret: receives the descriptors
 * @err: names the stream that cannot be opened
 *
 * In a fiber: a logger is waited for.
 *
 * Return: 0 or -errno.
 */
int stdio_open(struct shim *shim, const struct stdio_request *req, struct sb_process_io *ret,
	       struct err *err)
{
	struct sb_process_io io = SB_PROCESS_IO_NULL;
	int r = open_uris(shim, req, &io, err);

	if (r < 0)
		return r;
	io.exclusive = true;
	io.terminal = req->terminal;
	*ret = io;
	return 0;
}
