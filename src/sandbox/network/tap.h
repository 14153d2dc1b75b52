/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Host interfaces of ours that carry a guest's frames, and the traffic rules that tie them to the
 * manager's.
 */
#pragma once

#include <stdint.h>

#include "common/err.h"
#include "common/macros.h"

struct nl_sock;

/* struct virtio_net_hdr_mrg_rxbuf, what virtio 1.0 devices use. */
#define TAP_VNET_HDR_LEN 12

/*
 * The process must be in the right network namespace. The interface goes with its last descriptor.
 */
int tap_open(const char *name, unsigned nr_queues, int *fds, struct err *err) must_check;
int tap_open_vhost(unsigned nr_queues, int *fds) must_check;
int tap_set_up(struct nl_sock *sock, int ifindex, unsigned mtu, struct err *err) must_check;
/* Redirects all that arrives on one interface to the other, both ways. */
int tap_mirror(struct nl_sock *sock, int ifindex_a, int ifindex_b, struct err *err) must_check;
/* Bits per second that may leave an interface. */
int tap_limit(struct nl_sock *sock, int ifindex, uint64_t rate, struct err *err) must_check;
void tap_unlimit(struct nl_sock *sock, int ifindex);
/* Takes the rules away from the interface that is not ours. */
void tap_unmirror(struct nl_sock *sock, int ifindex);
/* After a sandbox that could not: only what has our mark. */
void tap_clean(struct nl_sock *sock, int ifindex);
