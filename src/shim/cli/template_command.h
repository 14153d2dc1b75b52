/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The shim's program as the one that makes, lists and removes templates for the command line.
 */
#pragma once

#include <stdbool.h>

#include "shim/core/options.h"

bool template_command_is_asked(const struct shim_options *options);
int template_command_run(const struct shim_options *options);
