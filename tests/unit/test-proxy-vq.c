/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Virtqueues and guest memory of kata-proxy: every way a descriptor can be wrong, notifications,
 * and the small parts below them (queue of bytes, packet headers).
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <errno.h>
#include <linux/virtio_ring.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/mman.h>
#include <unistd.h>

#include "proxy/vsock/fifo.h"
#include "proxy/vsock/packet.h"
#include "proxy/vhost/vq.h"

#define NUM 16
#define SIZE 0x10000u
#define UVA 0x7000000ull
#define GPA \
	0x100000ull /* of the first half; the second half lies behind it in addresses, before it \
		       in the file */
#define AVAIL_AT 0x1000u
#define USED_AT 0x2000u
#define TABLE_AT 0x3000u

static struct gmem mem;
static struct vq vq;
static uint8_t *ram; /* the file */
static struct vq_chain chain;
static uint16_t avail;

static struct vring_desc *desc(unsigned i)
{
	return (struct vring_desc *)(void *)ram + i;
}

static struct vring_desc *table(unsigned i)
{
	return (struct vring_desc *)(void *)(ram + TABLE_AT) + i;
}

static struct vring_avail *avail_ring(void)
{
	return (struct vring_avail *)(void *)(ram + AVAIL_AT);
}

static struct vring_used *used_ring(void)
{
	return (struct vring_used *)(void *)(ram + USED_AT);
}

static int setup(void **state)
{
	struct gmem_layout low = { GPA, SIZE, UVA, 0 }, high = { GPA + SIZE, SIZE, UVA + SIZE, 0 };
	int fd = memfd_create("guest", 0), fd2 = memfd_create("guest2", 0);
	struct err err = ERR_NULL;

	(void)state;
	mem = GMEM_NULL;
	avail = 0;
	assert_int_equal(ftruncate(fd, SIZE), 0);
	assert_int_equal(ftruncate(fd2, SIZE), 0);
	assert_int_equal(gmem_add(&mem, &low, fd, &err), 0);
	assert_int_equal(gmem_add(&mem, &high, fd2, &err), 0);
	ram = mem.regions[0].base;
	close(fd);
	close(fd2);
	vq_init(&vq);
	vq.num = NUM;
	vq.desc_uva = UVA;
	vq.avail_uva = UVA + AVAIL_AT;
	vq.used_uva = UVA + USED_AT;
	vq.addr_set = true;
	vq.indirect = true;
	vq.call_fd = eventfd(0, EFD_NONBLOCK);
	assert_int_equal(vq_map(&vq, &mem), 0);
	vq_start(&vq);
	return 0;
}

static int teardown(void **state)
{
	(void)state;
	vq_deinit(&vq);
	gmem_deinit(&mem);
	return 0;
}

static int pop(uint16_t head)
{
	avail_ring()->ring[avail++ % NUM] = head;
	avail_ring()->idx = avail;
	return vq_pop(&vq, &mem, &chain);
}

static bool signalled(void)
{
	uint64_t v;

	return read(vq.call_fd, &v, sizeof(v)) == sizeof(v);
}

static void an_empty_ring_gives_nothing(void **state)
{
	(void)state;
	assert_int_equal(vq_pop(&vq, &mem, &chain), 0);
}

static void a_chain_is_read_parts_then_written_parts(void **state)
{
	(void)state;
	*desc(3) = (struct vring_desc){ GPA + 0x4000, 44, VRING_DESC_F_NEXT, 9 };
	*desc(9) = (struct vring_desc){ GPA + 0x5000, 100, VRING_DESC_F_NEXT, 1 };
	*desc(1) = (struct vring_desc){ GPA + 0x6000, 7, VRING_DESC_F_WRITE, 0 };
	assert_int_equal(pop(3), 1);
	assert_int_equal(chain.head, 3);
	assert_int_equal(chain.nr_out, 2);
	assert_int_equal(chain.nr_in, 1);
	assert_int_equal(chain.out_len, 144);
	assert_int_equal(chain.in_len, 7);
	assert_ptr_equal(chain.iov[1].iov_base, ram + 0x5000);
	assert_int_equal(vq_pop(&vq, &mem, &chain), 0);
}

