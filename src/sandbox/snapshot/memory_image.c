/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Most of a guest's RAM was never touched: a hole, of which nothing is read or copied. The sum finds
 * accidents, not attacks: who can write these files is root. It goes over 34 MB at each start, so it
 * is one that takes some milliseconds for that.
 */
#include "sandbox/snapshot/memory_image.h"

#include <errno.h>
#include <fcntl.h>
#include <stdbool.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "common/err.h"
#include "common/io.h"

#define PAGE 4096U
#define LANES 4U
#define MULTIPLIER UINT64_C(0x9e3779b97f4a7c15) /* odd, bits evenly spread: 2^64 / golden ratio */

typedef int (*extent_fn)(void *arg, const char *data, uint64_t at, uint64_t len);

static uint64_t mix(uint64_t sum, uint64_t word)
{
	return ((sum << 27 | sum >> 37) ^ word) * MULTIPLIER;
}

/* Adds whole pages; the lanes let the processor do several at a time. */
static void measure(struct memory_measure *measure, const char *data, uint64_t at, uint64_t len)
{
	uint64_t lanes[LANES] = { at, len, 3, 4 }, words[LANES];

	for (uint64_t i = 0; i < len; i += sizeof(words)) {
		memcpy(words, data + i, sizeof(words));
		for (unsigned lane = 0; lane < LANES; lane++)
			lanes[lane] = mix(lanes[lane], words[lane]);
	}
	for (unsigned lane = 0; lane < LANES; lane++)
		measure->sum = mix(measure->sum, lanes[lane]);
	measure->data += len;
}

/* Calls @fn for each piece of the mapped file that is no hole. */
static int for_each_extent(int fd, const char *map, uint64_t size, extent_fn fn, void *arg)
{
	off_t end = 0;

	for (;;) {
		off_t begin = lseek(fd, end, SEEK_DATA);

		if (begin < 0)
			return errno == ENXIO ? 0 : -errno;
		end = lseek(fd, begin, SEEK_HOLE);
		if (end < 0)
			return -errno;
		if ((uint64_t)end > size || begin % PAGE || end % PAGE)
			return -EBADMSG;
		int r = fn(arg, map + begin, (uint64_t)begin, (uint64_t)(end - begin));
		if (r < 0)
			return r;
	}
}

static int with_map(int fd, uint64_t size, extent_fn fn, void *arg)
{
	char *map = mmap(NULL, size, PROT_READ, MAP_SHARED, fd, 0);

	if (map == MAP_FAILED)
		return -errno;
	int r = for_each_extent(fd, map, size, fn, arg);
	(void)munmap(map, size);
	return r;
}

struct trim {
	int fd;
};

static bool is_zero(const char *page)
{
	static const char zero[PAGE];

	return memcmp(page, zero, PAGE) == 0;
}

/* Makes a hole of each run of pages that hold zeros. */
static int trim_extent(void *arg, const char *data, uint64_t at, uint64_t len)
{
	const struct trim *trim = arg;

	for (uint64_t i = 0, end; i < len; i = end + PAGE) {
		for (end = i; end < len && is_zero(data + end);)
			end += PAGE;
		if (end > i && fallocate(trim->fd, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE,
					 (off_t)(at + i), (off_t)(end - i)) < 0)
			return -errno;
	}
	return 0;
}

static int measure_extent(void *arg, const char *data, uint64_t at, uint64_t len)
{
	measure(arg, data, at, len);
	return 0;
}

/**
 * memory_image_trim() - make holes of pages of zeros, and measure what is left
 * @fd: file, for reading and writing
 * @size: its size
 * @ret: receives the measure
 *
 * Return: 0 or -errno.
 */
int memory_image_trim(int fd, uint64_t size, struct memory_measure *ret)
{
	struct trim trim = { .fd = fd };
	int r = with_map(fd, size, trim_extent, &trim);

	*ret = (struct memory_measure){ 0 };
	return r < 0 ? r : with_map(fd, size, measure_extent, ret);
}

struct copy {
	int to_fd;
	struct memory_measure *measure;
};

static int copy_extent(void *arg, const char *data, uint64_t at, uint64_t len)
{
	const struct copy *copy = arg;

	measure(copy->measure, data, at, len);
	return io_pwrite_full(copy->to_fd, data, len, (off_t)at);
}

/**
 * memory_image_copy() - copy what is not a hole, and measure it
 * @from_fd: file
 * @size: its size
 * @to_fd: file of that size that is one hole
 * @ret: receives the measure of what was copied
 *
 * Return: 0 or -errno.
 */
int memory_image_copy(int from_fd, uint64_t size, int to_fd, struct memory_measure *ret)
{
	struct copy copy = { .to_fd = to_fd, .measure = ret };

	*ret = (struct memory_measure){ 0 };
	return with_map(from_fd, size, copy_extent, &copy);
}
