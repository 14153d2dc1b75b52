/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The namespaces the containers of a sandbox share.
 */
#pragma once

#include "common/err.h"
#include "common/macros.h"

struct guest_sandbox;

int sandbox_ns_create(struct guest_sandbox *sandbox, const char *hostname,
		      struct err *err) must_check;
void sandbox_ns_destroy(struct guest_sandbox *sandbox);
