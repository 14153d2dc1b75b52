/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Making a container, up to the point where its program could run.
 */
#pragma once

#include <stddef.h>
#include <stdint.h>

#include "common/arena.h"
#include "common/err.h"
#include "oci/grouping.h"
#include "sandbox/core/process.h"

struct containerd_mount;
struct sandbox;
struct sb_container;

/* How a container comes into being; everything is borrowed for the call. */
struct sb_container_params {
	const char *id;
	const char *bundle;		       /* absolute path */
	const struct oci_spec *spec;	       /* validated; read from the bundle once */
	struct arena *arena;		       /* holds spec; taken over, also on failure. NULL: it
						* lives as long as the sandbox */
	struct oci_grouping grouping;	       /* what spec says of its pod */
	struct sb_process_io io;	       /* taken over, also on failure */
	uint32_t host_pid;		       /* of the stand-in; 0: the VMM's */
	void *user;			       /* stored in the first process */
	const struct containerd_mount *rootfs; /* to be mounted at the bundle's rootfs first */
	size_t nr_rootfs;
};

/* In a fiber. Returns with the new container's lock held. */
int sb_container_create(struct sandbox *sb, const struct sb_container_params *params,
			struct sb_container **ret, struct err *err) must_check;
