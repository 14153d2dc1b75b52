/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The options of "update": each limit is one of them.
 */
#pragma once

#include "oci/oci_spec.h"
#include "runtime/cli/cli.h"

struct arena;

struct update_options {
	const char *id;
	const char *file; /* "-": stdin; the other options are then ignored */
	struct oci_resources resources;
};

int update_options_parse(int argc, char **argv, struct arena *arena, struct update_options *ret,
			 struct err *err) must_check;
int update_parse_size(const char *text, int64_t *ret) must_check;
