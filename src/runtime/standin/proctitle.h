/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The title of this process in ps(1): its argv area and its comm.
 */
#pragma once

#include <stddef.h>

void proctitle_init(int argc, char **argv);
void proctitle_set(const char *args, size_t len);
