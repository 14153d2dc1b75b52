/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What reading files and applying annotations share. Private to src/config.
 */
#pragma once

#include "config/config.h"

int config_complete(struct config *config, struct err *err) must_check;
