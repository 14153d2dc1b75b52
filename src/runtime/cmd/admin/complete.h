/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Completion of a command line that is being typed, out of the tables that parse it.
 */
#pragma once

#include <stddef.h>

#include "common/str.h"
#include "runtime/cli/cli.h"

void complete_set_verbs(const struct verb *verbs, size_t nr);
int complete_words(struct cli *cli, char **words, size_t nr, struct strbuf *out) must_check;
