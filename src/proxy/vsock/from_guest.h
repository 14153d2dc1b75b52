/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The ring from the guest.
 */
#pragma once

#include <stdbool.h>

struct proxy;

void from_guest_run(void *arg);
void from_guest_taken(void *arg);
bool from_guest_drain(struct proxy *px, unsigned max);