static void a_range_across_two_regions_has_two_pieces(void **state)
{
	(void)state;
	*desc(0) = (struct vring_desc){ GPA + SIZE - 10, 30, 0, 0 };
	assert_int_equal(pop(0), 1);
	assert_int_equal(chain.nr_out, 2);
	assert_int_equal(chain.iov[0].iov_len, 10);
	assert_int_equal(chain.iov[1].iov_len, 20);
	assert_ptr_equal(chain.iov[1].iov_base, mem.regions[1].base);
}

static void indirect_tables_are_followed(void **state)
{
	(void)state;
	*desc(0) = (struct vring_desc){ GPA + TABLE_AT, 48, VRING_DESC_F_INDIRECT, 0 };
	*table(0) = (struct vring_desc){ GPA + 0x4000, 1, VRING_DESC_F_NEXT, 2 };
	*table(2) = (struct vring_desc){ GPA + 0x4001, 2, VRING_DESC_F_NEXT, 1 };
	*table(1) = (struct vring_desc){ GPA + 0x4003, 3, 0, 0 };
	assert_int_equal(pop(0), 1);
	assert_int_equal(chain.nr_out, 3);
	assert_int_equal(chain.out_len, 6);
}

/* Every bad chain marks the ring broken, after which it gives nothing. */
static void assert_broken(uint16_t head, int error)
{
	assert_int_equal(pop(head), error);
	assert_true(vq.broken);
	assert_int_equal(vq_pop(&vq, &mem, &chain), 0);
	vq.broken = false;
	avail = vq.last_avail;
	avail_ring()->idx = avail;
}

static void bad_chains_break_the_ring(void **state)
{
	(void)state;
	assert_broken(NUM, -EINVAL);
	assert_broken(UINT16_MAX, -EINVAL);
	*desc(0) = (struct vring_desc){ GPA - 1, 8, 0, 0 };
	assert_broken(0, -EFAULT);
	*desc(0) = (struct vring_desc){ GPA + 2 * SIZE - 4, 8, 0, 0 };
	assert_broken(0, -EFAULT);
	*desc(0) = (struct vring_desc){ UINT64_MAX - 3, 8, 0, 0 };
	assert_broken(0, -EFAULT);
	*desc(0) = (struct vring_desc){ GPA, UINT32_MAX, 0, 0 };
	assert_broken(0, -EFAULT);
	*desc(0) = (struct vring_desc){ GPA, 8, VRING_DESC_F_NEXT, NUM };
	assert_broken(0, -EINVAL);
	*desc(0) = (struct vring_desc){ GPA, 8, VRING_DESC_F_NEXT, 0 };
	assert_broken(0, -ELOOP);
	*desc(0) = (struct vring_desc){ GPA, 8, VRING_DESC_F_WRITE | VRING_DESC_F_NEXT, 1 };
	*desc(1) = (struct vring_desc){ GPA, 8, 0, 0 };
	assert_broken(0, -EINVAL);
}

static void bad_indirect_tables_break_the_ring(void **state)
{
	(void)state;
	*table(0) = (struct vring_desc){ GPA, 8, 0, 0 };
	*desc(0) = (struct vring_desc){ GPA + TABLE_AT, 0, VRING_DESC_F_INDIRECT, 0 };
	assert_broken(0, -EINVAL);
	*desc(0) = (struct vring_desc){ GPA + TABLE_AT, 17, VRING_DESC_F_INDIRECT, 0 };
	assert_broken(0, -EINVAL);
	*desc(0) = (struct vring_desc){ GPA + TABLE_AT + 1, 16, VRING_DESC_F_INDIRECT, 0 };
	assert_broken(0, -EINVAL);
	*desc(0) = (struct vring_desc){ GPA + TABLE_AT, 0xfffffff0, VRING_DESC_F_INDIRECT, 0 };
	assert_broken(0, -EINVAL);
	*desc(0) = (struct vring_desc){ GPA - 0x1000, 16, VRING_DESC_F_INDIRECT, 0 };
	assert_broken(0, -EFAULT);
	*desc(0) = (struct vring_desc){ GPA + TABLE_AT, 16,
					VRING_DESC_F_INDIRECT | VRING_DESC_F_NEXT, 1 };
	assert_broken(0, -EINVAL);
	*desc(0) = (struct vring_desc){ GPA + TABLE_AT, 16, VRING_DESC_F_INDIRECT, 0 };
	*table(0) = (struct vring_desc){ GPA + TABLE_AT, 16, VRING_DESC_F_INDIRECT, 0 };
	assert_broken(0, -EINVAL);
	*table(0) = (struct vring_desc){ GPA, 8, VRING_DESC_F_NEXT, 1 };
	assert_broken(0, -EINVAL);
	*table(0) = (struct vring_desc){ GPA, 8, VRING_DESC_F_NEXT, 0 };
	assert_broken(0, -ELOOP);
	vq.indirect = false;
	*table(0) = (struct vring_desc){ GPA, 8, 0, 0 };
	assert_broken(0, -EINVAL);
}

