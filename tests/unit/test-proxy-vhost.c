/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The vhost-user side of kata-proxy: negotiation, memory, configuration, and peers that break the
 * rules.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <dirent.h>
#include <linux/virtio_config.h>
#include <linux/virtio_vsock.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <unistd.h>

#include "mock-vhost.h"

#define ACK (1ull << VHOST_PROTOCOL_F_REPLY_ACK)

static struct mock m;
static struct vhost_msg msg;

static int setup(void **state)
{
	(void)state;
	mock_new(&m, 0, 0);
	return 0;
}

static int teardown(void **state)
{
	(void)state;
	mock_free(&m);
	return 0;
}

static unsigned open_files(void)
{
	DIR *dir = opendir("/proc/self/fd");
	unsigned nr = 0;

	while (readdir(dir))
		nr++;
	closedir(dir);
	return nr;
}

static void expect_end_with_error(void)
{
	for (int i = 0; i < 3000 && !m.ended; i++)
		mock_run(&m, 1);
	assert_true(m.ended);
	assert_int_equal(m.exit_code, 1);
	assert_false(m.px->running);
}

static uint64_t ack(uint32_t request, const void *payload, uint32_t size, const int *fds,
		    unsigned nr_fds)
{
	mock_send_msg(&m, request, VHOST_FLAG_NEED_REPLY, payload, size, fds, nr_fds);
	assert_true(mock_recv_msg(&m, &msg));
	assert_int_equal(msg.header.request, request);
	assert_int_equal(msg.header.size, 8);
	return msg.payload.u64;
}

static void want_acks(void)
{
	uint64_t features = ACK;

	mock_send_msg(&m, VHOST_SET_PROTOCOL_FEATURES, 0, &features, 8, NULL, 0);
}

static union vhost_payload region(uint64_t gpa, uint64_t size, uint64_t uva, uint64_t offset)
{
	return (union vhost_payload){ .mem = { .region = { gpa, size, uva, offset } } };
}

static void offers_what_the_device_has(void **state)
{
	uint64_t f = mock_ask_u64(&m, VHOST_GET_FEATURES),
		 pf = mock_ask_u64(&m, VHOST_GET_PROTOCOL_FEATURES);

	(void)state;
	assert_true(f >> VIRTIO_F_VERSION_1 & 1);
	assert_true(f >> VHOST_F_PROTOCOL_FEATURES & 1);
	assert_false(f >> VIRTIO_F_RING_PACKED & 1);
	assert_false(f & 2); /* SEQPACKET */
	assert_true(pf >> VHOST_PROTOCOL_F_MQ & 1);
	assert_true(pf >> VHOST_PROTOCOL_F_CONFIG & 1);
	assert_int_equal(mock_ask_u64(&m, VHOST_GET_QUEUE_NUM), 3);
	assert_true(mock_ask_u64(&m, VHOST_GET_MAX_MEM_SLOTS) >= 8);
}

static void configuration_is_the_cid(void **state)
{
	union vhost_payload p = { .config = { .offset = 0, .size = 8 } };
	uint64_t cid;

	(void)state;
	mock_send_msg(&m, VHOST_GET_CONFIG, 0, &p, 12 + 8, NULL, 0);
	assert_true(mock_recv_msg(&m, &msg));
	assert_int_equal(msg.header.size, 12 + 8);
	memcpy(&cid, msg.payload.config.data, 8);
	assert_int_equal(cid, MOCK_CID);
	p.config.offset = 4;
	mock_send_msg(&m, VHOST_GET_CONFIG, 0, &p, 12 + 8, NULL, 0);
	assert_true(mock_recv_msg(&m, &msg));
	assert_int_equal(msg.header.size, 0);
	/* More than the message has room for. */
	p.config = (__typeof__(p.config)){ .offset = 0, .size = 9 };
	mock_send_msg(&m, VHOST_GET_CONFIG, 0, &p, 12 + 8, NULL, 0);
	expect_end_with_error();
}

static void the_configuration_is_read_only(void **state)
{
	union vhost_payload p = { .config = { .offset = 0, .size = 8 } };

	(void)state;
	want_acks();
	assert_int_equal(ack(VHOST_SET_CONFIG, &p, 20, NULL, 0), 1);
}

