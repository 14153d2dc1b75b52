/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Mount options of config.json as flags of mount_setattr(2) and parameters of fsconfig(2).
 */
#pragma once

#include <linux/mount.h>
#include <stdbool.h>
#include <stdint.h>

#include "common/arena.h"
#include "common/err.h"

#define MOUNT_PROPAGATIONS_MAX 4

struct mount_change { /* for mount_setattr(2) */
	uint64_t set, clear;
};

struct mount_propagation {
	uint64_t flag; /* MS_SHARED, MS_SLAVE, MS_PRIVATE or MS_UNBINDABLE */
	bool recursive;
};

struct mount_options {
	struct mount_change self; /* of the mount itself */
	struct mount_change tree; /* of it and all below: "rro" ... */
	struct mount_propagation propagation[MOUNT_PROPAGATIONS_MAX]; /* applied in this order */
	size_t nr_propagation;
	bool bind, recursive; /* "bind", "rbind" */
	bool remount;
	bool tmpcopyup;
	bool idmap, recursive_idmap;
	struct strv super; /* flags of the superblock: "sync" ... */
	struct strv data;  /* everything else, "key" or "key=value" each */
};

int mount_options_parse(struct arena *arena, const struct strv *options, struct mount_options *ret,
			struct err *err) must_check;
int mount_propagation_parse(const char *word, struct mount_propagation *ret) must_check;
