/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Guest memory: maps the files the hypervisor sends and translates addresses. Every translation
 * checks that the whole range lies inside mapped memory; nothing here looks at what the memory
 * contains.
 */
#include "proxy/vhost/gmem.h"

#include <stdbool.h>
#include <sys/mman.h>
#include <sys/stat.h>

static bool range_wraps(uint64_t start, uint64_t size)
{
	return size == 0 || start + size < start;
}

static bool ranges_meet(uint64_t a, uint64_t b, uint64_t a_size, uint64_t b_size)
{
	return a < b + b_size && b < a + a_size;
}

static int check_layout(const struct gmem *mem, const struct gmem_layout *l, struct err *err)
{
	if (mem->nr == GMEM_REGIONS_MAX)
		return err_set(err, ENOSPC, "guest memory: more than %d regions", GMEM_REGIONS_MAX);
	if (range_wraps(l->gpa, l->size) || range_wraps(l->uva, l->size) ||
	    range_wraps(l->offset, l->size))
		return err_set(err, EINVAL,
			       "guest memory: region at 0x%llx has the impossible size 0x%llx",
			       (unsigned long long)l->gpa, (unsigned long long)l->size);
	/*
	 * With this, what is aligned in guest addresses is so in ours: ring fields are accessed
	 * atomically.
	 */
	if ((l->gpa | l->uva | l->offset) % 16)
		return err_set(err, EINVAL, "guest memory: region at 0x%llx is not aligned",
			       (unsigned long long)l->gpa);
	for (unsigned i = 0; i < mem->nr; i++) {
		const struct gmem_layout *o = &mem->regions[i].layout;

		if (ranges_meet(l->gpa, o->gpa, l->size, o->size) ||
		    ranges_meet(l->uva, o->uva, l->size, o->size))
			return err_set(err, EEXIST,
				       "guest memory: region at 0x%llx overlaps the one at 0x%llx",
				       (unsigned long long)l->gpa, (unsigned long long)o->gpa);
	}
	return 0;
}

/**
 * gmem_add() - map one more region
 * @mem: guest memory; unchanged on failure
 * @layout: where it lies
 * @fd: file with the memory, borrowed
 * @err: error
 *
 * The region must lie inside the file now: touching a page behind its end would be SIGBUS.
 *
 * Return: 0 or -errno.
 */
int gmem_add(struct gmem *mem, const struct gmem_layout *layout, int fd, struct err *err)
{
	struct stat st;
	int r = check_layout(mem, layout, err);

	if (r < 0)
		return r;
	if (fstat(fd, &st) < 0)
		return err_set_errno(err, -errno, "guest memory: fstat");
	if ((uint64_t)st.st_size < layout->offset + layout->size)
		return err_set(err, EINVAL,
			       "guest memory: region at 0x%llx ends behind the end of its file",
			       (unsigned long long)layout->gpa);
	/*
	 * st_blksize of hugetlbfs is the huge page size, which the offset of a mapping must be a
	 * multiple of.
	 */
	uint64_t page = st.st_blksize > 4096 ? (uint64_t)st.st_blksize : 4096;
	uint64_t skip = layout->offset % page;
	size_t map_len = (size_t)((layout->size + skip + page - 1) / page * page);
	void *map = mmap(NULL, map_len, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_NORESERVE, fd,
			 (off_t)(layout->offset - skip));
	if (map == MAP_FAILED)
		return err_set_errno(err, -errno, "guest memory: map 0x%zx bytes at 0x%llx",
				     map_len, (unsigned long long)layout->gpa);
	mem->regions[mem->nr++] = (struct gmem_region){
		.layout = *layout,
		.base = (uint8_t *)map + skip,
		.map = map,
		.map_len = map_len,
	};
	return 0;
}

static void unmap(struct gmem_region *region)
{
	(void)munmap(region->map, region->map_len); /* our own mapping: cannot fail */
}

/**
 * gmem_remove() - unmap a region
 * @mem: guest memory
 * @layout: the region; its addresses and size must match, its offset is not looked at
 * @err: error
 *
 * Return: 0 or -ENOENT.
 */
