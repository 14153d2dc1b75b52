/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The sandbox's secret, which the host and the agent share.
 */
#pragma once

#include "common/err.h"
#include "kata/guest.h"

int secret_ask(int console_fd, struct kata_secret *ret, struct err *err) must_check;
