/* SPDX-License-Identifier: Apache-2.0 */
/*
 * UTF-8: validation and encoding, for the text formats. No collation, no case, no normalisation.
 */
#pragma once

#include <stddef.h>
#include <stdint.h>

#define UTF8_MAX_LEN 4

size_t utf8_valid_prefix(const char *s, size_t len);
void utf8_make_printable(char *s, size_t len, const char *keep);
size_t utf8_encode(uint32_t code_point, char ret[UTF8_MAX_LEN]);