static void too_many_pieces_break_the_ring(void **state)
{
	(void)state;
	*desc(0) = (struct vring_desc){ GPA + TABLE_AT, 16 * (VQ_IOV_MAX + 1),
					VRING_DESC_F_INDIRECT, 0 };
	for (unsigned i = 0; i <= VQ_IOV_MAX; i++)
		*table(i) = (struct vring_desc){ GPA, 1, i < VQ_IOV_MAX ? VRING_DESC_F_NEXT : 0,
						 (uint16_t)(i + 1) };
	assert_broken(0, -E2BIG);
}

static void an_index_that_jumps_breaks_the_ring(void **state)
{
	(void)state;
	*desc(0) = (struct vring_desc){ GPA, 8, 0, 0 };
	avail = NUM;
	assert_int_equal(pop(0), -EINVAL);
}

static void indices_wrap(void **state)
{
	(void)state;
	*desc(0) = (struct vring_desc){ GPA, 8, 0, 0 };
	for (unsigned i = 0; i < 70000; i++) {
		assert_int_equal(pop(0), 1);
		vq_push(&vq, chain.head, i);
	}
	assert_int_equal(used_ring()->idx, 70000 - 65536);
	assert_int_equal(used_ring()->ring[(70000 - 65536 - 1) % NUM].len, 69999);
}

static void chains_can_be_put_back(void **state)
{
	(void)state;
	*desc(0) = (struct vring_desc){ GPA, 8, 0, 0 };
	*desc(1) = (struct vring_desc){ GPA, 9, 0, 0 };
	assert_int_equal(pop(0), 1);
	assert_int_equal(pop(1), 1);
	vq_unpop(&vq, 1);
	assert_int_equal(vq_pop(&vq, &mem, &chain), 1);
	assert_int_equal(chain.head, 1);
}

static void a_driver_that_wants_no_interrupts_gets_none(void **state)
{
	(void)state;
	vq_push(&vq, 0, 0);
	vq_signal(&vq);
	assert_true(signalled());
	avail_ring()->flags = VRING_AVAIL_F_NO_INTERRUPT;
	vq_push(&vq, 0, 0);
	vq_signal(&vq);
	assert_false(signalled());
}

static void event_index_limits_interrupts(void **state)
{
	(void)state;
	vq.event_idx = true;
	vq_push(&vq, 0, 0);
	vq_signal(&vq);
	assert_true(signalled());    /* the first always */
	avail_ring()->ring[NUM] = 3; /* when the index passes 3 */
	for (int i = 0; i < 2; i++)
		vq_push(&vq, 0, 0);
	vq_signal(&vq);
	assert_false(signalled());
	vq_push(&vq, 0, 0);
	vq_signal(&vq);
	assert_true(signalled());
	vq_push(&vq, 0, 0);
	vq_signal(&vq);
	assert_false(signalled());
}

static void kicks_are_asked_for_and_missed_chains_noticed(void **state)
{
	(void)state;
	assert_false(vq_want_kicks(&vq, false));
	assert_int_equal(used_ring()->flags, VRING_USED_F_NO_NOTIFY);
	assert_false(vq_want_kicks(&vq, true));
	assert_int_equal(used_ring()->flags, 0);
	avail_ring()->idx = 1;
	assert_true(vq_want_kicks(&vq, true));
	vq.event_idx = true;
	vq.last_avail = 1;
	assert_false(vq_want_kicks(&vq, true));
	assert_int_equal(*(uint16_t *)(void *)&used_ring()->ring[NUM], 1);
}

