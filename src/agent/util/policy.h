/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What the agent does for its host: rules in words, see docs/agent.md.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>

#include "common/err.h"

#define POLICY_TEXT_MAX 1024

struct policy {
	char text[POLICY_TEXT_MAX]; /* lists, each of which must allow; "" allows everything */
	bool broken;		    /* could not be understood: nothing is allowed */
};

int policy_add(struct policy *policy, const char *rules, struct err *err) must_check;
bool policy_allows(const struct policy *policy, const char *request) must_check;
bool policy_matches(const struct policy *policy, const char *field, const char *value) must_check;
/* Calls @known for each request that is named. */
int policy_check_names(const struct policy *policy, bool (*known)(const char *name),
		       struct err *err) must_check;
