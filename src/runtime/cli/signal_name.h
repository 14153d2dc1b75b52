/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Signals as people write them.
 */
#pragma once

#include "common/err.h"

int signal_name_parse(const char *text, int *ret, struct err *err) must_check;
