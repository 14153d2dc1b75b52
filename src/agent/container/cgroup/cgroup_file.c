/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The files of a cgroup directory: short texts, numbers, "key value" lines.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "agent/container/cgroup/cgroup.h"
#include "common/fd.h"
#include "common/io.h"
#include "common/str.h"

#define CGROUP_TEXT_MAX (1U << 20)
#define CGROUP_VALUE_MAX 4096

/**
 * cgroup_write() - write a value
 * @dir_fd: cgroup directory
 * @file: name of the file, no path
 * @err: says what could not be written where
 * @fmt: the value
 *
 * Return: 0 or -errno, -ENOENT when the controller is not there.
 */
int cgroup_write(int dir_fd, const char *file, struct err *err, const char *fmt, ...)
{
	char value[CGROUP_VALUE_MAX];
	va_list ap;

	va_start(ap, fmt);
	int n = vsnprintf(value, sizeof(value), fmt, ap);
	va_end(ap);
	if (n < 0 || (size_t)n >= sizeof(value))
		return err_set(err, E2BIG, "value for cgroup file %s is too long", file);
	int r = io_write_file_at(dir_fd, file, value, (size_t)n);
	return r < 0 ? err_set_errno(err, r, "write \"%.100s\" to cgroup file %s", value, file) : 0;
}

/**
 * cgroup_has() - whether a file is there
 * @dir_fd: cgroup directory
 * @file: its name
 *
 * Return: true when it is.
 */
bool cgroup_has(int dir_fd, const char *file)
{
	return faccessat(dir_fd, file, F_OK, 0) == 0;
}

/**
 * cgroup_read_text() - read a whole file
 * @dir_fd: cgroup directory
 * @file: its name
 * @ret: receives the text, freed by the caller
 *
 * Return: 0 or -errno.
 */
int cgroup_read_text(int dir_fd, const char *file, char **ret)
{
	ssize_t n = io_read_file_at(dir_fd, file, CGROUP_TEXT_MAX, ret);

	return n < 0 ? (int)n : 0;
}

/**
 * cgroup_read_u64() - read a file that holds one number
 * @dir_fd: cgroup directory
 * @file: its name
 * @ret: receives the number, UINT64_MAX for "max"
 *
 * Return: 0 or -errno.
 */
int cgroup_read_u64(int dir_fd, const char *file, uint64_t *ret)
{
	cleanup_free char *text = NULL;
	int r = cgroup_read_text(dir_fd, file, &text);

	if (r < 0)
		return r;
	text[strcspn(text, "\n")] = '\0';
	if (strcmp(text, "max") == 0) {
		*ret = UINT64_MAX;
		return 0;
	}
	return str_to_u64(text, ret);
}

/**
 * cgroup_read_key() - read one number of a file of "key value" lines
 * @dir_fd: cgroup directory
 * @file: its name
 * @key: key
 * @ret: receives the number
 *
 * Return: 0, -ENODATA when there is no such key, or -errno.
 */
int cgroup_read_key(int dir_fd, const char *file, const char *key, uint64_t *ret)
{
	cleanup_free char *text = NULL;
	int r = cgroup_read_text(dir_fd, file, &text);

	if (r < 0)
		return r;
	for (char *rest = text, *line; (line = strsep(&rest, "\n"));) {
		const char *value = str_skip_prefix(line, key);

		if (value && *value == ' ')
			return str_to_u64(value + 1, ret);
	}
	return -ENODATA;
}
