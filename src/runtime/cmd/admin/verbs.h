/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The verbs that are our own: verb_foo() is in foo.c.
 */
#pragma once

#include "runtime/cli/cli.h"

int verb_check(struct cli *cli, int argc, char **argv, struct err *err);
int verb_complete(struct cli *cli, int argc, char **argv, struct err *err);
int verb_completion(struct cli *cli, int argc, char **argv, struct err *err);
int verb_configure(struct cli *cli, int argc, char **argv, struct err *err);
int verb_console(struct cli *cli, int argc, char **argv, struct err *err);
int verb_env(struct cli *cli, int argc, char **argv, struct err *err);
int verb_factory(struct cli *cli, int argc, char **argv, struct err *err);
int verb_iptables(struct cli *cli, int argc, char **argv, struct err *err);
int verb_metrics(struct cli *cli, int argc, char **argv, struct err *err);
int verb_network(struct cli *cli, int argc, char **argv, struct err *err);
int verb_security(struct cli *cli, int argc, char **argv, struct err *err);
int verb_timeline(struct cli *cli, int argc, char **argv, struct err *err);
