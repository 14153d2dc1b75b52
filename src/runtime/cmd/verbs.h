/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The verbs of kata-runtime, as the table in main.c lists them: verb_foo() is in oci/foo.c when runc
 * has it, else in admin/foo.c. resume lies beside pause, and restore is checkpoint.
 */
#pragma once

#include "runtime/cli/cli.h"

/*
 * A verb: argv[0] is its name. Returns the exit code, or -errno with @err filled, which ends in
 * exit code 1.
 */
typedef int (*verb_fn)(struct cli *cli, int argc, char **argv, struct err *err);

int verb_check(struct cli *cli, int argc, char **argv, struct err *err);
int verb_checkpoint(struct cli *cli, int argc, char **argv, struct err *err);
int verb_console(struct cli *cli, int argc, char **argv, struct err *err);
int verb_create(struct cli *cli, int argc, char **argv, struct err *err);
int verb_delete(struct cli *cli, int argc, char **argv, struct err *err);
int verb_env(struct cli *cli, int argc, char **argv, struct err *err);
int verb_events(struct cli *cli, int argc, char **argv, struct err *err);
int verb_exec(struct cli *cli, int argc, char **argv, struct err *err);
int verb_features(struct cli *cli, int argc, char **argv, struct err *err);
int verb_iptables(struct cli *cli, int argc, char **argv, struct err *err);
int verb_kill(struct cli *cli, int argc, char **argv, struct err *err);
int verb_list(struct cli *cli, int argc, char **argv, struct err *err);
int verb_metrics(struct cli *cli, int argc, char **argv, struct err *err);
int verb_network(struct cli *cli, int argc, char **argv, struct err *err);
int verb_pause(struct cli *cli, int argc, char **argv, struct err *err);
int verb_ps(struct cli *cli, int argc, char **argv, struct err *err);
int verb_resume(struct cli *cli, int argc, char **argv, struct err *err);
int verb_run(struct cli *cli, int argc, char **argv, struct err *err);
int verb_spec(struct cli *cli, int argc, char **argv, struct err *err);
int verb_start(struct cli *cli, int argc, char **argv, struct err *err);
int verb_state(struct cli *cli, int argc, char **argv, struct err *err);
int verb_timeline(struct cli *cli, int argc, char **argv, struct err *err);
int verb_update(struct cli *cli, int argc, char **argv, struct err *err);
