/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The title of this process in ps(1): its argv area and its comm.
 */
#pragma once

#include <stddef.h>

void title_init(int argc, char **argv);
void title_set(const char *args, size_t len);
