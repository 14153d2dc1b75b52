/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A process number of the host for a container that has no process there.
 */
#pragma once

#include <sys/types.h>

#include "common/macros.h"

struct pid_thread;

/* @netns_fd is borrowed; -1: none. */
int pid_thread_new(int netns_fd, struct pid_thread **ret) must_check;
pid_t pid_thread_pid(const struct pid_thread *thread);
struct pid_thread *pid_thread_free(struct pid_thread *thread);
