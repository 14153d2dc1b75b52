/* SPDX-License-Identifier: Apache-2.0 */
/*
 * One stream between the guest and a process of the host: a vsock connection on one side, a
 * connected unix socket on the other.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>
#include <sys/uio.h>

#include "common/list.h"
#include "common/loop.h"
#include "common/macros.h"
#include "proxy/vsock/fifo.h"
#include "proxy/vsock/packet.h"

struct proxy;

/*
 * enum vconn_state - the life of a connection
 *
 * VCONN_HELLO: a client of the unix socket whose request line is being read. It has no ports and
 *	the guest does not know it. Leaves to WAITING (hybrid.c) or DEAD.
 * VCONN_WAITING: has ports and stands in proxy->waiting until the device runs, or, when it asked to
 *	wait for a listener, until it tries again. Nothing is read from the client; its hang-up is
 *	watched. Leaves to CONNECTING.
 * VCONN_CONNECTING: REQUEST is sent or stands in line (SEND_REQUEST). Leaves to ESTABLISHED on
 *	RESPONSE, on RST to WAITING or DEAD.
 * VCONN_ESTABLISHED: data flows. The halves end independently: shut_recv are those the guest ended,
 *	shut_sent those it was told of. A connection the guest made starts here with SEND_RESPONSE.
 * VCONN_CLOSING: the client is gone and the guest knows; waits for its RST, not for ever. fd is
 *	closed.
 * VCONN_FLUSHING: the guest is gone and the connection is not in the table any more: its ports may
 *	be in use again. What the guest sent before is written to the client, then it dies.
 * VCONN_DEAD: holds nothing and waits for its memory to be released by proxy_reap(). No field may
 *	be used; callbacks that still hold a pointer look at the state and return.
 */
enum vconn_state {
	VCONN_HELLO,
	VCONN_WAITING,
	VCONN_CONNECTING,
	VCONN_ESTABLISHED,
	VCONN_CLOSING,
	VCONN_FLUSHING,
	VCONN_DEAD,
};

/* Packets that stand in line for the guest, beside data. */
enum vconn_send {
	VCONN_SEND_REQUEST = 1,
	VCONN_SEND_RESPONSE = 2,
	VCONN_SEND_SHUTDOWN = 4,
	VCONN_SEND_CREDIT = 8,
	VCONN_SEND_CREDIT_REQUEST = 16,
};

/* "CONNECT 4294967294 wait\n" has 24 bytes. */
#define VCONN_HELLO_MAX 32

struct vconn;

/* What comes before the guest has accepted; a connection that the guest made has none of it. */
struct vconn_client_ops {
	void (*hello)(struct vconn *c); /* VCONN_HELLO: the client has sent something */
	void (*retry)(struct vconn *c); /* VCONN_WAITING: time to ask the guest again */
};

struct vconn {
	struct proxy *px;
	const struct vconn_client_ops *client_ops; /* NULL: the guest made it */
	enum vconn_state state;
	struct list all;     /* proxy->conns, later proxy->dead */
	struct list ready;   /* proxy->ready: has something for the guest */
	struct list waiting; /* proxy->waiting */
	struct vconn *hash_next;
	uint32_t host_port, guest_port;
	bool in_table;

	int fd; /* owned, -1 when closed */
	struct loop_source *io, *timer;
	unsigned io_events; /* what io watches now */
	bool hup_watched;
	bool readable; /* the client sent something that was not read yet, or ended */
	bool blocked;  /* and it could not be delivered: the client is not watched */
	bool eof;      /* the client will send no more */
	bool deaf;     /* the client reads no more: what the guest sends is dropped */
	bool wait;     /* the client asked to wait for a listener */
	unsigned backoff_ms;
	char hello[VCONN_HELLO_MAX];
	unsigned hello_len;

	unsigned send;				  /* enum vconn_send */
	unsigned shut_want, shut_sent, shut_recv; /* VIRTIO_VSOCK_SHUTDOWN_* */
	/*
	 * Guest to host: what we allow, got and passed on, and the last count the guest was told.
	 */
	uint32_t buf_alloc, rx_cnt, fwd_cnt, fwd_told;
	/* Host to guest: what the guest allows and passed on, and what we sent. */
	uint32_t peer_buf_alloc, peer_fwd_cnt, tx_cnt;
	bool credit_asked;
	struct fifo fifo; /* guest to host, not yet written */
};

/* vconn.c: life */
struct vconn *vconn_new(struct proxy *px, int fd_consume, enum vconn_state state,
			const struct vconn_client_ops *client_ops) must_check;
void vconn_insert(struct vconn *c, uint32_t host_port, uint32_t guest_port);
struct vconn *vconn_find(const struct proxy *px, uint32_t host_port, uint32_t guest_port);
void vconn_kill(struct vconn *c);
void vconn_reset(struct vconn *c);
void vconn_guest_gone(struct vconn *c);
void vconn_closing(struct vconn *c);
void vconn_mark(struct vconn *c, unsigned send);
int vconn_set_timer(struct vconn *c, uint64_t ms) must_check;
void vconn_stop_timer(struct vconn *c);
/* vconn_io.c: the client's side */
void vconn_on_io(void *arg, unsigned events);
void vconn_update_io(struct vconn *c);
void vconn_on_hup(struct vconn *c);
uint32_t vconn_credit(const struct vconn *c);
void vconn_see_credit(struct vconn *c, const struct packet *pkt);
ssize_t vconn_read(struct vconn *c, const struct iovec *iov, unsigned nr, size_t len) must_check;
void vconn_write(struct vconn *c, const struct iovec *iov, unsigned nr, uint32_t len);
void vconn_guest_shutdown(struct vconn *c, unsigned flags);
