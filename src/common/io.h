/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Files, read and written whole. Blocking; for sockets and pipes of a daemon use common/fiber.h.
 */
#pragma once

#include <dirent.h>
#include <stdbool.h>
#include <stddef.h>
#include <sys/stat.h>
#include <sys/types.h>

#include "common/macros.h"

/* For io_describe_state(). */
#define IO_STATE_MAX 160

int io_read_full(int fd, void *buf, size_t len) must_check;
int io_write_full(int fd, const void *buf, size_t len) must_check;
int io_pwrite_full(int fd, const void *buf, size_t len, off_t at) must_check;
ssize_t io_read_file_at(int dirfd, const char *path, size_t max, char **ret_data) must_check;
int io_open_regular(const char *path, struct stat *ret_st) must_check;
void io_describe_state(const struct stat *st, char ret[IO_STATE_MAX]);
bool io_is_ours_alone(const struct stat *st) must_check;
ssize_t io_read_regular_at(int dirfd, const char *path, size_t max, char **ret_data) must_check;
int io_write_file_at(int dirfd, const char *path, const void *data, size_t len) must_check;
int io_write_str_at(int dirfd, const char *path, const char *s) must_check;
int io_replace_file_at(int dirfd, const char *path, const void *data, size_t len,
		       mode_t mode) must_check;
int io_opendir_at(int parent_fd, const char *path, DIR **ret) must_check;
int io_mkdir_p(const char *path, mode_t mode) must_check;
int io_rm_tree_at(int dirfd, const char *path) must_check;
