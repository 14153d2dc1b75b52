/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A guest that waits to be saved, and wakes as another.
 */
#pragma once

#include "common/err.h"
#include "common/guest_wake.h"
#include "common/macros.h"

int wake_await(int console_fd, struct guest_wake *ret, struct err *err) must_check;
