/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A shim that containerd does not know of, or knows nothing of what it holds, must end by itself.
 */
#pragma once

#include "shim/containerd/containerd_frontend.h"

int lonely_begin(struct containerd_shim *ctd) must_check;
int lonely_check_created(struct containerd_shim *ctd, const struct sb_process *init,
			 struct err *err) must_check;
bool lonely_is_empty(const struct shim *shim);
