/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Templates as an administrator sees them. All of these block, and are for a process that does
 * nothing else.
 */
#pragma once

#include "common/err.h"
#include "common/macros.h"
#include "common/str.h"

int template_tool_init(const char *config_path, struct strbuf *out, struct err *err) must_check;
int template_tool_status(const char *config_path, struct strbuf *out, struct err *err) must_check;
int template_tool_list(const char *config_path, struct strbuf *out, struct err *err) must_check;
int template_tool_destroy(const char *config_path, struct strbuf *out, struct err *err) must_check;
