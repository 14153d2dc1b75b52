/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The options of "create", which "run" takes too.
 */
#pragma once

#include "runtime/container/container_create.h"

/* What only "run" takes. */
struct run_options {
	bool detach, keep;
};

int create_options_parse(struct cli *cli, int argc, char **argv, struct container_create *c,
			 struct run_options *run, struct err *err) must_check;
