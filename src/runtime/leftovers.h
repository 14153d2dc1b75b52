/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What is left of a container when its shim has let go of it, or has died.
 */
#pragma once

#include "runtime/cli.h"
#include "runtime/record.h"

int leftovers_remove(const struct cli *cli, struct record *record, struct err *err) must_check;
int leftovers_remove_orphan(const struct cli *cli, const char *id, struct err *err) must_check;
