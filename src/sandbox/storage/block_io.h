/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Limits of block I/O: which of a container's are for the guest.
 */
#pragma once

#include "common/err.h"

struct oci_linux;
struct sb_container;

int block_io_keep_plugged(struct sb_container *ctr, struct oci_linux *linux_,
			  struct err *err) must_check;
