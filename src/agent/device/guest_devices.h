/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A spec's devices as this guest has them.
 */
#pragma once

#include "common/arena.h"
#include "common/err.h"
#include "oci/oci_spec.h"

/* Makes the nodes of @dev_dir that a directory of a privileged container does not have yet. */
void guest_devices_copy(const char *dev_dir, int target_fd);
/*
 * @dev_dir is /dev, @sys_dir is /sys; others in tests. Changes spec->linux_; additions live in
 * @arena.
 */
int guest_devices_adapt(struct oci_spec *spec, const char *dev_dir, const char *sys_dir,
			struct arena *arena, struct err *err) must_check;
