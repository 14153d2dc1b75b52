/* SPDX-License-Identifier: Apache-2.0 */
/*
 * vhost-user requests: one small function for each, and the table that says what a request must
 * look like. Size and number of descriptors are checked here before a function sees the message;
 * reading from the socket is elsewhere.
 */
#include <endian.h>
#include <linux/virtio_config.h>
#include <linux/virtio_ring.h>
#include <string.h>

#include "common/fd.h"
#include "common/log.h"
#include "proxy/vhost/vhost.h"

#define BIT(n) (1ULL << (n))
#define OFFERED_FEATURES                                            \
	(BIT(VIRTIO_F_VERSION_1) | BIT(VHOST_F_PROTOCOL_FEATURES) | \
	 BIT(VIRTIO_RING_F_INDIRECT_DESC) | BIT(VIRTIO_RING_F_EVENT_IDX))
#define OFFERED_PROTOCOL_FEATURES                                     \
	(BIT(VHOST_PROTOCOL_F_MQ) | BIT(VHOST_PROTOCOL_F_REPLY_ACK) | \
	 BIT(VHOST_PROTOCOL_F_CONFIG) | BIT(VHOST_PROTOCOL_F_CONFIGURE_MEM_SLOTS))

struct request {
	const char *name;
	int (*fn)(struct vhost *vh, struct vhost_msg *msg, struct err *err);
	uint16_t min_size, max_size;
	uint8_t max_fds;
	bool answers; /* whether or not the peer asks for an acknowledgement */
};

static int answer_u64(struct vhost_msg *msg, uint64_t value)
{
	msg->payload.u64 = value;
	msg->header.size = sizeof(msg->payload.u64);
	return 0;
}

static int take_fd(struct vhost_msg *msg, unsigned i)
{
	int fd = msg->fds[i];

	msg->fds[i] = -1;
	return fd;
}

static int get_features(struct vhost *vh, struct vhost_msg *msg, struct err *err)
{
	(void)vh;
	(void)err;
	return answer_u64(msg, OFFERED_FEATURES);
}

static int set_features(struct vhost *vh, struct vhost_msg *msg, struct err *err)
{
	uint64_t extra = msg->payload.u64 & ~OFFERED_FEATURES;

	if (extra)
		return err_set(err, EINVAL, "features 0x%llx were not offered",
			       (unsigned long long)extra);
	vh->features = msg->payload.u64;
	return 0;
}

static int set_owner(struct vhost *vh, struct vhost_msg *msg, struct err *err)
{
	(void)msg;
	if (vh->owned)
		return err_set(err, EBUSY,
			       "the device has an owner; reconnecting is not supported");
	vh->owned = true;
	return 0;
}

static int reset_owner(struct vhost *vh, struct vhost_msg *msg, struct err *err)
{
	(void)msg;
	(void)err;
	vhost_reset(vh);
	return 0;
}

static struct gmem_layout to_layout(const struct vhost_mem_region *r)
{
	return (struct gmem_layout){
		.gpa = r->gpa, .size = r->size, .uva = r->uva, .offset = r->offset
	};
}

static int set_mem_table(struct vhost *vh, struct vhost_msg *msg, struct err *err)
{
	struct gmem mem = GMEM_NULL;
	uint32_t nr = msg->payload.table.nr;

	if (nr > VHOST_MEM_TABLE_MAX ||
	    msg->header.size != 8 + nr * sizeof(struct vhost_mem_region) || msg->nr_fds != nr)
		return err_set(err, EPROTO, "%u regions in %u bytes with %u descriptors", nr,
			       msg->header.size, msg->nr_fds);
	for (uint32_t i = 0; i < nr; i++) {
		struct gmem_layout layout = to_layout(&msg->payload.table.regions[i]);
		int r = gmem_add(&mem, &layout, msg->fds[i], err);

		if (r < 0) {
			gmem_deinit(&mem);
			return r;
		}
	}
	vhost_set_memory(vh, &mem);
	return 0;
}

static int get_max_mem_slots(struct vhost *vh, struct vhost_msg *msg, struct err *err)
{
	(void)vh;
	(void)err;
	return answer_u64(msg, GMEM_REGIONS_MAX);
}

static int add_mem_reg(struct vhost *vh, struct vhost_msg *msg, struct err *err)
{
	struct gmem_layout layout = to_layout(&msg->payload.mem.region);

	if (msg->nr_fds != 1)
		return err_set(err, EPROTO, "%u descriptors instead of one", msg->nr_fds);
	int r = gmem_add(&vh->mem, &layout, msg->fds[0], err);
	if (r == 0)
		vhost_memory_changed(vh);
	return r;
}

