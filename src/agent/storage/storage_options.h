/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Mount options as storages carry them: the words the kernel wants as flags, what the agent does
 * itself, and the rest, which goes to the file system.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#include "common/arena.h"
#include "common/err.h"
#include "common/str.h"

struct storage_options {
	unsigned long flags;	   /* MS_* for mount(2), without propagation */
	unsigned long propagation; /* MS_SHARED and the like, applied in a second call; 0: none */
	bool has_gid, has_mode;
	gid_t gid;	    /* "fsgid=": owner of the mounted tree's root */
	mode_t mode;	    /* "mode=" */
	bool overlay_rw;    /* io.katacontainers.fs-opt.overlay-rw */
	struct strbuf data; /* for the file system, comma-separated; data.data may be NULL */
};

#define STORAGE_OPTIONS_NULL ((struct storage_options){ 0 })

int storage_options_parse(const struct strv *options, struct storage_options *ret,
			  struct err *err) must_check;
void storage_options_deinit(struct storage_options *options);
#define cleanup_storage_options cleanup_with(storage_options_deinit)
