/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What "check" makes of a host; "env" tells its verdict too.
 */
#pragma once

#include <stdbool.h>

#include "common/str.h"
#include "config/config.h"
#include "runtime/cmd/admin/host.h"

int check_report(const struct config *config, const struct host *host, struct strbuf *out,
		 bool *ret_capable) must_check;
