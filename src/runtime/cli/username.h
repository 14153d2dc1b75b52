/* SPDX-License-Identifier: Apache-2.0 */
/*
 * User names of container owners.
 */
#pragma once

#include <stddef.h>
#include <stdint.h>

#define USERNAME_MAX 64

void username_of(uint32_t uid, char *buf, size_t len);
