/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The end of a sandbox on request.
 */
#pragma once

#include <stdbool.h>

#include "common/err.h"

struct sandbox;

/* In fibers. */
int sandbox_stop(struct sandbox *sb, struct err *err) must_check;
void sandbox_end_helpers(struct sandbox *sb);
void sandbox_shut_down(struct sandbox *sb, bool politely);
