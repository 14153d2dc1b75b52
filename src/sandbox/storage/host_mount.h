/* SPDX-License-Identifier: Apache-2.0 */
/*
 * File systems that are mounted on the host, in the shim's own mount namespace, to be shared.
 */
#pragma once

#include <stdbool.h>

#include "common/arena.h"
#include "common/err.h"

struct oci_mount;
struct sandbox;

int host_mount(const char *source, const char *type, const struct strv *options,
	       const char *target) must_check;
bool host_mount_is_for(const struct oci_mount *mount);
/* A descriptor of a detached mount, as share_open() returns them. */
int host_mount_open(const struct sandbox *sb, const struct oci_mount *mount,
		    struct err *err) must_check;
bool host_mount_option_is_of_guest(const char *option);