static int rem_mem_reg(struct vhost *vh, struct vhost_msg *msg, struct err *err)
{
	struct gmem_layout layout = to_layout(&msg->payload.mem.region);
	int r = gmem_remove(&vh->mem, &layout, err);

	if (r == 0)
		vhost_memory_changed(vh);
	return r;
}

static int check_ring(uint64_t index, struct err *err)
{
	if (index >= VHOST_NR_RINGS)
		return err_set(err, EINVAL, "there is no ring %llu", (unsigned long long)index);
	return 0;
}

/* Number, base and addresses belong to a stopped ring. */
static int check_stopped(const struct vhost *vh, uint32_t index, struct err *err)
{
	int r = check_ring(index, err);

	if (r == 0 && vh->rings[index].kick_fd >= 0)
		return err_set(err, EBUSY, "ring %u is running", index);
	return r;
}

static int set_vring_num(struct vhost *vh, struct vhost_msg *msg, struct err *err)
{
	uint32_t num = msg->payload.state.num;
	int r = check_stopped(vh, msg->payload.state.index, err);

	if (r < 0)
		return r;
	if (!num || num > VQ_NUM_MAX || (num & (num - 1)))
		return err_set(err, EINVAL, "a ring of %u descriptors", num);
	vh->rings[msg->payload.state.index].num = (uint16_t)num;
	return 0;
}

static int set_vring_addr(struct vhost *vh, struct vhost_msg *msg, struct err *err)
{
	int r = check_stopped(vh, msg->payload.addr.index, err);

	if (r < 0)
		return r;
	struct vq *vq = &vh->rings[msg->payload.addr.index];
	vq->desc_uva = msg->payload.addr.desc;
	vq->avail_uva = msg->payload.addr.avail;
	vq->used_uva = msg->payload.addr.used;
	vq->addr_set = true;
	return 0;
}

static int set_vring_base(struct vhost *vh, struct vhost_msg *msg, struct err *err)
{
	int r = check_stopped(vh, msg->payload.state.index, err);

	if (r < 0)
		return r;
	if (msg->payload.state.num > UINT16_MAX)
		return err_set(err, EINVAL, "a ring index of %u", msg->payload.state.num);
	vh->rings[msg->payload.state.index].last_avail = (uint16_t)msg->payload.state.num;
	return 0;
}

static int get_vring_base(struct vhost *vh, struct vhost_msg *msg, struct err *err)
{
	int r = check_ring(msg->payload.state.index, err);

	if (r < 0)
		return r;
	msg->payload.state.num = vhost_stop_ring(vh, msg->payload.state.index);
	msg->header.size = sizeof(msg->payload.state);
	return 0;
}

/* The three requests that give a ring a descriptor: checks them and takes it, -1 for none. */
static int take_ring_fd(struct vhost_msg *msg, unsigned *ret_ring, int *ret_fd, struct err *err)
{
	bool none = msg->payload.u64 & VHOST_VRING_NO_FD;
	uint64_t index = msg->payload.u64 & VHOST_VRING_INDEX_MASK;
	int r = check_ring(index, err);

	if (r < 0)
		return r;
	if (msg->nr_fds != (none ? 0 : 1))
		return err_set(err, EPROTO, "%u descriptors", msg->nr_fds);
	if (!none) {
		r = fd_set_nonblock(msg->fds[0], true);
		if (r < 0)
			return err_set_errno(err, r, "fcntl");
	}
	*ret_ring = (unsigned)index;
	*ret_fd = none ? -1 : take_fd(msg, 0);
	return 0;
}

static int set_vring_kick(struct vhost *vh, struct vhost_msg *msg, struct err *err)
{
	unsigned ring;
	int fd, r = take_ring_fd(msg, &ring, &fd, err);

	if (r < 0)
		return r;
	if (fd < 0)
		return err_set(err, EOPNOTSUPP, "not supported: a ring that must be polled");
	return vhost_set_kick(vh, ring, fd, err);
}

static int set_vring_call(struct vhost *vh, struct vhost_msg *msg, struct err *err)
{
	unsigned ring;
	int fd, r = take_ring_fd(msg, &ring, &fd, err);

	if (r < 0)
		return r;
	(void)fd_close(vh->rings[ring].call_fd);
	vh->rings[ring].call_fd = fd;
	/* What was pushed while the descriptor was exchanged would else go unnoticed. */
	if (vh->running)
		vq_signal(&vh->rings[ring]);
	return 0;
}

