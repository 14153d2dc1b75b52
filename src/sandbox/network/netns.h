/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Making and looking into a network namespace, and deciding whether we may work in it.
 */
#pragma once

#include <stdbool.h>

#include "common/err.h"

int netns_new(struct err *err) must_check;
int netns_open(const char *path, struct err *err) must_check;
/* Runs @fn with the calling thread inside the namespace. */
int netns_run(int netns_fd, int (*fn)(void *arg, struct err *err), void *arg,
	      struct err *err) must_check;
bool netns_is_hosts(int netns_fd);
/*
 * Somebody else's process in the namespace, 0 when there is none. Stand-ins of ours and the caller
 * do not count.
 */
int netns_find_foreign_process(int netns_fd);
