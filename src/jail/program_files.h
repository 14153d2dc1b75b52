/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What a QEMU loads before it looks at its guest: itself, libraries, modules, firmware.
 */
#pragma once

#include <stddef.h>

#include "common/arena.h"
#include "common/err.h"
#include "common/macros.h"
#include "jail/root.h"

struct program_files {
	struct root_entry *entries; /* directories before what is in them */
	size_t nr;
};

/* In a fiber. */
int program_files_get(const char *cache_dir, const char *path, struct arena *arena,
		      struct program_files *ret, struct err *err) must_check;
/* For tests: the paths that a dynamic loader's --list prints. */
int program_files_parse_list(const char *text, struct arena *arena, struct strv *ret) must_check;
