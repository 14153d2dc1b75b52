/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Orphans of the guest: whoever loses its parent becomes PID 1's child.
 */
#pragma once

#include "common/loop.h"
#include "common/macros.h"

int reaper_start(struct loop *loop) must_check;
