/* SPDX-License-Identifier: Apache-2.0 */
/*
 * macvtap: an interface of ours upon the manager's, which hands its frames to us instead of the
 * host's network stack.
 */
#pragma once

#include "common/err.h"
#include "common/macros.h"

struct nl_sock;

/*
 * The process must be in the right network namespace. Unlike a tap it stays until macvtap_delete().
 */
int macvtap_open(struct nl_sock *sock, int lower, const char *name, unsigned nr_queues, int *fds,
		 struct err *err) must_check;
void macvtap_delete(struct nl_sock *sock, int ifindex);
