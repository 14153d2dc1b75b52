/* SPDX-License-Identifier: Apache-2.0 */
/*
 * How the manager named the streams of a process: it reads that back by State after a restart.
 */
#pragma once

#include "shim/core/frontend.h"

/* Without memory for it, State names no streams. */
void stream_uris_note(struct sb_process *process, const struct stdio_request *req);
