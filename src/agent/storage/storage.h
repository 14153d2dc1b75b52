/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Storages: what the host wants mounted in the guest, counted by mount point.
 */
#pragma once

#include <stddef.h>

#include "common/arena.h"
#include "common/err.h"

struct agent;
struct agent_storage;

extern const char *const storage_drivers[]; /* NULL-terminated */

/*
 * In a fiber. Adds the mount points of which a count is now held to @held, also of those before a
 * failure.
 */
int storage_add_all(struct agent *agent, const struct agent_storage *storages, size_t nr,
		    const char *container_id, struct arena *arena, struct strv *held,
		    struct err *err) must_check;
void storage_release(struct agent *agent, const char *mount_point);
/* For the end of the sandbox: unmounts all, whatever the counts say. */
void storage_release_all(struct agent *agent);
int storage_update_ephemeral(struct agent *agent, const struct agent_storage *storages, size_t nr,
			     struct err *err) must_check;
