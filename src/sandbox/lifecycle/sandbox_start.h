/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The start of a sandbox.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "common/err.h"
#include "oci/grouping.h"
#include "oci/oci_spec.h"

struct sandbox;

/* How the sandbox is to be; strings are copied. */
struct sandbox_params {
	const char *id;
	const char *state_dir; /* absolute */
	int netns_fd;	       /* taken over; -1: no network */
	bool netns_joined;     /* the spec named it: it is somebody else's */
	/* Of the first container: annotations, resources, hostname. Lives as long as the sandbox. */
	const struct oci_spec *spec;
	enum oci_container_type first_type;
	const char *config_path; /* NULL: search */
	bool systemd_cgroup;
	uint32_t host_pid;    /* what hooks are told; 0: the VMM's */
	const char *first_id; /* of the first container, which a pod need not share; for hooks */
	const char *bundle;   /* for hooks */
};

/* In a fiber. Idempotent: the first caller starts it, later ones wait for the outcome. */
int sandbox_start(struct sandbox *sb, const struct sandbox_params *params,
		  struct err *err) must_check;
