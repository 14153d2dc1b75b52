/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What the verb sends its forked stand-in, and the way back. Both are of one program: no versions.
 */
#pragma once

#include "common/macros.h"
#include "kata/standin.h"
#include "kata/state.h"
#include "runtime/standin/standin.h"

/* State directory, network namespace, terminal, root file system, PID namespace: those it has. */
#define STANDIN_SETUP_FDS 5

/*
 * How a stand-in takes memory when its process ran out of it; the shim's limit ends it long before
 * the maximum.
 */
#define STANDIN_OOM_STEP (1UL << 20)
#define STANDIN_OOM_MAX (256UL << 20)

struct standin_setup {
	enum standin_netns netns;
	unsigned char has_tty, terminal, has_root, has_pidns;
	unsigned short rows, columns;
	char key[STANDIN_KEY_MAX];
	size_t title_len;
	char title[STANDIN_TITLE_MAX];
};

struct standin_reply {
	int r;	       /* 0: registered */
	pid_t pid;     /* not 0: the stand-in is this process from now on, and says the rest */
	char step[64]; /* what failed */
};

attr_noreturn void standin_child(int control);
