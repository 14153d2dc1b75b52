/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Orphans of the guest: whoever loses its parent becomes PID 1's child.
 */
#pragma once

#include "common/loop.h"
#include "common/macros.h"

struct children;

struct reaper {
	struct children *children; /* not to be reaped here */
	struct loop_source *signal, *again;
};

int reaper_start(struct reaper *reaper, struct loop *loop, struct children *children) must_check;
void reaper_stop(struct reaper *reaper);
