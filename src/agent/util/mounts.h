/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The agent's own mounts: is something mounted, and taking away what is mounted below a directory.
 */
#pragma once

#include "common/err.h"
#include "common/macros.h"

int mounts_detach_below(const char *path) must_check;
int mounts_remove_tree(const char *path, struct err *err) must_check;
/* Looks at every mount below a directory; what cannot be looked at is passed over. */
int mounts_stat_below(const char *path) must_check;
/* Absolute, without "." and ".." elements, shorter than PATH_MAX. */
int mounts_check_path(const char *path, struct err *err) must_check;
