/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What is written beside a saved VM, and what its files must be like to be used.
 */
#pragma once

#include <stdint.h>

#include "common/err.h"
#include "common/macros.h"
#include "common/str.h"
#include "sandbox/snapshot/digest.h"

#define SNAPSHOT_MANIFEST_MAX 4096

/* A file that nobody has touched since is still like this. */
struct snapshot_file {
	uint64_t size, ino, ctime_ns;
};

struct snapshot_manifest {
	char key[SNAPSHOT_DIGEST_LEN + 1]; /* of what the VM was made of */
	struct snapshot_file memory, state;
	char state_digest[SNAPSHOT_DIGEST_LEN + 1];
	uint64_t memory_data; /* bytes that are not holes */
	uint64_t memory_sum;  /* over them and where they are, see memory_image.h */
};

int snapshot_manifest_write(const struct snapshot_manifest *manifest,
			    struct strbuf *out) must_check;
int snapshot_manifest_parse(const char *text, size_t len, struct snapshot_manifest *ret,
			    struct err *err) must_check;
