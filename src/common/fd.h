/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Descriptors: closing, flags, passing them over unix sockets.
 */
#pragma once

#include <limits.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>
#include <unistd.h>

#include "common/macros.h"

/* Room for fd_path(). */
#define FD_PATH_MAX 32

/* Most descriptors one message may carry; the kernel's own limit (SCM_MAX_FD) is 253. */
#define FD_PASS_MAX 16

static inline void cleanup_close_fn(int *fd)
{
	if (*fd >= 0)
		(void)close(*fd); /* nothing can be done about a failed close in an unwind */
}
#define cleanup_close cleanup_with(cleanup_close_fn)

int fd_close(int fd_consume);
int fd_set_nonblock(int fd, bool on) must_check;
int fd_set_cloexec(int fd, bool on) must_check;
const char *fd_path(int fd, char path[FD_PATH_MAX]);
ssize_t fd_read_path(int fd, char path[PATH_MAX]) must_check;
int fd_reopen(int fd, int flags) must_check;
int fd_open_resolved(int dir_fd, const char *path, int flags, uint64_t resolve) must_check;
/* Blocks; in a fiber see fiber_wait_fd(). */
int fd_poll_until(int fd, short events, uint64_t deadline_ns) must_check;
int fd_close_from(int first, const int *keep, size_t nr_keep) must_check;
int fd_cloexec_from(int first) must_check;
int fd_listen_at(int dir_fd, const char *name, int type) must_check;
ssize_t fd_send_msg(int sock, const void *data, size_t len, const int *fds,
		    size_t nr_fds) must_check;
ssize_t fd_recv_msg(int sock, void *data, size_t len, int *fds, size_t max_fds,
		    size_t *ret_nr_fds) must_check;