static void rings_are_mapped_only_where_they_fit(void **state)
{
	(void)state;
	vq.desc_uva = UVA + 8;
	assert_int_equal(vq_map(&vq, &mem), -EINVAL);
	assert_null(vq.used);
	vq.desc_uva = UVA + SIZE - 16; /* across two regions: not contiguous for us */
	assert_int_equal(vq_map(&vq, &mem), -EFAULT);
	vq.desc_uva = UVA;
	vq.used_uva = UVA + 2 * SIZE - 8;
	assert_int_equal(vq_map(&vq, &mem), -EFAULT);
	vq.used_uva = UINT64_MAX - 3;
	assert_int_equal(vq_map(&vq, &mem), -EFAULT);
	vq.used_uva = UVA + USED_AT;
	vq.num = 0;
	assert_int_equal(vq_map(&vq, &mem), -EINVAL);
}

static void bytes_leave_a_fifo_in_order(void **state)
{
	struct fifo fifo = FIFO_NULL;
	struct iovec iov[2] = { { (char *)"abcdef", 6 }, { (char *)"gh", 2 } }, out[2];

	(void)state;
	assert_int_equal(fifo_append(&fifo, 10, iov, 2), 0);
	assert_int_equal(fifo_append(&fifo, 10, iov, 1), -ENOBUFS);
	fifo_consume(&fifo, 5);
	assert_int_equal(fifo_append(&fifo, 10, iov, 1), 0);
	assert_int_equal(fifo_peek(&fifo, out), 2);
	assert_int_equal(out[0].iov_len, 5);
	assert_memory_equal(out[0].iov_base, "fghab", 5);
	assert_memory_equal(out[1].iov_base, "cdef", 4);
	fifo_consume(&fifo, 9);
	assert_null(fifo.data);
	assert_int_equal(fifo_append(&fifo, 10, iov, 0), 0);
	assert_int_equal(fifo_peek(&fifo, out), 0);
	fifo_clear(&fifo);
}

static void headers_survive_any_scattering(void **state)
{
	struct packet a = {
		.src_cid = 0x1122334455667788, .dst_cid = 2, .src_port = 3, .dst_port = 4, .len = 5, .type = 6, .op = 7,
		.flags = 8, .buf_alloc = 9, .fwd_cnt = 10,
	}, b;
	uint8_t buf[PACKET_HEADER_LEN];

	(void)state;
	for (size_t cut = 0; cut <= PACKET_HEADER_LEN; cut++) {
		struct iovec iov[2] = { { buf, cut }, { buf + cut, PACKET_HEADER_LEN - cut } };

		memset(buf, 0, sizeof(buf));
		memset(&b, 0, sizeof(b));
		assert_int_equal(packet_store(&a, iov, 2), 0);
		assert_int_equal(packet_load(&b, iov, 2), 0);
		assert_int_equal(b.src_cid, a.src_cid);
		assert_int_equal(b.fwd_cnt, 10);
		iov[1].iov_len -= cut < PACKET_HEADER_LEN;
		if (cut < PACKET_HEADER_LEN)
			assert_int_equal(packet_load(&b, iov, 2), -EINVAL);
	}
}

#define T(fn) cmocka_unit_test_setup_teardown(fn, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		T(an_empty_ring_gives_nothing),
		T(a_chain_is_read_parts_then_written_parts),
		T(a_range_across_two_regions_has_two_pieces),
		T(indirect_tables_are_followed),
		T(bad_chains_break_the_ring),
		T(bad_indirect_tables_break_the_ring),
		T(too_many_pieces_break_the_ring),
		T(an_index_that_jumps_breaks_the_ring),
		T(indices_wrap),
		T(chains_can_be_put_back),
		T(a_driver_that_wants_no_interrupts_gets_none),
		T(event_index_limits_interrupts),
		T(kicks_are_asked_for_and_missed_chains_noticed),
		T(rings_are_mapped_only_where_they_fit),
		cmocka_unit_test(bytes_leave_a_fifo_in_order),
		cmocka_unit_test(headers_survive_any_scattering),
	};

	return cmocka_run_group_tests_name("proxy-vq", tests, NULL, NULL);
}
