/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The list of mounts of /proc/self/mountinfo; see proc(5).
 */
#pragma once

#include <stddef.h>
#include <stdint.h>

#include "common/macros.h"

struct mountinfo_entry {
	uint64_t id;		 /* statx(2)'s stx_mnt_id */
	const char *device;	 /* "major:minor" */
	const char *mount_point; /* relative to the reader's root */
	const char *fstype, *super_options;
};

/* In the order in which the mounts were made: of several at one place the last is on top. */
struct mountinfo {
	struct mountinfo_entry *entries;
	size_t nr;
	char *text; /* private: the strings */
};

#define MOUNTINFO_NULL ((struct mountinfo){ 0 })

int mountinfo_read(struct mountinfo *ret) must_check;
int mountinfo_parse_for_test(const char *text, struct mountinfo *ret) must_check;
void mountinfo_deinit(struct mountinfo *info);
#define cleanup_mountinfo cleanup_with(mountinfo_deinit)
