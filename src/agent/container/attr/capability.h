/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The five capability sets, as bit masks.
 */
#pragma once

#include <stdint.h>

#include "common/err.h"
#include "oci/oci_spec.h"

struct capability_sets {
	uint64_t bounding, effective, inheritable, permitted, ambient;
};

void capability_parse(const struct oci_capabilities *caps, struct capability_sets *ret);
int capability_number(const char *name);
int capability_drop_bounding(uint64_t keep, struct err *err) must_check;
int capability_apply(const struct capability_sets *sets, uint64_t extra,
		     struct err *err) must_check;
int capability_raise_ambient(uint64_t set, struct err *err) must_check;
