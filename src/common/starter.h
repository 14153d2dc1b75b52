/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Starts programs for a process that has given up rights which those programs are to have.
 */
#pragma once

#include <stdbool.h>
#include <sys/types.h>

#include "common/err.h"

struct proc_spec;

int starter_begin(struct err *err) must_check;
bool starter_is_for(const struct proc_spec *spec) must_check;
pid_t starter_start(const struct proc_spec *spec, int report) must_check;