static int set_vring_err(struct vhost *vh, struct vhost_msg *msg, struct err *err)
{
	unsigned ring;
	int fd, r = take_ring_fd(msg, &ring, &fd, err);

	if (r < 0)
		return r;
	(void)fd_close(vh->rings[ring].err_fd);
	vh->rings[ring].err_fd = fd;
	return 0;
}

static int set_vring_enable(struct vhost *vh, struct vhost_msg *msg, struct err *err)
{
	int r = check_ring(msg->payload.state.index, err);

	if (r < 0)
		return r;
	vh->rings[msg->payload.state.index].enabled = msg->payload.state.num != 0;
	vhost_update(vh);
	return 0;
}

static int get_protocol_features(struct vhost *vh, struct vhost_msg *msg, struct err *err)
{
	(void)vh;
	(void)err;
	return answer_u64(msg, OFFERED_PROTOCOL_FEATURES);
}

static int set_protocol_features(struct vhost *vh, struct vhost_msg *msg, struct err *err)
{
	uint64_t extra = msg->payload.u64 & ~OFFERED_PROTOCOL_FEATURES;

	if (extra)
		return err_set(err, EINVAL, "protocol features 0x%llx were not offered",
			       (unsigned long long)extra);
	vh->protocol_features = msg->payload.u64;
	return 0;
}

static int get_queue_num(struct vhost *vh, struct vhost_msg *msg, struct err *err)
{
	(void)vh;
	(void)err;
	return answer_u64(msg, VHOST_NR_RINGS);
}

static int get_config(struct vhost *vh, struct vhost_msg *msg, struct err *err)
{
	uint32_t offset = msg->payload.config.offset, size = msg->payload.config.size;

	if (msg->header.size < VHOST_CONFIG_HEADER_LEN + (size_t)size)
		return err_set(err, EPROTO, "%u bytes of configuration in a message of %u", size,
			       msg->header.size);
	if (offset > sizeof(vh->config_le) || size > sizeof(vh->config_le) - offset) {
		msg->header.size = 0; /* the protocol's way to say no */
		return 0;
	}
	memcpy(msg->payload.config.data, (const uint8_t *)&vh->config_le + offset, size);
	msg->header.size = VHOST_CONFIG_HEADER_LEN + size;
	return 0;
}

static int set_config(struct vhost *vh, struct vhost_msg *msg, struct err *err)
{
	(void)vh;
	(void)msg;
	return err_set(err, EROFS, "the configuration of a vsock device cannot be written");
}

#define STATE_LEN 8
#define ADDR_LEN 40
#define REGION_LEN 40
#define PAYLOAD_LEN sizeof(union vhost_payload)

