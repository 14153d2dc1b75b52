/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Paths inside a tree somebody else controls, resolved once, to descriptors, and never out of that
 * tree.
 */
#pragma once

#include <stdint.h>
#include <sys/types.h>

#include "common/macros.h"

enum path_kind { PATH_DIR, PATH_FILE };

int path_open_in(int root_fd, const char *path, int flags) must_check;
int path_open_plain_in(int root_fd, const char *path, int flags) must_check;
int path_make_in(int root_fd, const char *path, enum path_kind kind, mode_t mode) must_check;
int path_make_parent_in(int root_fd, const char *path, mode_t mode, char *ret_name,
			size_t name_size) must_check;
