/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Files are kept as they read: what a cgroup shows of a limit is what it takes, line by line. Those
 * with a line for each device show only what is limited, so the others have to be lifted.
 */
#include "common/limit_file.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "common/io.h"
#include "common/str.h"

#define LIMIT_FILE_MAX (1U << 20)

static int read_text(int dirfd, const char *name, char **ret)
{
	ssize_t n = io_read_file_at(dirfd, name, LIMIT_FILE_MAX, ret);

	if (n < 0)
		return (int)n;
	if (n && (*ret)[n - 1] == '\n')
		(*ret)[n - 1] = '\0';
	return 0;
}

/**
 * limit_file_save() - read a file
 * @dirfd: the cgroup's directory
 * @name: name of the file, no path
 * @arena: holds the copy
 * @ret: receives it
 *
 * Return: 0 or -errno, -ENOENT when there is none.
 */
int limit_file_save(int dirfd, const char *name, struct arena *arena, struct limit_file *ret)
{
	cleanup_free char *text = NULL;
	int r = read_text(dirfd, name, &text);

	if (r < 0)
		return r;
	struct limit_file file = { .name = arena_strdup(arena, name),
				   .text = arena_strdup(arena, text) };
	if (!file.name || !file.text)
		return -ENOMEM;
	*ret = file;
	return 0;
}

/* What says that a device has no limit, NULL for a file whose lines are none of devices. */
static const char *no_limit(const char *name)
{
	if (str_eq(name, "io.max"))
		return "rbps=max wbps=max riops=max wiops=max";
	if (str_skip_prefix(name, "blkio.throttle."))
		return "0";
	if (str_eq(name, "io.weight") || str_eq(name, "io.bfq.weight") ||
	    str_eq(name, "blkio.bfq.weight_device"))
		return "default";
	return NULL;
}

static int write_line(int dirfd, const char *name, const char *line, struct err *err)
{
	int r = io_write_str_at(dirfd, name, line);

	return r < 0 ? err_set_errno(err, r, "write \"%.100s\" to %s", line, name) : 0;
}

/* Whether @text has a line that begins with @device, which ends in a blank. */
static bool has_device(const char *text, const char *device)
{
	for (const char *line = text; line; line = strchr(line, '\n')) {
		line += *line == '\n';
		if (str_skip_prefix(line, device))
			return true;
	}
	return false;
}

/* Lines for devices that had none. */
static int lift_new(int dirfd, const struct limit_file *file, const char *now, struct err *err)
{
	const char *none = no_limit(file->name);
	char device[48], text[128];
	int r = 0;

	for (const char *line = now; none && *line && r >= 0;) {
		(void)snprintf(device, sizeof(device), "%.*s ", (int)strcspn(line, " \n"), line);
		(void)snprintf(text, sizeof(text), "%s%s", device, none);
		if (strchr(device, ':') && !has_device(file->text, device))
			r = write_line(dirfd, file->name, text, err);
		line += strcspn(line, "\n");
		line += *line == '\n';
	}
	return r;
}

/**
 * limit_file_restore() - bring a file back
 * @dirfd: the cgroup's directory
 * @file: as limit_file_save() made it
 * @err: says what could not be written
 *
 * Return: 0, also when the file is gone, or -errno.
 */
int limit_file_restore(int dirfd, const struct limit_file *file, struct err *err)
{
	cleanup_free char *now = NULL;
	char text[512];
	int r = read_text(dirfd, file->name, &now);

	if (r < 0 || str_eq(now, file->text))
		return 0;
	r = lift_new(dirfd, file, now, err);
	for (const char *line = file->text; r >= 0; line++) {
		size_t n = strcspn(line, "\n");

		/* An empty cpuset is the parent's, and said by an empty line; of limits there is none. */
		(void)snprintf(text, sizeof(text), "%.*s\n", (int)n, line);
		if (n || !no_limit(file->name))
			r = write_line(dirfd, file->name, text, err);
		line += n;
		if (!*line)
			break;
	}
	return r;
}
