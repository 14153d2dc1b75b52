/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The switch between the rings of the vsock device and the unix sockets of the host.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "common/err.h"
#include "common/list.h"
#include "common/loop.h"
#include "proxy/vhost/vhost.h"
#include "proxy/vsock/packet.h"
#include "proxy/vsock/vconn.h"

#define PROXY_CONNS_MAX 4096
#define PROXY_HASH_SIZE 512
/* Answers to packets of no connection that may stand in line before we stop taking packets. */
#define PROXY_REPLIES_HIGH 128
/* Every connection may leave one as well. */
#define PROXY_REPLIES_MAX (PROXY_REPLIES_HIGH + PROXY_CONNS_MAX)
#define PROXY_PREFIX_MAX 90
/* Ports we give to connections of the host; guests connect to lower ones. */
#define PROXY_PORT_FIRST 0x40000000u
#define PROXY_PORT_LAST 0x7fffffffu

/* An RST without a connection. */
struct proxy_reply {
	uint64_t src_cid;
	uint32_t src_port, dst_port;
	uint16_t type;
};

struct proxy_config {
	uint64_t cid;
	int listen_fd; /* -1 for none; borrowed */
	/* guest port N is the socket "<prefix>N" in the working directory; NULL: none */
	const char *port_prefix;
	unsigned max_conns;	     /* 0: PROXY_CONNS_MAX */
	uint64_t connect_timeout_ms; /* 0: the default */
};

struct proxy {
	struct loop *loop;
	struct vhost vhost;
	uint64_t cid;
	char port_prefix[PROXY_PREFIX_MAX];
	unsigned max_conns;
	uint64_t connect_timeout_ms;
	bool running;	      /* the device is */
	bool from_guest_held; /* its ring waits until answers are sent */
	bool ended;	      /* the hypervisor is gone: what is left is flushed */
	int exit_code;

	struct list conns, ready, waiting, dead;
	unsigned nr_conns;
	struct vconn *hash[PROXY_HASH_SIZE];
	uint32_t next_port;
	bool ports_wrapped; /* next_port went round: it may be in use */

	struct loop_source *to_guest, *from_guest, *reap; /* triggers */
	struct loop_source *linger;			  /* timer of the end */
	struct loop_source *idle;			  /* timer; armed while something happens */
	bool idle_armed;
	struct loop_source *taken; /* timer; armed while the guest is to hear of packets taken */
	bool taken_armed;
	unsigned long activity, activity_seen;
	int hup_fd; /* epoll of its own, see vconn_io.c */
	struct loop_source *hup;
	int listen_fd;
	struct loop_source *listener, *listen_pause;

	unsigned nr_replies, first_reply;
	struct proxy_reply replies[PROXY_REPLIES_MAX];
	struct vq_chain chain; /* scratch of the two ring functions */
};

int proxy_new(struct loop *loop, const struct proxy_config *config, struct proxy **ret,
	      struct err *err) must_check;
struct proxy *proxy_free(struct proxy *px);
void proxy_reap(struct proxy *px);
void proxy_active(struct proxy *px);
void proxy_ring_failed(struct proxy *px, unsigned ring, int r);
void proxy_reply_rst(struct proxy *px, const struct proxy_reply *reply);
