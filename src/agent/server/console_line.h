/* SPDX-License-Identifier: Apache-2.0 */
/*
 * One line from the host on the console, before anybody else uses that.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "common/macros.h"

int console_line_set_echo(int fd, bool on) must_check;
ssize_t console_line_read(int fd, char *line, size_t size, uint64_t deadline_ns) must_check;