static const struct request requests[VHOST_REQUEST_MAX] = {
	[VHOST_GET_FEATURES] = { "GET_FEATURES", get_features, 0, 0, 0, true },
	[VHOST_SET_FEATURES] = { "SET_FEATURES", set_features, 8, 8, 0, false },
	[VHOST_SET_OWNER] = { "SET_OWNER", set_owner, 0, 0, 0, false },
	[VHOST_RESET_OWNER] = { "RESET_OWNER", reset_owner, 0, 0, 0, false },
	[VHOST_SET_MEM_TABLE] = { "SET_MEM_TABLE", set_mem_table, 8, PAYLOAD_LEN, VHOST_FDS_MAX,
				  false },
	[VHOST_SET_VRING_NUM] = { "SET_VRING_NUM", set_vring_num, STATE_LEN, STATE_LEN, 0, false },
	[VHOST_SET_VRING_ADDR] = { "SET_VRING_ADDR", set_vring_addr, ADDR_LEN, ADDR_LEN, 0, false },
	[VHOST_SET_VRING_BASE] = { "SET_VRING_BASE", set_vring_base, STATE_LEN, STATE_LEN, 0,
				   false },
	[VHOST_GET_VRING_BASE] = { "GET_VRING_BASE", get_vring_base, STATE_LEN, STATE_LEN, 0,
				   true },
	[VHOST_SET_VRING_KICK] = { "SET_VRING_KICK", set_vring_kick, 8, 8, 1, false },
	[VHOST_SET_VRING_CALL] = { "SET_VRING_CALL", set_vring_call, 8, 8, 1, false },
	[VHOST_SET_VRING_ERR] = { "SET_VRING_ERR", set_vring_err, 8, 8, 1, false },
	[VHOST_GET_PROTOCOL_FEATURES] = { "GET_PROTOCOL_FEATURES", get_protocol_features, 0, 0, 0,
					  true },
	[VHOST_SET_PROTOCOL_FEATURES] = { "SET_PROTOCOL_FEATURES", set_protocol_features, 8, 8, 0,
					  false },
	[VHOST_GET_QUEUE_NUM] = { "GET_QUEUE_NUM", get_queue_num, 0, 0, 0, true },
	[VHOST_SET_VRING_ENABLE] = { "SET_VRING_ENABLE", set_vring_enable, STATE_LEN, STATE_LEN, 0,
				     false },
	[VHOST_GET_CONFIG] = { "GET_CONFIG", get_config, VHOST_CONFIG_HEADER_LEN, PAYLOAD_LEN, 0,
			       true },
	[VHOST_SET_CONFIG] = { "SET_CONFIG", set_config, VHOST_CONFIG_HEADER_LEN, PAYLOAD_LEN, 0,
			       false },
	[VHOST_GET_MAX_MEM_SLOTS] = { "GET_MAX_MEM_SLOTS", get_max_mem_slots, 0, 0, 0, true },
	[VHOST_ADD_MEM_REG] = { "ADD_MEM_REG", add_mem_reg, REGION_LEN, REGION_LEN, 1, false },
	/* QEMU sends the region's descriptor along, which tells us nothing new. */
	[VHOST_REM_MEM_REG] = { "REM_MEM_REG", rem_mem_reg, REGION_LEN, REGION_LEN, 1, false },
};

/**
 * vhost_msg_close_fds() - release the descriptors nobody took
 * @msg: message
 */
void vhost_msg_close_fds(struct vhost_msg *msg)
{
	for (unsigned i = 0; i < msg->nr_fds; i++)
		(void)fd_close(msg->fds[i]);
	msg->nr_fds = 0;
}

static int check_shape(const struct request *req, const struct vhost_msg *msg, struct err *err)
{
	const struct vhost_msg_header *h = &msg->header;

	if ((h->flags & VHOST_FLAG_VERSION_MASK) != VHOST_FLAG_VERSION ||
	    (h->flags & VHOST_FLAG_REPLY))
		return err_set(err, EPROTO, "%s has the flags 0x%x", req->name, h->flags);
	if (h->size < req->min_size || h->size > req->max_size)
		return err_set(err, EPROTO, "%s has %u bytes", req->name, h->size);
	if (msg->nr_fds > req->max_fds)
		return err_set(err, EPROTO, "%s has %u descriptors", req->name, msg->nr_fds);
	return 0;
}

/**
 * vhost_handle() - carry out one request
 * @vh: backend
 * @msg: whole message, header.size not above sizeof(union vhost_payload); becomes the answer, its
 *	descriptors are gone
 * @err: error
 *
 * A request that failed is fatal unless the peer asked for an acknowledgement, in which case it is
 * told.
 *
 * Return: 1 when @msg is to be sent back, 0 when not, -errno when the connection must end.
 */
int vhost_handle(struct vhost *vh, struct vhost_msg *msg, struct err *err)
{
	uint32_t id = msg->header.request;
	const struct request *req = id < VHOST_REQUEST_MAX && requests[id].fn ? &requests[id]
									      : NULL;
	bool ack = (msg->header.flags & VHOST_FLAG_NEED_REPLY) &&
		   (vh->protocol_features >> VHOST_PROTOCOL_F_REPLY_ACK & 1);
	int r = req ? check_shape(req, msg, err)
		    : err_set(err, EOPNOTSUPP, "not supported: request %u", id);

	if (r < 0) {
		vhost_msg_close_fds(msg);
		return err_wrap(err, "vhost-user");
	}
	log_debug("vhost-user: %s", req->name);
	r = req->fn(vh, msg, err);
	vhost_msg_close_fds(msg);
	msg->header.flags = VHOST_FLAG_VERSION | VHOST_FLAG_REPLY;
	if (r < 0)
		(void)err_wrap(err, "vhost-user: %s", req->name);
	if (r < 0 && (!ack || req->answers))
		return r;
	if (req->answers)
		return 1;
	if (!ack)
		return 0;
	if (r < 0)
		log_warn("%s", err->text);
	(void)answer_u64(msg, r < 0);
	return 1;
}
