/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Watchable mounts: a small tree of the shared file system, such as a ConfigMap, is copied to a
 * tmpfs so that programs which watch it by inotify see the host's changes.
 */
#pragma once

#include "common/err.h"

struct agent;
struct watchable;

/* Return: 0, -E2BIG when the tree is too large to be copied, or -errno. */
int watchable_start(struct agent *agent, const char *source, const char *target,
		    struct watchable **ret, struct err *err) must_check;
void watchable_stop(struct watchable *watch);
