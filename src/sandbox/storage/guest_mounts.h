/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Mounts and root file system of the manager's spec, turned into what the guest can mount.
 */
#pragma once

#include "common/err.h"
#include "oci/oci_spec.h"

struct sb_container;

/* In fibers. What is made lives in the container's arena; what is shared is noted in ctr->shares. */
int guest_mounts_convert_root(struct sb_container *ctr, struct oci_spec *spec,
			      struct err *err) must_check;
int guest_mounts_convert(struct sb_container *ctr, struct oci_spec *spec,
			 struct err *err) must_check;
