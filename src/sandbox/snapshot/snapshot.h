/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A saved VM on the host: a directory of three files. "memory" is its RAM, "state" all else that the
 * VMM wrote, "manifest" says what they are like. It knows nothing of why it was saved.
 */
#pragma once

#include <stdint.h>

#include "common/err.h"
#include "common/macros.h"
#include "sandbox/snapshot/manifest.h"

#define SNAPSHOT_MEMORY "memory"
#define SNAPSHOT_STATE "state"
#define SNAPSHOT_MANIFEST "manifest"
/* Of the VMM's part; what is larger is not believed. */
#define SNAPSHOT_STATE_MAX ((uint64_t)64 << 20)

/* One that was verified. */
struct snapshot {
	int memory_fd, state_fd; /* for reading */
	struct snapshot_manifest manifest;
};

#define SNAPSHOT_NULL ((struct snapshot){ .memory_fd = -1, .state_fd = -1 })

/* A saved VM is made in this order: begin, the VM is run on memory_fd and saved to state_fd, seal. */
int snapshot_begin(int dir_fd, uint64_t memory_size, struct snapshot *ret,
		   struct err *err) must_check;
int snapshot_seal(int dir_fd, struct snapshot *snapshot, const char *key,
		  struct err *err) must_check;
int snapshot_open(int dir_fd, const char *key, struct snapshot *ret, struct err *err) must_check;
int snapshot_copy_memory(const struct snapshot *snapshot, int to_fd) must_check;
void snapshot_close(struct snapshot *snapshot);
