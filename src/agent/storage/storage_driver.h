/* SPDX-License-Identifier: Apache-2.0 */
/*
 * How each kind of storage is mounted.
 */
#pragma once

#include <stdbool.h>

#include "agent/storage/storage_options.h"
#include "common/err.h"

struct agent;
struct agent_storage;
struct watchable;

/* One request to mount. */
struct storage_mount {
	struct agent *agent;
	const struct agent_storage *storage;
	struct storage_options options;
	const char *container_id; /* NULL: the sandbox's */
	struct watchable *watch;  /* out */
};

struct storage_driver {
	const char *name;
	/* In a fiber. Makes the mount point and mounts. */
	int (*mount)(struct storage_mount *m, struct err *err);
	bool is_directory; /* nothing is mounted: its end is the removal of what was made */
	bool has_pod_data; /* a pod's, which a container that is restarted finds again */
};

const struct storage_driver *storage_driver_find(const char *name);
int storage_driver_mount(struct agent *agent, const struct storage_driver *driver,
			 const struct agent_storage *storage, const char *container_id,
			 struct watchable **ret_watch, struct err *err) must_check;
int storage_driver_remount(const struct agent_storage *storage, struct err *err) must_check;
