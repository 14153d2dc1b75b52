/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What a manager may do with a container that exists.
 */
#pragma once

#include <stdbool.h>

#include "common/err.h"
#include "oci/oci_spec.h"

struct sb_container;

/* All in fibers, under the container's lock. */
int sb_container_start(struct sb_container *ctr, struct err *err) must_check;
int sb_container_pause(struct sb_container *ctr, bool pause, struct err *err) must_check;
int sb_container_update(struct sb_container *ctr, const struct oci_resources *resources,
			struct err *err) must_check;
