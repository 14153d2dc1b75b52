/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A sandbox that ends by itself.
 */
#pragma once

#include "common/macros.h"
#include "sandbox/hypervisor/hypervisor.h"

struct sandbox;
struct sandbox_export;

int sandbox_watch_virtiofsd(struct sandbox_export *export) must_check;
int sandbox_watch_proxy(struct sandbox *sb) must_check;
/* A vm_event_fn of the hypervisor. */
void sandbox_on_vm_event(void *arg, enum vm_event_type type, const char *reason);
/* In a fiber. */
void sandbox_await_exit(struct sandbox *sb);
