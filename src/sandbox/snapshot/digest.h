/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Files by their contents.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "common/err.h"
#include "common/macros.h"

#define SNAPSHOT_DIGEST_LEN 64 /* hexadecimal digits of a SHA-256 */

int snapshot_digest(int fd, uint64_t size, char ret[SNAPSHOT_DIGEST_LEN + 1]) must_check;
bool snapshot_is_digest(const char *text);
