/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Who may join a sandbox. This is decided here and nowhere else, whatever manager asks.
 */
#pragma once

#include "common/err.h"
#include "oci/grouping.h"
#include "oci/oci_spec.h"

struct sandbox;

/* A container that is to be made; everything is borrowed. */
struct sandbox_candidate {
	const char *id;
	const struct oci_spec *spec; /* validated */
	struct oci_grouping grouping;
	int netns_fd; /* where the process that stands for it is; -1: the spec says where it is */
};

int sandbox_admit(const struct sandbox *sb, const struct sandbox_candidate *candidate,
		  struct err *err) must_check;
