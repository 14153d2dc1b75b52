/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The root file system that containerd hands over as a list of mounts; a command-line bundle brings
 * its own.
 */
#pragma once

#include <stddef.h>

#include "common/err.h"
#include "rpc/pb/common_msg.h"

struct sb_container;

int rootfs_mount(struct sb_container *ctr, const struct containerd_mount *mounts, size_t nr_mounts,
		 struct err *err) must_check;
void rootfs_unmount(struct sb_container *ctr);
