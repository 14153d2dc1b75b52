/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The title of this process in ps(1): its command line and its comm.
 */
#pragma once

#include <stddef.h>

void proc_title_set(const char *words, size_t len);
void proc_take_name(const char *name);
