/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Reads what the kernel says of the mounts of this process. Fields are separated by single spaces,
 * and a space, tab, line feed or backslash in one of them is written as three octal digits.
 */
#include "common/mountinfo.h"

#include <errno.h>
#include <fcntl.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#include "common/io.h"
#include "common/str.h"

#define MOUNTINFO_MAX (16U << 20)

static bool is_octal(const char *s)
{
	return s[0] >= '0' && s[0] <= '3' && s[1] >= '0' && s[1] <= '7' && s[2] >= '0' &&
	       s[2] <= '7';
}

/* Turns \040 and its like into the bytes they stand for, in place. */
static char *unescape(char *field)
{
	char *out = field;

	for (const char *s = field; *s;) {
		if (*s == '\\' && is_octal(s + 1)) {
			*out++ = (char)((s[1] - '0') << 6 | (s[2] - '0') << 3 | (s[3] - '0'));
			s += 4;
		} else {
			*out++ = *s++;
		}
	}
	*out = '\0';
	return field;
}

/* The next field; "" after the last one. */
static char *next_field(char **line)
{
	static char none[] = "";
	char *field = strsep(line, " ");

	return field ? unescape(field) : none;
}

/*
 * "id parent device root mount_point options [tags...] - fstype source super_options"
 * Return: whether it was a line of the list.
 */
static bool parse_line(char *line, struct mountinfo_entry *ret)
{
	ret->id = strtoull(next_field(&line), NULL, 10);
	(void)next_field(&line); /* parent */
	ret->device = next_field(&line);
	(void)next_field(&line); /* root */
	ret->mount_point = next_field(&line);
	(void)next_field(&line); /* options */
	while (line && !str_eq(next_field(&line), "-"))
		continue;
	ret->fstype = next_field(&line);
	(void)next_field(&line); /* source, which may be empty */
	ret->super_options = next_field(&line);
	return *ret->mount_point && *ret->fstype;
}

static size_t count_lines(const char *text)
{
	size_t nr = 0;

	for (const char *p = text; p && *p; nr++) {
		p = strchr(p, '\n');
		p = p ? p + 1 : NULL;
	}
	return nr;
}

static int parse(char *text_consume, struct mountinfo *ret)
{
	struct mountinfo info = { .text = text_consume };
	char *rest = info.text;

	info.entries = calloc(count_lines(info.text) + 1, sizeof(*info.entries));
	if (!info.entries) {
		mountinfo_deinit(&info);
		return -ENOMEM;
	}
	for (char *line = strsep(&rest, "\n"); line; line = strsep(&rest, "\n"))
		if (parse_line(line, &info.entries[info.nr]))
			info.nr++;
	*ret = info;
	return 0;
}

/**
 * mountinfo_parse_for_test() - take a list of mounts apart
 * @text: as the kernel writes it; lines of another form are passed over
 * @ret: receives the list, released with mountinfo_deinit()
 *
 * Return: 0 or -ENOMEM.
 */
int mountinfo_parse_for_test(const char *text, struct mountinfo *ret)
{
	char *copy = strdup(text);

	return copy ? parse(copy, ret) : -ENOMEM;
}

/**
 * mountinfo_read() - the mounts of this process
 * @ret: receives the list, released with mountinfo_deinit()
 *
 * Return: 0 or -errno (-EFBIG for more than 16 MiB of mounts).
 */
int mountinfo_read(struct mountinfo *ret)
{
	char *text = NULL;
	ssize_t n = io_read_file_at(AT_FDCWD, "/proc/self/mountinfo", MOUNTINFO_MAX, &text);

	return n < 0 ? (int)n : parse(text, ret);
}

/**
 * mountinfo_deinit() - release a list
 * @info: list or MOUNTINFO_NULL; is that afterwards
 */
void mountinfo_deinit(struct mountinfo *info)
{
	free(info->entries);
	free(info->text);
	*info = MOUNTINFO_NULL;
}
