/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What PID 1 of a guest does before and after everything else.
 */
#pragma once

#include "common/err.h"
#include "common/macros.h"

struct agent_config;

/*
 * Mounts, the console, the kernel command line. @ret_console receives a descriptor, -1 when there
 * is no console.
 */
int guest_init(struct agent_config *config, int *ret_console, struct err *err) must_check;
void guest_power_off(void) attr_noreturn;
