/* SPDX-License-Identifier: Apache-2.0 */
/*
 * sandbox.json: what a sandbox made on the host that outlives its processes, written before it is
 * made.
 */
#pragma once

#include "common/err.h"

struct sandbox;

int sandbox_record_write(const struct sandbox *sb, struct err *err) must_check;
/*
 * In a fiber: undoes what the file in the directory lists and removes it. No file: nothing to do.
 */
int sandbox_record_undo(int state_dir_fd, struct err *err) must_check;