int gmem_remove(struct gmem *mem, const struct gmem_layout *layout, struct err *err)
{
	for (unsigned i = 0; i < mem->nr; i++) {
		const struct gmem_layout *l = &mem->regions[i].layout;

		if (l->gpa != layout->gpa || l->uva != layout->uva || l->size != layout->size)
			continue;
		unmap(&mem->regions[i]);
		mem->regions[i] = mem->regions[--mem->nr];
		return 0;
	}
	return err_set(err, ENOENT, "guest memory: no region of 0x%llx bytes at 0x%llx",
		       (unsigned long long)layout->size, (unsigned long long)layout->gpa);
}

/**
 * gmem_relax() - give up the page tables of guest memory that was touched
 * @mem: guest memory; it stays mapped and nothing in it changes, pages come back when they are used
 *
 * Otherwise a busy hour leaves us accounted for a good part of the guest's memory, and for tables
 * to map it.
 */
void gmem_relax(const struct gmem *mem)
{
	for (unsigned i = 0; i < mem->nr; i++)
		(void)madvise(mem->regions[i].map, mem->regions[i].map_len,
			      MADV_DONTNEED); /* only a wish */
}

/**
 * gmem_deinit() - unmap everything
 * @mem: guest memory, empty afterwards
 */
void gmem_deinit(struct gmem *mem)
{
	for (unsigned i = 0; i < mem->nr; i++)
		unmap(&mem->regions[i]);
	mem->nr = 0;
}

/**
 * gmem_from_gpa() - pointer to a range given by guest physical address
 * @mem: guest memory
 * @gpa: start
 * @len: bytes that must be accessible
 *
 * Return: pointer, valid until the next change of @mem, or NULL when the range is not inside one
 * region.
 */
void *gmem_from_gpa(const struct gmem *mem, uint64_t gpa, uint64_t len)
{
	for (unsigned i = 0; i < mem->nr; i++) {
		const struct gmem_region *r = &mem->regions[i];
		uint64_t off = gpa - r->layout.gpa;

		if (gpa >= r->layout.gpa && off < r->layout.size && len <= r->layout.size - off)
			return r->base + off;
	}
	return NULL;
}

/**
 * gmem_from_uva() - pointer to a range given by the hypervisor's own address
 * @mem: guest memory
 * @uva: start
 * @len: bytes that must be accessible
 *
 * Return: as gmem_from_gpa().
 */
void *gmem_from_uva(const struct gmem *mem, uint64_t uva, uint64_t len)
{
	for (unsigned i = 0; i < mem->nr; i++) {
		const struct gmem_region *r = &mem->regions[i];
		uint64_t off = uva - r->layout.uva;

		if (uva >= r->layout.uva && off < r->layout.size && len <= r->layout.size - off)
			return r->base + off;
	}
	return NULL;
}

/**
 * gmem_iov() - describe a guest range that may lie across regions
 * @mem: guest memory
 * @gpa: start
 * @len: bytes
 * @iov: receives the pieces
 * @max: room in @iov
 *
 * Return: number of pieces, -EFAULT when a byte of the range is not guest memory, -E2BIG when @max
 * is too small.
 */
int gmem_iov(const struct gmem *mem, uint64_t gpa, uint32_t len, struct iovec *iov, unsigned max)
{
	unsigned nr = 0;

	while (len) {
		const struct gmem_region *r = NULL;

		for (unsigned i = 0; i < mem->nr && !r; i++)
			if (gpa >= mem->regions[i].layout.gpa &&
			    gpa - mem->regions[i].layout.gpa < mem->regions[i].layout.size)
				r = &mem->regions[i];
		if (!r)
			return -EFAULT;
		if (nr == max)
			return -E2BIG;
		uint64_t off = gpa - r->layout.gpa;
		uint32_t n = (uint32_t)MIN((uint64_t)len, r->layout.size - off);
		iov[nr++] = (struct iovec){ .iov_base = r->base + off, .iov_len = n };
		gpa += n;
		len -= n;
	}
	return (int)nr;
}
