/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Terminals: the pty a manager gets over its console socket, and the person's own terminal in the
 * foreground.
 */
#pragma once

#include <stdbool.h>
#include <termios.h>

#include "common/err.h"

struct oci_box;

struct terminal_size {
	unsigned short rows, columns;
};

/* A pty that this program makes; its master goes to the console socket. */
struct terminal_pty {
	int master, slave;
	int console; /* connection to the console socket */
};

#define TERMINAL_PTY_NULL ((struct terminal_pty){ -1, -1, -1 })

/* The terminal this program was started from, while it is in raw mode. */
struct terminal_raw {
	int fd; /* borrowed, one of stdio; -1: nothing to restore */
	struct termios saved;
};

#define TERMINAL_RAW_NULL ((struct terminal_raw){ .fd = -1 })

int terminal_pty_open(struct terminal_pty *ret, const char *console_socket,
		      const struct oci_box *size, struct err *err) must_check;
int terminal_pty_hand_over(struct terminal_pty *pty, struct err *err) must_check;
void terminal_pty_close(struct terminal_pty *pty);

int terminal_own(void);
bool terminal_get_size(int fd, struct terminal_size *ret);
int terminal_raw_enter(struct terminal_raw *raw, struct err *err) must_check;
void terminal_raw_leave(struct terminal_raw *raw);

#define cleanup_terminal_pty cleanup_with(terminal_pty_close)
#define cleanup_terminal_raw cleanup_with(terminal_raw_leave)
