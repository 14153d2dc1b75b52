/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What hooks read on stdin, what `state` prints and what `list` prints of each container.
 */
#pragma once

#include <stddef.h>
#include <stdint.h>

#include "common/arena.h"
#include "common/err.h"
#include "common/json.h"
#include "oci/oci_spec.h"

/* The document of the state verb: the specification's state and the fields runc adds to it. */
struct oci_container_info {
	struct oci_state state;
	const char *rootfs;  /* on the host */
	const char *created; /* RFC 3339 with nanoseconds */
	const char *owner;   /* user name; "" when unknown */
};

int oci_state_format(const struct oci_state *state, struct strbuf *out) must_check;
int oci_state_parse_for_test(const char *data, size_t len, const char *name, struct arena *arena,
			     struct oci_state **ret, struct err *err) must_check;
void oci_container_info_write(struct json_writer *w, const struct oci_container_info *info);
int oci_time_format(int64_t sec, uint32_t nsec, char *buf, size_t size) must_check;
