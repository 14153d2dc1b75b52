/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Has the guest give up what the host has unmounted in volumes.
 */
#pragma once

#include "common/err.h"
#include "common/macros.h"

struct sandbox;

int guest_forget_start(struct sandbox *sb, struct err *err) must_check;
