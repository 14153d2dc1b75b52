/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Feeds kata-proxy a hypervisor: messages whole through vhost_handle(), or, when the first byte is
 * odd, as a byte stream through the socket. A message of the input is
 *
 *	request | flags and shape | descriptors | payload, as long as the request usually has
 *
 * where the shape may replace the payload by one that makes sense, so that deeper states are
 * reached.
 */
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <unistd.h>

#include "common/fd.h"
#include "common/log.h"
#include "faults.h"
#include "proxy/vsock/proxy.h"

#define MEM_SIZE 0x20000u
#define UVA 0x100000u

/* Not of the protocol: the call of that number fails from here on. */
#define REQUEST_FAULT 0xfe

enum { SHAPE_RAW_SIZE = 0x10, SHAPE_SENSIBLE = 0x20, SHAPE_EVENTFD = 0x40 };

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static struct loop *loop;
static int memfd, event;

static void setup(void)
{
	if (loop)
		return;
	log_init("fuzz", -1, LOG_FORMAT_PLAIN, LOG_LEVEL_ERROR);
	memfd = memfd_create("guest", MFD_CLOEXEC);
	event = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	if (loop_new(&loop) < 0 || ftruncate(memfd, 2L * MEM_SIZE) < 0)
		abort();
}

static void on_end(void *arg)
{
	loop_exit(arg, 0);
}

static void run_loop(void)
{
	struct loop_source *timer;

	bool before = faults_hold(true);
	if (loop_add_timer(loop, 0, on_end, loop, &timer) < 0)
		abort();
	(void)faults_hold(before);
	(void)loop_run(loop);
	(void)loop_source_free(timer);
}

static void make_sensible(struct vhost_msg *msg, uint8_t which)
{
	union vhost_payload *p = &msg->payload;
	/* One of two that lie side by side, or one that is in another's place. */
	struct vhost_mem_region region = {
		.gpa = which & 1 ? MEM_SIZE : 0,
		.size = MEM_SIZE,
		.uva = which & 1 ? UVA + MEM_SIZE : UVA,
		.offset = which & 2 ? MEM_SIZE : 0,
	};

	switch (msg->header.request) {
	case VHOST_SET_MEM_TABLE:
		p->table.nr = 1;
		p->table.regions[0] = region;
		msg->header.size = 40;
		break;
	case VHOST_ADD_MEM_REG:
	case VHOST_REM_MEM_REG:
		p->mem.region = region;
		break;
	case VHOST_SET_VRING_ADDR:
		p->addr.index = which & 1;
		p->addr.desc = UVA;
		p->addr.avail = UVA + 0x8000;
		p->addr.used = UVA + 0x10000;
		break;
	case VHOST_SET_VRING_NUM:
		p->state.index = which & 1;
		p->state.num = 64;
		break;
	case VHOST_SET_VRING_ENABLE:
		p->state.index = which & 1;
		p->state.num = which >> 1 & 1;
		break;
	case VHOST_SET_FEATURES:
		p->u64 &= 0x170000000ull;
		break;
	case VHOST_SET_PROTOCOL_FEATURES:
		p->u64 &= 0x8209;
		break;
	default:
		p->u64 &= 0x3; /* the index of a ring */
		break;
	}
}

static uint32_t usual_size(uint32_t request)
{
	switch (request) {
	case VHOST_SET_FEATURES:
	case VHOST_SET_PROTOCOL_FEATURES:
	case VHOST_SET_VRING_NUM:
	case VHOST_SET_VRING_BASE:
	case VHOST_GET_VRING_BASE:
	case VHOST_SET_VRING_KICK:
	case VHOST_SET_VRING_CALL:
	case VHOST_SET_VRING_ERR:
	case VHOST_SET_VRING_ENABLE:
		return 8;
	case VHOST_SET_VRING_ADDR:
	case VHOST_ADD_MEM_REG:
	case VHOST_REM_MEM_REG:
	case VHOST_SET_MEM_TABLE:
		return 40;
	case VHOST_GET_CONFIG:
	case VHOST_SET_CONFIG:
		return 20;
	default:
		return 0;
	}
}

static void feed_messages(struct vhost *vh, const uint8_t *data, size_t size)
{
	while (size >= 3) {
		struct vhost_msg msg = { .header = { .request = data[0], .flags = data[1] & 0xf } };
		struct err err = ERR_NULL;
		uint8_t shape = data[1], fds = data[2] & 0xf;

		data += 3;
		size -= 3;
		if (msg.header.request == REQUEST_FAULT) {
			faults_arm(shape);
			continue;
		}
		msg.header.size = usual_size(msg.header.request);
		if ((shape & SHAPE_RAW_SIZE) && size) {
			msg.header.size = *data; /* at most 255: fits */
			data++;
			size--;
		}
		size_t n = MIN(size, (size_t)msg.header.size);
		memcpy(&msg.payload, data, n);
		data += n;
		size -= n;
		if (shape & SHAPE_SENSIBLE)
			make_sensible(&msg, fds >> 2);
		for (; msg.nr_fds < MIN(fds, VHOST_FDS_MAX); msg.nr_fds++)
			msg.fds[msg.nr_fds] = dup(shape & SHAPE_EVENTFD ? event : memfd);
		if (vhost_handle(vh, &msg, &err) < 0)
			return;
		run_loop();
	}
}

static void feed_stream(struct vhost *vh, const uint8_t *data, size_t size)
{
	struct err err = ERR_NULL;
	int pair[2], fds[2] = { memfd, event };

	if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0, pair) < 0)
		abort();
	if (vhost_attach(vh, pair[1], &err) < 0 && !faults_hit())
		abort();
	while (size && vh->fd >= 0) {
		size_t n = MIN(size, (size_t)(data[0] & 0x3f) + 1);

		(void)!fd_send_msg(pair[0], data, n, fds, data[0] >> 6 & 1);
		data += n;
		size -= n;
		run_loop();
	}
	(void)close(pair[0]);
	run_loop();
	vhost_detach(vh);
	(void)close(pair[1]);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct proxy_config config = { .cid = 3, .listen_fd = -1 };
	struct err err = ERR_NULL;
	struct proxy *px;

	faults_arm(0);
	setup();
	if (!size)
		return 0;
	if (proxy_new(loop, &config, &px, &err) < 0)
		abort();
	if (data[0] & 1)
		feed_stream(&px->vhost, data + 1, size - 1);
	else
		feed_messages(&px->vhost, data + 1, size - 1);
	faults_arm(0);
	(void)proxy_free(px);
	return 0;
}
