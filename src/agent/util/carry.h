/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Makes one connection of two sockets.
 */
#pragma once

#include "common/macros.h"

/* In a fiber. Both are borrowed and non-blocking; returns when both directions have ended. */
int carry(int a, int b) must_check;
