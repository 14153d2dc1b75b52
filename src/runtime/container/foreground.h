/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Signals to this program: they break off a create or exec that is under way; while its process
 * runs in the foreground they are the process's.
 */
#pragma once

#include "runtime/cli/terminal.h"
#include "runtime/shim/session.h"
#include "runtime/standin/standin.h"

#define FOREGROUND_NR_SIGNALS 31

struct foreground;

struct foreground_signal {
	struct foreground *fg;
	int signo;
	struct loop_source *source;
};

struct foreground {
	struct loop *loop;
	struct fiber *owner; /* cancelled by a signal until the process runs */
	struct session *session;
	const char *exec_id; /* "" for the container's first process */
	bool running;
	bool terminal;
	struct terminal_raw raw;
	struct foreground_signal signals[FOREGROUND_NR_SIGNALS];
	size_t nr_signals;
};

int foreground_begin(struct foreground *fg, struct session *session, const char *exec_id,
		     struct err *err) must_check;
int foreground_attach(struct foreground *fg, bool terminal, struct err *err) must_check;
int foreground_wait(struct foreground *fg, struct standin_proc *standin,
		    struct err *err) must_check;
void foreground_end(struct foreground *fg);

#define FOREGROUND_NULL ((struct foreground){ .raw = TERMINAL_RAW_NULL })

#define cleanup_foreground cleanup_with(foreground_end)
