/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The ring to the guest.
 */
#pragma once

void to_guest_run(void *arg);
