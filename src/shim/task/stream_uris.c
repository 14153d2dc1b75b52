/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Keeps the URIs of Create and Exec for State.
 */
#include "shim/task/stream_uris.h"

#include "common/arena.h"

/**
 * stream_uris_note() - keep what a call says of the streams of a process
 * @process: process
 * @req: what the call says
 */
void stream_uris_note(struct sb_process *process, const struct stdio_request *req)
{
	process->uris[0] = arena_strdup(process->arena, req->in);
	process->uris[1] = arena_strdup(process->arena, req->out);
	process->uris[2] = arena_strdup(process->arena, req->err);
}
