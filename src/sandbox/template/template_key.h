/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The key of a template: a digest over all that a VM is made of before it has a sandbox.
 */
#pragma once

#include <stdbool.h>

#include "common/err.h"
#include "common/macros.h"
#include "sandbox/snapshot/manifest.h"

struct vm_config;

int template_key_find(int store_fd, const struct vm_config *vm, bool may_read,
		      char ret[SNAPSHOT_DIGEST_LEN + 1], struct err *err) must_check;
