/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Further processes of a container.
 */
#pragma once

#include <stddef.h>

#include "common/err.h"
#include "sandbox/core/process.h"

struct sb_container;

/*
 * All in fibers, under the container's lock. @process_json is the OCI process object. The exec is
 * CREATED then; sb_container_start_exec() runs it.
 */
int sb_container_add_exec(struct sb_container *ctr, const char *exec_id, const char *process_json,
			  size_t len, struct sb_process_io io, struct sb_process **ret,
			  struct err *err) must_check;
int sb_container_start_exec(struct sb_container *ctr, struct sb_process *exec,
			    struct err *err) must_check;
int sb_container_delete_exec(struct sb_container *ctr, struct sb_process *exec,
			     struct err *err) must_check;
