/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What is left of a container when its shim has let go of it, or has died.
 */
#pragma once

#include "runtime/cli/cli.h"
#include "runtime/shim/session.h"
#include "runtime/state/record.h"

int container_cleanup(const struct cli *cli, struct record *record, struct err *err) must_check;
int container_cleanup_sandbox(const struct cli *cli, struct session *s, struct err *err) must_check;
int container_cleanup_orphan(const struct cli *cli, const char *id, struct err *err) must_check;
