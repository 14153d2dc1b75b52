/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The loopback of a pod's network namespace leads to the guest's.
 */
#pragma once

#include "common/err.h"

struct loopback;
struct sandbox;

/* In a fiber. @err says why a host cannot do it; the sandbox works without. */
int loopback_serve(struct sandbox *sb, struct err *err) must_check;
void loopback_stop(struct sandbox *sb);
