/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Root file systems that the guest puts together out of disks.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>

#include "common/err.h"

struct containerd_mount;
struct sb_container;

/*
 * What containerd's mount manager is told to leave to us: its runtime info names these types.
 * containerd 2.2 and later ask for it.
 */
#define EROFS_LAYERS_ALLOW_MOUNTS_KEY "containerd.io/runtime-allow-mounts"
#define EROFS_LAYERS_ALLOW_MOUNTS "mkdir/*,format/*,erofs"

bool erofs_layers_are_for_guest(const struct containerd_mount *mounts, size_t nr_mounts);
/* In a fiber. Leaves the result's place in ctr->guest_rootfs. */
int erofs_layers_plug(struct sb_container *ctr, const struct containerd_mount *mounts,
		      size_t nr_mounts, struct err *err) must_check;
/* A single file system, mounted at a place of the container's own. */
int erofs_layers_plug_one(struct sb_container *ctr, const struct containerd_mount *m,
			  struct err *err) must_check;
