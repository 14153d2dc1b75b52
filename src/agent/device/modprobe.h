/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The agent as /sbin/modprobe: what the kernel starts when it misses a module.
 */
#pragma once

#include <stdbool.h>

#include "common/macros.h"

bool modprobe_is_asked(int argc, char *const *argv);
int modprobe_main(int argc, char *const *argv) must_check;
