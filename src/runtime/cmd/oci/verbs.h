/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The verbs that runc has: verb_foo() is in foo.c, but resume lies beside pause, and restore is
 * checkpoint.
 */
#pragma once

#include "runtime/cli/cli.h"

int verb_checkpoint(struct cli *cli, int argc, char **argv, struct err *err);
int verb_create(struct cli *cli, int argc, char **argv, struct err *err);
int verb_delete(struct cli *cli, int argc, char **argv, struct err *err);
int verb_events(struct cli *cli, int argc, char **argv, struct err *err);
int verb_exec(struct cli *cli, int argc, char **argv, struct err *err);
int verb_features(struct cli *cli, int argc, char **argv, struct err *err);
int verb_kill(struct cli *cli, int argc, char **argv, struct err *err);
int verb_list(struct cli *cli, int argc, char **argv, struct err *err);
int verb_pause(struct cli *cli, int argc, char **argv, struct err *err);
int verb_ps(struct cli *cli, int argc, char **argv, struct err *err);
int verb_resume(struct cli *cli, int argc, char **argv, struct err *err);
int verb_run(struct cli *cli, int argc, char **argv, struct err *err);
int verb_spec(struct cli *cli, int argc, char **argv, struct err *err);
int verb_start(struct cli *cli, int argc, char **argv, struct err *err);
int verb_state(struct cli *cli, int argc, char **argv, struct err *err);
int verb_update(struct cli *cli, int argc, char **argv, struct err *err);
