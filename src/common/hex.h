/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Bytes as hexadecimal digits, two for each, in lower case.
 */
#pragma once

#include <stddef.h>
#include <stdint.h>

#include "common/macros.h"

void hex_write(const void *data, size_t len, char *ret);
int hex_read(const char *digits, size_t len, void *ret) must_check;