static void features_that_were_not_offered_are_refused(void **state)
{
	uint64_t f = ~0ull;

	(void)state;
	mock_send_msg(&m, VHOST_SET_FEATURES, 0, &f, 8, NULL, 0);
	expect_end_with_error();
}

static void failures_are_reported_to_who_asks_for_it(void **state)
{
	uint64_t f = ~0ull;

	(void)state;
	want_acks();
	assert_int_equal(ack(VHOST_SET_FEATURES, &f, 8, NULL, 0), 1);
	f = 1ull << VIRTIO_F_VERSION_1;
	assert_int_equal(ack(VHOST_SET_FEATURES, &f, 8, NULL, 0), 0);
}

static void a_second_owner_is_refused(void **state)
{
	(void)state;
	want_acks();
	assert_int_equal(ack(VHOST_SET_OWNER, NULL, 0, NULL, 0), 0);
	assert_int_equal(ack(VHOST_SET_OWNER, NULL, 0, NULL, 0), 1);
}

static void memory_can_be_plugged_and_unplugged_while_running(void **state)
{
	union vhost_payload p = region(1ull << 32, 1 << 20, 0x1000000, 0);
	int fd = memfd_create("dimm", MFD_CLOEXEC);
	uint32_t port;

	(void)state;
	assert_int_equal(ftruncate(fd, 1 << 20), 0);
	mock_start(&m);
	want_acks();
	int client = mock_connected(&m, 1024, &port);
	unsigned before = open_files();
	assert_int_equal(ack(VHOST_ADD_MEM_REG, &p, 40, &fd, 1), 0);
	assert_int_equal(m.px->vhost.mem.nr, 2);
	assert_int_equal(ack(VHOST_ADD_MEM_REG, &p, 40, &fd, 1), 1); /* overlaps */
	assert_int_equal(ack(VHOST_REM_MEM_REG, &p, 40, &fd, 1), 0);
	assert_int_equal(ack(VHOST_REM_MEM_REG, &p, 40, NULL, 0), 1); /* is gone */
	assert_int_equal(m.px->vhost.mem.nr, 1);
	assert_int_equal(open_files(), before);
	assert_true(m.px->running);
	assert_int_equal(write(client, "x", 1), 1);
	mock_expect(&m, VIRTIO_VSOCK_OP_RW, NULL);
	close(client);
	close(fd);
}

static void a_region_with_the_rings_may_go_and_come_back(void **state)
{
	union vhost_payload p = region(MOCK_GPA, MOCK_MEM_SIZE, 0, 0);
	uint32_t port;

	(void)state;
	mock_start(&m);
	want_acks();
	int fd = mock_connected(&m, 1024, &port);
	p.mem.region.uva = (uintptr_t)m.mem;
	assert_int_equal(ack(VHOST_REM_MEM_REG, &p, 40, NULL, 0), 0);
	assert_false(m.px->running);
	mock_kick(&m.rx);
	assert_int_equal(write(fd, "x", 1), 1);
	mock_run(&m, 2);
	assert_int_equal(ack(VHOST_ADD_MEM_REG, &p, 40, &m.memfd, 1), 0);
	assert_true(m.px->running);
	mock_expect(&m, VIRTIO_VSOCK_OP_RW, NULL);
	close(fd);
}

static void impossible_memory_is_refused(void **state)
{
	static const struct vhost_mem_region bad[] = {
		{ 0, 0, 0, 0 },
		{ 0, 1ull << 40, 0, 0 },
		{ ~0xfffull, 0x2000, 0x1000, 0 },
		{ 0, 0x1000, ~0xfffull, 0 },
		{ 0, 0x1000, 0, ~0xfffull },
		{ 0, 0x1000, 0, MOCK_MEM_SIZE },
		{ 0, MOCK_MEM_SIZE, 0, 0x1000 },
		{ 8, 0x1000, 0, 0 },
		{ 0, 0x1000, 1, 0 },
	};

	(void)state;
	want_acks();
	mock_run(&m, 2);
	unsigned before = open_files();
	for (size_t i = 0; i < ARRAY_SIZE(bad); i++) {
		union vhost_payload p = { .mem = { .region = bad[i] } };

		assert_int_equal(ack(VHOST_ADD_MEM_REG, &p, 40, &m.memfd, 1), 1);
	}
	assert_int_equal(m.px->vhost.mem.nr, 0);
	assert_int_equal(open_files(), before);
}

