/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Private to src/agent/container. The last fork of a process that gets into a PID namespace where
 * a container lives already.
 */
#pragma once

#include <sys/types.h>

#include "common/err.h"

struct launch_plan;
struct birth;

int birth_new(struct birth **ret) must_check;
struct birth *birth_free(struct birth *birth);
pid_t birth_pid(const struct birth *birth) must_check;

/* In the child. */
int birth_note_memory(struct launch_plan *launch, struct err *err) must_check;
int birth_run(struct launch_plan *launch, const char *path, char **env, struct err *err) must_check;
