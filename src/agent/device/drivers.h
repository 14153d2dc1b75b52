/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Drivers for the guest's devices, from modules where the kernel has them as such, and words for
 * what a kernel lacks.
 */
#pragma once

#include "common/err.h"
#include "common/macros.h"

void drivers_start(void);
void drivers_load(void);
void drivers_expect_devices(void);
int drivers_find_devices(void) must_check;
int drivers_open_console(void) must_check;
int drivers_check(struct err *err) must_check;
int drivers_mount_failed(struct err *err, int r, const char *source, const char *fstype) must_check;