static void more_regions_than_slots_are_refused(void **state)
{
	(void)state;
	want_acks();
	for (uint64_t i = 0; i <= GMEM_REGIONS_MAX; i++) {
		union vhost_payload p = region(i << 20, 4096, i << 20, 0);

		assert_int_equal(ack(VHOST_ADD_MEM_REG, &p, 40, &m.memfd, 1),
				 i == GMEM_REGIONS_MAX);
	}
}

static void a_table_with_false_counts_ends_the_connection(void **state)
{
	union vhost_payload p = { .table = { .nr = 2 } };

	(void)state;
	mock_send_msg(&m, VHOST_SET_MEM_TABLE, 0, &p, 8 + 32, &m.memfd, 1);
	expect_end_with_error();
}

static void a_table_of_too_many_regions_ends_the_connection(void **state)
{
	union vhost_payload p = { .table = { .nr = 0x10000008 } }; /* times 32 wraps to 256 */

	(void)state;
	mock_send_msg(&m, VHOST_SET_MEM_TABLE, 0, &p, sizeof(p.table), NULL, 0);
	expect_end_with_error();
}

static void rings_that_do_not_exist_are_refused(void **state)
{
	union vhost_payload p = { .state = { 3, 64 } };
	uint64_t which = 200;

	(void)state;
	want_acks();
	assert_int_equal(ack(VHOST_SET_VRING_NUM, &p, 8, NULL, 0), 1);
	assert_int_equal(ack(VHOST_SET_VRING_BASE, &p, 8, NULL, 0), 1);
	assert_int_equal(ack(VHOST_SET_VRING_ENABLE, &p, 8, NULL, 0), 1);
	assert_int_equal(ack(VHOST_SET_VRING_KICK, &which, 8, &m.memfd, 1), 1);
	assert_int_equal(ack(VHOST_SET_VRING_CALL, &which, 8, &m.memfd, 1), 1);
	p.state.index = UINT32_MAX;
	mock_send_msg(&m, VHOST_GET_VRING_BASE, 0, &p, 8, NULL, 0);
	expect_end_with_error();
}

static void ring_sizes_are_powers_of_two_within_reason(void **state)
{
	static const uint32_t bad[] = { 0, 3, 2048, 65536, UINT32_MAX };

	(void)state;
	want_acks();
	for (size_t i = 0; i < ARRAY_SIZE(bad); i++) {
		union vhost_payload p = { .state = { 0, bad[i] } };

		assert_int_equal(ack(VHOST_SET_VRING_NUM, &p, 8, NULL, 0), 1);
	}
}

static void a_ring_outside_memory_does_not_start(void **state)
{
	uint64_t ring = 0;
	int kick = eventfd(0, EFD_CLOEXEC);

	(void)state;
	want_acks();
	assert_int_equal(ack(VHOST_SET_VRING_KICK, &ring, 8, &kick, 1), 1);
	close(kick);
}

static void a_running_ring_cannot_be_changed(void **state)
{
	union vhost_payload p = { .state = { 0, 32 } };

	(void)state;
	mock_start(&m);
	want_acks();
	assert_int_equal(ack(VHOST_SET_VRING_NUM, &p, 8, NULL, 0), 1);
	assert_int_equal(ack(VHOST_SET_VRING_BASE, &p, 8, NULL, 0), 1);
}

static void with_protocol_features_rings_wait_to_be_enabled(void **state)
{
	union vhost_payload p = { .state = { 0, 1 } };

	(void)state;
	m.features |= 1ull << VHOST_F_PROTOCOL_FEATURES;
	mock_send_msg(&m, VHOST_SET_VRING_ENABLE, 0, &p, 8, NULL, 0);
	p.state.index = 1;
	mock_send_msg(&m, VHOST_SET_VRING_ENABLE, 0, &p, 8, NULL, 0);
	mock_start(&m);
	p.state.num = 0;
	mock_send_msg(&m, VHOST_SET_VRING_ENABLE, 0, &p, 8, NULL, 0);
	mock_run(&m, 5);
	assert_false(m.px->running);
	p.state.num = 1;
	mock_send_msg(&m, VHOST_SET_VRING_ENABLE, 0, &p, 8, NULL, 0);
	mock_run(&m, 5);
	assert_true(m.px->running);
}

static void unknown_requests_end_the_connection(void **state)
{
	(void)state;
	mock_send_msg(&m, 31, 0, NULL, 0, NULL, 0);
	expect_end_with_error();
}

