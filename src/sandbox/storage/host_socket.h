/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Sockets of the host that a sandbox's containers may connect to.
 */
#pragma once

#include "common/err.h"
#include "oci/oci_spec.h"

struct sandbox;
struct sb_container;

/*
 * In a fiber. A bind mount whose source is a socket becomes a mount of the guest's socket, if the
 * configuration allows that.
 */
int host_socket_offer(struct sb_container *ctr, struct oci_mount *mount,
		      struct err *err) must_check;
void host_socket_stop(struct sandbox *sb);
