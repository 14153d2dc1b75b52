/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What a process gives up by itself, where the kernel has Landlock.
 */
#pragma once

#include <stdbool.h>

#include "common/err.h"

int landlock_version(void);
int landlock_give_up(bool files, struct err *err) must_check;
