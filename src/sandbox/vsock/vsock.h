/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Dialling a port of the guest: over kernel vsock, or over a unix socket with the CONNECT handshake
 * (hybrid vsock, what kata-proxy, Firecracker and Cloud Hypervisor offer).
 */
#pragma once

#include <stdint.h>

#include "common/err.h"
#include "common/macros.h"
#include "kata/guest.h"

enum vsock_kind { VSOCK_KERNEL, VSOCK_HYBRID };

struct vsock_addr {
	enum vsock_kind kind;
	uint32_t cid;	  /* VSOCK_KERNEL */
	const char *path; /* VSOCK_HYBRID: unix socket; may be "/proc/self/fd/<dirfd>/<name>" */
	const struct kata_secret *secret; /* each connection begins with it; NULL: there is none */
};

/*
 * In a fiber. -ECONNREFUSED or -ECONNRESET: nobody listens (yet). *ret_local_port (may be NULL) is
 * the number by which the guest sees this end. Return: a connected non-blocking descriptor, or
 * -errno.
 */
int vsock_dial(const struct vsock_addr *addr, uint32_t port, uint64_t deadline_ns,
	       uint32_t *ret_local_port, struct err *err) must_check;
/* The same, but where the transport can it waits for a listener instead of failing. */
int vsock_dial_wait(const struct vsock_addr *addr, uint32_t port, uint64_t deadline_ns,
		    uint32_t *ret_local_port, struct err *err) must_check;
int vsock_secret_new(struct kata_secret *ret) must_check;
/*
 * Opens /dev/vhost-vsock and claims a free CID. Return: the descriptor for struct vm_vsock, or
 * -errno.
 */
int vsock_claim_cid(uint32_t *ret_cid, struct err *err) must_check;
