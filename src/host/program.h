/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Where the programs of this project lie on this host. They find each other in a build folder as
 * well as where they are installed.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>

#include "common/err.h"
#include "common/macros.h"

int program_find_self(char *path, size_t len) must_check;
int program_find_shim(char *path, size_t len, struct err *err) must_check;
int program_find_proxy(const char *beside, char *path, size_t len, struct err *err) must_check;
