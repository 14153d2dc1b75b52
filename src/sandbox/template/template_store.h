/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Where templates are kept: a directory on a tmpfs, of root's alone, with one directory for each
 * template, by its key. What is being made has a name of its own until it is whole.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "common/err.h"
#include "common/macros.h"
#include "sandbox/snapshot/snapshot.h"

/* More are not kept; the one that was used longest ago goes. */
#define TEMPLATES_MAX 4
/* One of more bytes is not kept. */
#define TEMPLATE_BYTES_MAX ((uint64_t)256 << 20)
/* One that could not be made is not tried again for so long. */
#define TEMPLATE_RETRY_S 600

struct template_info {
	char key[SNAPSHOT_DIGEST_LEN + 1];
	uint64_t bytes;
	int64_t used_s; /* when it was used last, since 1970 */
};

int template_store_open(const char *path, bool make, struct err *err) must_check;
int template_store_lock(int store_fd) must_check;
void template_store_clean(int store_fd);
int template_store_find(int store_fd, const char *key, struct snapshot *ret) must_check;
void template_store_discard(int store_fd, const char *key, const char *why);
int template_store_begin(int store_fd, struct err *err) must_check;
int template_store_commit(int store_fd, const char *key, struct err *err) must_check;
void template_store_abandon(int store_fd, const char *key, const char *why);
bool template_store_has_failed(int store_fd, const char *key);
int template_store_empty(int store_fd) must_check;
int template_store_list(int store_fd, struct template_info *ret, size_t max) must_check;
