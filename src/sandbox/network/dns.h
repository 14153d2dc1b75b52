/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A manager's name server in the sandbox's network namespace, brought to the guest.
 */
#pragma once

#include "common/err.h"

struct dns_relay;
struct loop;
struct oci_spec;
struct sandbox;

/*
 * In a fiber. Does nothing unless the container's resolv.conf names the server, or when there is a
 * relay.
 */
int dns_relay_serve(struct sandbox *sb, const struct oci_spec *spec, struct err *err) must_check;
/* The sandbox's agent and namespace go. */
void dns_relay_stop(struct sandbox *sb);

int dns_relay_new(struct loop *loop, int guest_fd_consume, int netns_fd_consume,
		  struct dns_relay **ret) must_check;
struct dns_relay *dns_relay_free(struct dns_relay *relay);
