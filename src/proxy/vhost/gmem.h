/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Guest memory: the pieces of the guest's RAM that the hypervisor shares with us, mapped, and the
 * only place where an address that came from a peer becomes a pointer.
 */
#pragma once

#include <stdint.h>
#include <sys/uio.h>

#include "common/err.h"
#include "common/macros.h"

#define GMEM_REGIONS_MAX 32

/* One shared piece as the hypervisor describes it. */
struct gmem_layout {
	uint64_t gpa; /* guest physical address */
	uint64_t size;
	uint64_t uva;	 /* the hypervisor's own address, used for ring addresses only */
	uint64_t offset; /* in the file */
};

struct gmem_region {
	struct gmem_layout layout;
	uint8_t *base; /* of layout.gpa */
	void *map;
	size_t map_len;
};

/* The zero value is an empty memory. */
struct gmem {
	struct gmem_region regions[GMEM_REGIONS_MAX];
	unsigned nr;
};

#define GMEM_NULL ((struct gmem){ .nr = 0 })

int gmem_add(struct gmem *mem, const struct gmem_layout *layout, int fd,
	     struct err *err) must_check;
int gmem_remove(struct gmem *mem, const struct gmem_layout *layout, struct err *err) must_check;
void gmem_relax(const struct gmem *mem);
void gmem_deinit(struct gmem *mem);
void *gmem_from_gpa(const struct gmem *mem, uint64_t gpa, uint64_t len);
void *gmem_from_uva(const struct gmem *mem, uint64_t uva, uint64_t len);
int gmem_iov(const struct gmem *mem, uint64_t gpa, uint32_t len, struct iovec *iov,
	     unsigned max) must_check;
