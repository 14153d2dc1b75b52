/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The agent's memory holds what other containers were given. A process that a container can look
 * into is forked without it: heap, stacks and all else that no file is behind, but for the stack it
 * runs on, what libc keeps for its thread, and the variables of programs and libraries.
 */
#include "agent/container/memory.h"

#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "common/fiber_sanitize.h"
#include "common/io.h"
#include "common/str.h"

#ifdef FIBER_SANITIZE
#define CAN_TELL_APART false
#else
#define CAN_TELL_APART true
#endif

#define MAPS_MAX (256U * 1024)
/* Around the thread pointer: libc's struct and the variables of the thread. */
#define THREAD_BELOW (2 * 4096UL)
#define THREAD_ABOVE (2 * 4096UL)

static void add(struct memory_ranges *ranges, uintptr_t start, uintptr_t end)
{
	if (start >= end || ranges->nr == ARRAY_SIZE(ranges->v))
		return;
	ranges->v[ranges->nr].start = start;
	ranges->v[ranges->nr++].end = end;
}

/* One line of /proc/PID/maps: "start-end rights offset device inode name". */
struct mapping {
	uintptr_t start, end;
	const char *rights, *name;
	bool of_file;
};

static bool parse_line(char *line, struct mapping *ret)
{
	char *fields[6] = { NULL };

	for (size_t i = 0; i < ARRAY_SIZE(fields) && line; i++)
		fields[i] = i < 5 ? strsep(&line, " ") : line;
	char *end = fields[0];
	ret->start = strtoul(fields[0], &end, 16);
	if (!fields[5] || *end != '-')
		return false;
	ret->end = strtoul(end + 1, NULL, 16);
	ret->rights = fields[1];
	ret->of_file = strcmp(fields[4], "0") != 0;
	ret->name = fields[5] + strspn(fields[5], " ");
	return true;
}

/* @file_end is where the last mapping of a file ended. */
static void note_line(char *line, uintptr_t *file_end, struct memory_ranges *ret)
{
	const uintptr_t here = (uintptr_t)__builtin_frame_address(0);
	const uintptr_t thread = (uintptr_t)pthread_self() & ~4095UL;
	struct mapping m;

	if (!parse_line(line, &m))
		return;
	if (m.of_file) {
		*file_end = m.end;
		return;
	}
	/* Zeroed variables follow those that are in the file. */
	bool variables = m.start == *file_end && !*m.name;
	bool special = *m.name && !str_eq(m.name, "[heap]") && !str_eq(m.name, "[stack]");
	if (!str_eq(m.rights, "rw-p") || variables || special || (m.start <= here && here < m.end))
		return;
	if (thread < m.start || thread >= m.end) {
		add(ret, m.start, m.end);
		return;
	}
	add(ret, m.start, MAX(thread, m.start + THREAD_BELOW) - THREAD_BELOW);
	add(ret, thread + THREAD_ABOVE, m.end);
}

/**
 * memory_note() - find what is to be forgotten
 * @ret: receives the ranges; what is mapped later is not among them
 *
 * Under a sanitizer nothing is: its own memory cannot be told apart.
 *
 * Return: 0 or -errno.
 */
int memory_note(struct memory_ranges *ret)
{
	cleanup_free char *maps = NULL;
	uintptr_t file_end = 0;

	ret->nr = 0;
	if (!CAN_TELL_APART)
		return 0;
	ssize_t n = io_read_file_at(AT_FDCWD, "/proc/self/maps", MAPS_MAX, &maps);

	if (n < 0)
		return (int)n;
	for (char *rest = maps, *line; (line = strsep(&rest, "\n"));)
		note_line(line, &file_end, ret);
	return 0;
}

/**
 * memory_forget_on_fork() - what this process forks has none of it
 * @ranges: ranges, none of which was unmapped since
 *
 * Return: 0 or -errno.
 */
int memory_forget_on_fork(const struct memory_ranges *ranges)
{
	for (size_t i = 0; i < ranges->nr; i++) {
		uintptr_t start = ranges->v[i].start;

		if (madvise((void *)start, ranges->v[i].end - start, MADV_DONTFORK) < 0 &&
		    errno != ENOMEM) /* part of it is not mapped any more */
			return -errno;
	}
	return 0;
}
