/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Which devices a container may use: the rules of its specification as those of a device program.
 */
#pragma once

#include <stddef.h>
#include <sys/types.h>

#include "common/err.h"
#include "jail/device_program.h"
#include "oci/oci_spec.h"

int device_rules_new(struct arena *arena, const struct oci_linux *linux_, const dev_t *denied,
		     size_t nr_denied, struct device_rules *ret, struct err *err) must_check;
