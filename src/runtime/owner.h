/* SPDX-License-Identifier: Apache-2.0 */
/*
 * User names of container owners.
 */
#pragma once

#include <stddef.h>
#include <stdint.h>

#define OWNER_MAX 64

void owner_name(uint32_t uid, char *buf, size_t len);
