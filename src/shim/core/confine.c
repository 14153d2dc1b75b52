/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The shim stays root, with the mounts, cgroups and namespaces of its pod to make. What it gives up
 * is most of the kernel: it and all of ours that it starts have a list of system calls, and gain no
 * privileges. Hooks and loggers are others' and come from a starter that was forked before.
 */
#include "shim/core/confine.h"

#include "common/log.h"
#include "common/starter.h"
#include "jail/syscalls.h"

/**
 * confine_shim() - stages: the starter, then the filter
 *
 * Should: come after the shim's mount namespace was made, which hooks share, and before the loop.
 * Mustn't: come where there are further threads.
 *
 * A kernel without filters costs a warning, and so does a host where no starter can be made, for
 * then hooks would be confined.
 */
void confine_shim(void)
{
	struct err err = ERR_NULL;
	int r = starter_begin(&err);

	if (r >= 0)
		r = syscalls_confine(&err);
	if (r < 0)
		log_warn("the shim runs without a system call filter: %s", err.text);
}
