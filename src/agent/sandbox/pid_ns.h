/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The PID namespace that the containers of a pod without a pause container share.
 */
#pragma once

#include <stdbool.h>

#include "common/err.h"
#include "common/macros.h"

struct guest_sandbox;

bool pid_ns_is_holder(int argc, char *const *argv);
_Noreturn void pid_ns_hold(void);
int pid_ns_create(struct guest_sandbox *sandbox, struct err *err) must_check;
void pid_ns_destroy(struct guest_sandbox *sandbox);
