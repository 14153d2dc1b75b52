/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A process number of the host for a container that has no process there.
 */
#pragma once

#include <sys/types.h>

#include "common/macros.h"

struct pid_holder;

/* @netns_fd is borrowed; -1: none. */
int pid_holder_new(int netns_fd, struct pid_holder **ret) must_check;
pid_t pid_holder_pid(const struct pid_holder *holder);
struct pid_holder *pid_holder_free(struct pid_holder *holder);
