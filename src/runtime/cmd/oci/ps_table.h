/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The table of `kata-runtime ps`: what options of ps(1) ask for, from what the guest tells of its
 * processes. Knows neither shims nor files.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <time.h>

#include "common/err.h"
#include "common/str.h"
#include "rpc/pb/admin_msg.h"

#define PS_COLUMNS_MAX 32
/* USER_HZ on every architecture the guest kernel is built for. */
#define PS_GUEST_TICKS_PER_SEC 100
#define PS_HEADER_MAX 32

struct ps_column_type;

struct ps_column {
	const struct ps_column_type *type;
	char header[PS_HEADER_MAX]; /* "": none */
};

struct ps_table {
	struct ps_column columns[PS_COLUMNS_MAX];
	size_t nr;
	bool no_headers; /* of all columns */
};

/* What turns clock ticks of the guest into times of day. */
struct ps_clock {
	time_t now;
	time_t boot; /* of the guest */
};

int ps_table_parse(struct ps_table *table, char *const *args, size_t nr,
		   struct err *err) must_check;
int ps_table_print(const struct ps_table *table, const struct ps_clock *clock,
		   const struct admin_process *processes, size_t nr, struct strbuf *out) must_check;
