/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Makes one connection of two sockets.
 */
#pragma once

#include "common/macros.h"

/*
 * In a fiber. Both sockets are borrowed and non-blocking; returns when both directions have ended.
 */
int relay_pair(const char *name, int a, int b) must_check;