static void oversized_messages_end_the_connection(void **state)
{
	uint32_t header[3] = { VHOST_GET_CONFIG, 1, 0xffffffff };

	(void)state;
	assert_int_equal(write(m.master, header, 12), 12);
	expect_end_with_error();
}

static void messages_of_a_false_version_end_the_connection(void **state)
{
	uint32_t header[3] = { VHOST_GET_FEATURES, 2, 0 };

	(void)state;
	assert_int_equal(write(m.master, header, 12), 12);
	expect_end_with_error();
}

static void messages_may_come_byte_by_byte(void **state)
{
	uint8_t bytes[20] = { VHOST_SET_PROTOCOL_FEATURES, 0, 0, 0, 1, 0, 0, 0, 8, 0, 0, 0, 1 };

	(void)state;
	for (size_t i = 0; i < sizeof(bytes); i++) {
		assert_int_equal(write(m.master, bytes + i, 1), 1);
		mock_run(&m, 1);
	}
	assert_int_equal(m.px->vhost.protocol_features, 1);
}

static void unwanted_descriptors_end_the_connection_and_are_closed(void **state)
{
	int fds[10] = { 0 };

	(void)state;
	mock_run(&m, 1);
	unsigned before = open_files();
	mock_send_msg(&m, VHOST_GET_FEATURES, 0, NULL, 0, fds, 9);
	expect_end_with_error();
	assert_true(open_files() <= before);
}

static void an_end_within_a_message_is_an_error(void **state)
{
	(void)state;
	assert_int_equal(write(m.master, "abc", 3), 3);
	shutdown(m.master, SHUT_WR);
	expect_end_with_error();
}

static void an_end_between_messages_is_none(void **state)
{
	(void)state;
	shutdown(m.master, SHUT_WR);
	for (int i = 0; i < 3000 && !m.ended; i++)
		mock_run(&m, 1);
	assert_int_equal(m.exit_code, 0);
	assert_true(m.ended);
}

static void reset_owner_starts_over(void **state)
{
	(void)state;
	mock_start(&m);
	mock_send_msg(&m, VHOST_RESET_OWNER, 0, NULL, 0, NULL, 0);
	mock_run(&m, 5);
	assert_false(m.px->running);
	m.rx.avail = m.tx.avail = 0;
	memset(m.mem, 0, 0x20000);
	mock_start(&m);
	assert_true(m.px->running);
}

static void a_listening_socket_is_no_connection(void **state)
{
	struct err err = ERR_NULL;
	struct vhost vh;

	(void)state;
	vhost_init(&vh, m.loop, 3, NULL, NULL);
	assert_true(vhost_attach(&vh, m.px->listen_fd, &err) < 0);
	assert_non_null(strstr(err.text, "listens"));
	vhost_deinit(&vh);
}

#define T(fn) cmocka_unit_test_setup_teardown(fn, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		T(offers_what_the_device_has),
		T(configuration_is_the_cid),
		T(the_configuration_is_read_only),
		T(features_that_were_not_offered_are_refused),
		T(failures_are_reported_to_who_asks_for_it),
		T(a_second_owner_is_refused),
		T(memory_can_be_plugged_and_unplugged_while_running),
		T(a_region_with_the_rings_may_go_and_come_back),
		T(impossible_memory_is_refused),
		T(more_regions_than_slots_are_refused),
		T(a_table_with_false_counts_ends_the_connection),
		T(a_table_of_too_many_regions_ends_the_connection),
		T(rings_that_do_not_exist_are_refused),
		T(ring_sizes_are_powers_of_two_within_reason),
		T(a_ring_outside_memory_does_not_start),
		T(a_running_ring_cannot_be_changed),
		T(with_protocol_features_rings_wait_to_be_enabled),
		T(unknown_requests_end_the_connection),
		T(oversized_messages_end_the_connection),
		T(messages_of_a_false_version_end_the_connection),
		T(messages_may_come_byte_by_byte),
		T(unwanted_descriptors_end_the_connection_and_are_closed),
		T(an_end_within_a_message_is_an_error),
		T(an_end_between_messages_is_none),
		T(reset_owner_starts_over),
		T(a_listening_socket_is_no_connection),
	};

	return cmocka_run_group_tests_name("proxy-vhost", tests, NULL, NULL);
}
