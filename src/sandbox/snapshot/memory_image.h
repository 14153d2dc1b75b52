/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The RAM of a saved VM: a sparse file. These calls block.
 */
#pragma once

#include <stdint.h>

#include "common/macros.h"

/* What is in one: the bytes that are not holes, and a sum over them and their places. */
struct memory_measure {
	uint64_t data, sum;
};

int memory_image_trim(int fd, uint64_t size, struct memory_measure *ret) must_check;
int memory_image_copy(int from_fd, uint64_t size, int to_fd, struct memory_measure *ret) must_check;
