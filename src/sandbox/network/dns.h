/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A manager's name server in the sandbox's network namespace, brought to the guest.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "common/err.h"
#include "common/macros.h"

struct dns_relay;
struct loop;
struct oci_spec;
struct vsock_addr;

bool dns_relay_is_wanted(const struct oci_spec *spec);
/* In a fiber: connects to the guest's agent. */
int dns_relay_dial(struct loop *loop, const struct vsock_addr *vsock, int netns_fd,
		   uint64_t deadline_ns, struct dns_relay **ret, struct err *err) must_check;
/* The same with a connection that there is already. */
int dns_relay_new(struct loop *loop, int guest_fd_consume, int netns_fd_consume,
		  struct dns_relay **ret) must_check;
struct dns_relay *dns_relay_free(struct dns_relay *relay);
