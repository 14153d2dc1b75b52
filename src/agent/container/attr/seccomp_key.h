/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Private to src/agent/container. The last steps of a process that is under its filter already.
 */
#pragma once

#include <sched.h>
#include <signal.h>
#include <stdint.h>

#include "common/err.h"

/* Instructions it adds to a program. */
#define SECCOMP_KEY_INSNS 27
/* The one way to clone that it opens. */
#define SECCOMP_KEY_CLONE_FLAGS (CLONE_PARENT | CLONE_PARENT_SETTID | SIGCHLD)

struct seccomp_prog;

struct seccomp_key {
	uint64_t word[2];
};

int seccomp_key_load(const struct seccomp_prog *prog, struct seccomp_key *ret) must_check;
long seccomp_key_call(const struct seccomp_key *key, long nr, long a, long b, long c,
		      long d) must_check;
