/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A JSON document printed as TOML.
 */
#pragma once

#include "common/json.h"

int toml_write(const struct json *doc, struct strbuf *out) must_check;
