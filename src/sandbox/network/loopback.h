/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The loopback of a pod's network namespace leads to the guest's.
 */
#pragma once

#include "common/err.h"

struct loop;
struct loopback;
struct vsock_addr;

/* In a fiber. @err says why a host cannot do it; the sandbox works without. */
int loopback_new(struct loop *loop, const struct vsock_addr *vsock, int netns_fd,
		 struct loopback **ret, struct err *err) must_check;
struct loopback *loopback_free(struct loopback *lb);
