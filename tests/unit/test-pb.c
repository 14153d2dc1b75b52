/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Unit tests of the protobuf bridge: every table against its generated descriptor, every method
 * against its service, every message there and back, and what a hostile peer may send.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <stdio.h>
#include <string.h>

#include "admin.pb-c.h"
#include "agent.pb-c.h"
#include "agent_extra.pb-c.h"
#include "events_service.pb-c.h"
#include "health.pb-c.h"
#include "rpc/pb/agent_msg.h"
#include "rpc/pb/events_msg.h"
#include "rpc/pb/pb_table.h"
#include "rpc/pb/shim_msg.h"
#include "rpc/pb/task_msg.h"
#include "rpc/pb/ttrpc_msg.h"
#include "sandbox.pb-c.h"
#include "task.pb-c.h"

static void every_table_matches_its_message(void **state)
{
	struct err err = ERR_NULL;

	(void)state;
	for (size_t i = 0; i < pb_catalog_nr_types; i++)
		if (pb_type_check(pb_catalog_types[i], &err) < 0)
			fail_msg("%s", err.text);
	for (size_t i = 0; i < pb_catalog_nr_methods; i++) {
		const struct rpc_method *m = pb_catalog_methods[i];

		if ((m->request && pb_type_check(m->request, &err) < 0) ||
		    (m->response && pb_type_check(m->response, &err) < 0))
			fail_msg("%s: %s", m->name, err.text);
	}
}

static bool type_is(const struct pb_type *type, const ProtobufCMessageDescriptor *desc)
{
	return type ? type->desc == desc : desc->n_fields == 0;
}

static void every_method_matches_its_service(void **state)
{
	static const struct {
		const char *name;
		const ProtobufCServiceDescriptor *desc;
	} services[] = {
		{ "grpc.AgentService", &grpc__agent_service__descriptor },
		{ "grpc.Health", &grpc__health__descriptor },
		{ "containerd.task.v2.Task", &containerd__task__v2__task__descriptor },
		{ "containerd.task.v3.Task", &containerd__task__v2__task__descriptor },
		{ "containerd.services.events.ttrpc.v1.Events",
		  &containerd__services__events__ttrpc__v1__events__descriptor },
		{ "containerd.runtime.sandbox.v1.Sandbox",
		  &containerd__runtime__sandbox__v1__sandbox__descriptor },
		{ "kata.admin.v1.Admin", &kata__admin__v1__admin__descriptor },
		{ "kata.agent.v1.Extra", &kata__agent__v1__extra__descriptor },
	};
	size_t nr_checked = 0;

	(void)state;
	for (size_t s = 0; s < ARRAY_SIZE(services); s++) {
		size_t nr = 0;

		for (size_t i = 0; i < pb_catalog_nr_methods; i++) {
			const struct rpc_method *m = pb_catalog_methods[i];

			if (strcmp(m->service, services[s].name) != 0)
				continue;
			const ProtobufCMethodDescriptor *desc =
				protobuf_c_service_descriptor_get_method_by_name(services[s].desc,
										 m->name);
			if (!desc || !type_is(m->request, desc->input) ||
			    !type_is(m->response, desc->output))
				fail_msg("%s/%s does not match the .proto", m->service, m->name);
			nr++;
		}
		assert_int_equal(nr, services[s].desc->n_methods);
		nr_checked += nr;
	}
	assert_int_equal(nr_checked, pb_catalog_nr_methods);
}

/* --- there and back --- */

static uint32_t random_state = 1;

static uint32_t random_below(uint32_t limit)
{
	random_state = random_state * 1664525 + 1013904223;
	return (random_state >> 8) % limit;
}

static void *make_message(struct arena *arena, const ProtobufCMessageDescriptor *desc);

/* Small and never the default, so that nothing may get lost. */
static void make_value(struct arena *arena, const ProtobufCFieldDescriptor *field, void *at)
{
	uint32_t value = 1 + random_below(100);
	uint64_t big = (uint64_t)value << 40;

	switch (field->type) {
	case PROTOBUF_C_TYPE_STRING:
		*(char **)at = arena_printf(arena, "s%u", value);
		break;
	case PROTOBUF_C_TYPE_BYTES:
		*(ProtobufCBinaryData *)at =
			(ProtobufCBinaryData){ .len = 3,
					       .data = arena_memdup(arena, "\0\xff\x01", 3) };
		break;
	case PROTOBUF_C_TYPE_MESSAGE:
		*(void **)at = make_message(arena, field->descriptor);
		break;
	case PROTOBUF_C_TYPE_DOUBLE:
		*(double *)at = value / 4.0;
		break;
	case PROTOBUF_C_TYPE_BOOL:
		*(protobuf_c_boolean *)at = 1;
		break;
	case PROTOBUF_C_TYPE_UINT64:
		/* The plain index of a seccomp argument is narrower. */
		memcpy(at, strcmp(field->name, "Index") == 0 ? &(uint64_t){ value } : &big,
		       sizeof(big));
		break;
	case PROTOBUF_C_TYPE_INT64:
		big = strcmp(field->name, "OOMScoreAdj") == 0 || strcmp(field->name, "Timeout") == 0
			      ? value
			      : -big;
		memcpy(at, &big, sizeof(big));
		break;
	default:
		memcpy(at, &value, sizeof(value));
	}
}

static void make_field(struct arena *arena, const ProtobufCFieldDescriptor *field, uint8_t *message)
{
	size_t size = field->type == PROTOBUF_C_TYPE_BYTES ? sizeof(ProtobufCBinaryData)
		      : field->type == PROTOBUF_C_TYPE_MESSAGE ||
				      field->type == PROTOBUF_C_TYPE_STRING ||
				      field->type == PROTOBUF_C_TYPE_UINT64 ||
				      field->type == PROTOBUF_C_TYPE_INT64 ||
				      field->type == PROTOBUF_C_TYPE_DOUBLE
			      ? 8
			      : 4;

	if (strcmp(field->name, "kata_c_zeros") == 0 || strcmp(field->name, "Solaris") == 0 ||
	    strcmp(field->name, "Windows") == 0)
		return;
	if (field->label != PROTOBUF_C_LABEL_REPEATED) {
		if (field->flags & PROTOBUF_C_FIELD_FLAG_ONEOF)
			memcpy(message + field->quantifier_offset, &field->id, sizeof(uint32_t));
		make_value(arena, field, message + field->offset);
		return;
	}
	size_t nr = 1 + random_below(3);
	uint8_t *list = arena_calloc(arena, nr, size);
	for (size_t i = 0; i < nr; i++)
		make_value(arena, field, list + i * size);
	memcpy(message + field->offset, &list, sizeof(list));
	memcpy(message + field->quantifier_offset, &nr, sizeof(nr));
}

static void *make_message(struct arena *arena, const ProtobufCMessageDescriptor *desc)
{
	ProtobufCMessage *message = arena_alloc(arena, desc->sizeof_message);

	protobuf_c_message_init(desc, message);
	/* The first field is always there: an empty embedded message would rightly be left out. */
	for (unsigned i = 0; i < desc->n_fields; i++)
		if (i == 0 || random_below(8) != 0)
			make_field(arena, &desc->fields[i], (uint8_t *)message);
	return message;
}

static void check_round_trip(const struct pb_type *type)
{
	cleanup_arena struct arena *arena = NULL;
	struct err err = ERR_NULL;
	uint8_t *again;
	size_t again_len;

	assert_int_equal(arena_new(&arena), 0);
	ProtobufCMessage *message = make_message(arena, type->desc);
	size_t len = protobuf_c_message_get_packed_size(message);
	uint8_t *bytes = arena_alloc(arena, len + 1);
	(void)protobuf_c_message_pack(message, bytes);

	void *plain = arena_alloc(arena, type->size);
	if (pb_decode(type, bytes, len, arena, plain, &err) < 0)
		fail_msg("%s", err.text);
	assert_int_equal(pb_encode(type, plain, arena, &again, &again_len), 0);
	assert_int_equal(again_len, len);
	assert_memory_equal(again, bytes, len);
}

static void every_message_survives_the_way_there_and_back(void **state)
{
	(void)state;
	for (int round = 0; round < 10; round++) {
		for (size_t i = 0; i < pb_catalog_nr_types; i++)
			check_round_trip(pb_catalog_types[i]);
		for (size_t i = 0; i < pb_catalog_nr_methods; i++) {
			if (pb_catalog_methods[i]->request)
				check_round_trip(pb_catalog_methods[i]->request);
			if (pb_catalog_methods[i]->response)
				check_round_trip(pb_catalog_methods[i]->response);
		}
	}
}

/* Encodes one struct and decodes it into another. */
static void copy_through_wire(const struct pb_type *type, const void *from, void *to,
			      struct arena *arena)
{
	struct err err = ERR_NULL;
	uint8_t *data;
	size_t len;

	assert_int_equal(pb_encode(type, from, arena, &data, &len), 0);
	if (pb_decode(type, data, len, arena, to, &err) < 0)
		fail_msg("%s", err.text);
}

static void bytes_on_the_wire_are_those_of_other_implementations(void **state)
{
	static const uint8_t expected[] = { 0x0a, 0x02, 'c',  '1',  0x12, 0x02, 'e',
					    '1',  0x18, 0x2a, 0x20, 0x89, 0x01, 0x2a,
					    0x04, 0x08, 0x05, 0x10, 0x07 };
	struct event_task_exit event = { .container_id = "c1",
					 .id = "e1",
					 .pid = 42,
					 .exit_status = 137,
					 .exited_at = { .seconds = 5, .nanos = 7 } };
	cleanup_arena struct arena *arena = NULL;
	struct pb_any any;

	(void)state;
	assert_int_equal(arena_new(&arena), 0);
	assert_int_equal(pb_any_pack(arena, &event_task_exit_type, &event, &any), 0);
	assert_string_equal(any.type_url, "containerd.events.TaskExit");
	assert_int_equal(any.value_len, sizeof(expected));
	assert_memory_equal(any.value, expected, sizeof(expected));
}

static void an_any_is_known_by_its_name_with_or_without_a_prefix(void **state)
{
	struct pb_any any = { .type_url = "types.example.org/containerd.runc.v1.Options" };
	struct runc_options options = { 0 };
	struct err err = ERR_NULL;
	cleanup_arena struct arena *arena = NULL;

	(void)state;
	assert_int_equal(arena_new(&arena), 0);
	assert_true(pb_any_is(&any, &runc_options_type));
	assert_int_equal(pb_any_unpack_for_test(&any, &runc_options_type, arena, &options, &err),
			 0);
	assert_string_equal(options.binary_name, "");
	any.type_url = "containerd.runc.v1.Options";
	assert_true(pb_any_is(&any, &runc_options_type));
	any.type_url = "containerd.runc.v1.CheckpointOptions";
	assert_int_equal(pb_any_unpack_for_test(&any, &runc_options_type, arena, &options, &err),
			 -EINVAL);
	assert_false(pb_any_is(&(struct pb_any){ 0 }, &runc_options_type));
}

static void absent_strings_are_empty_and_absent_messages_null(void **state)
{
	cleanup_arena struct arena *arena = NULL;
	struct agent_create_container_request from = { .container_id = "x" }, to = { 0 };
	struct task_state_response task = { 0 }, back = { 0 };

	(void)state;
	assert_int_equal(arena_new(&arena), 0);
	copy_through_wire(agent_create_container.request, &from, &to, arena);
	assert_string_equal(to.container_id, "x");
	assert_string_equal(to.exec_id, "");
	assert_null(to.oci);
	assert_null(to.storages);
	copy_through_wire(task_v2_state.response, &task, &back, arena);
	assert_string_equal(back.bundle, "");
	assert_int_equal(back.exited_at.seconds, 0);
}

static void zero_and_absent_stay_different_in_a_spec(void **state)
{
	int64_t zero64 = 0;
	uint64_t swappiness = 0;
	int32_t oom = 0;
	uint32_t umask_ = 0;
	bool off = false;
	struct oci_device_cgroup rules[] = {
		{ .allow = true, .type = (char *)"c", .major = &(int64_t){ 1 }, .minor = &zero64 },
		{ .allow = false }
	};
	struct oci_memory memory = { .swappiness = &swappiness, .disable_oom_killer = &off };
	struct oci_resources resources = { .devices = rules, .nr_devices = 2, .memory = &memory };
	struct oci_linux linux_part = { .resources = &resources };
	struct oci_process process = { .oom_score_adj = &oom, .user = { .umask = &umask_ } };
	struct oci_spec spec = { .linux_ = &linux_part, .process = &process }, back = { 0 };
	struct agent_create_container_request from = { .oci = &spec }, to = { 0 };
	cleanup_arena struct arena *arena = NULL;

	(void)state;
	assert_int_equal(arena_new(&arena), 0);
	copy_through_wire(agent_create_container.request, &from, &to, arena);
	assert_non_null(to.oci);
	back = *to.oci;
	assert_null(back.hostname);
	assert_null(back.root);
	assert_non_null(back.process->oom_score_adj);
	assert_int_equal(*back.process->oom_score_adj, 0);
	assert_non_null(back.process->user.umask);
	assert_int_equal(*back.process->user.umask, 0);
	const struct oci_resources *r = back.linux_->resources;
	assert_int_equal(r->nr_devices, 2);
	assert_int_equal(*r->devices[0].major, 1);
	assert_non_null(r->devices[0].minor);
	assert_int_equal(*r->devices[0].minor, 0);
	assert_null(r->devices[1].major);
	assert_null(r->devices[1].type);
	assert_non_null(r->memory->swappiness);
	assert_non_null(r->memory->disable_oom_killer);
	assert_null(r->memory->limit);
	assert_null(r->cpu);
}

static void what_kata_has_no_field_for_survives_between_our_ends(void **state)
{
	struct kv unified[] = { { .key = (char *)"memory.high", .value = (char *)"1048576" } };
	struct oci_resources resources = { .unified = unified, .nr_unified = 1 };
	struct oci_time_offset offset = { .key = (char *)"boottime", .secs = -5, .nanosecs = 9 };
	struct oci_personality personality = { .domain = (char *)"LINUX32" };
	struct oci_linux linux_part = { .resources = &resources,
					.time_offsets = &offset,
					.nr_time_offsets = 1,
					.personality = &personality };
	struct oci_id_mapping mapping = { .container_id = 0, .host_id = 1000, .size = 1 };
	struct oci_mount mount = { .destination = (char *)"/x",
				   .uid_mappings = &mapping,
				   .nr_uid_mappings = 1 };
	struct oci_scheduler scheduler = { .policy = (char *)"SCHED_BATCH", .nice = -5 };
	struct oci_process process = { .scheduler = &scheduler };
	struct oci_spec spec = { .linux_ = &linux_part,
				 .mounts = &mount,
				 .nr_mounts = 1,
				 .process = &process,
				 .domainname = (char *)"example" };
	struct agent_create_container_request from = { .oci = &spec }, to = { 0 };
	cleanup_arena struct arena *arena = NULL;

	(void)state;
	assert_int_equal(arena_new(&arena), 0);
	copy_through_wire(agent_create_container.request, &from, &to, arena);
	assert_string_equal(to.oci->domainname, "example");
	assert_string_equal(to.oci->linux_->resources->unified[0].value, "1048576");
	assert_int_equal(to.oci->linux_->time_offsets[0].secs, -5);
	assert_string_equal(to.oci->linux_->personality->domain, "LINUX32");
	assert_int_equal(to.oci->mounts[0].uid_mappings[0].host_id, 1000);
	assert_int_equal(to.oci->process->scheduler->nice, -5);
}

/* --- hostile bytes --- */

static int decode(const struct pb_type *type, const void *data, size_t len)
{
	cleanup_arena struct arena *arena = NULL;
	struct err err = ERR_NULL;

	assert_int_equal(arena_new(&arena), 0);
	void *plain = arena_alloc(arena, pb_type_size(type));
	int r = pb_decode(type, data, len, arena, plain, &err);
	assert_true((r < 0) == (err.code != 0));
	return r;
}

static void a_nul_inside_a_string_is_refused(void **state)
{
	(void)state;
	assert_int_equal(decode(health_check.request,
				"\x0a\x03"
				"a\0b",
				5),
			 -EBADMSG);
	/* Also inside nested messages and list elements, but not in bytes. */
	assert_int_equal(decode(agent_create_container.request,
				"\x22\x05\x0a\x03"
				"a\0b",
				7),
			 -EBADMSG);
	assert_int_equal(decode(agent_write_stdin.request,
				"\x1a\x03"
				"a\0b",
				5),
			 0);
}

static void truncated_and_overlong_fields_are_refused(void **state)
{
	(void)state;
	assert_int_equal(decode(health_check.request, "\x0a", 1), -EBADMSG);
	assert_int_equal(decode(health_check.request,
				"\x0a\x05"
				"ab",
				4),
			 -EBADMSG);
	assert_int_equal(
		decode(health_check.request, "\x0a\xff\xff\xff\xff\xff\xff\xff\xff\xff\x01", 11),
		-EBADMSG);
	assert_int_equal(
		decode(health_check.request, "\x80\x80\x80\x80\x80\x80\x80\x80\x80\x80\x80", 11),
		-EBADMSG);
	assert_int_equal(decode(health_check.request, "\x0b\x0c", 2), -EBADMSG); /* a group */
	assert_int_equal(decode(health_check.request, "\x00\x00", 2),
			 -EBADMSG); /* field number 0 */
	/* A string where a number belongs: protobuf-c keeps it as an unknown field or refuses, but
	 * does not crash. */
	(void)decode(agent_signal_process.request, "\x1a\x01x", 3);
	assert_int_equal(decode(health_check.request, "\xfa\x7f\x03xyz", 6),
			 0); /* unknown fields are skipped */
}

static void numbers_that_do_not_fit_are_refused(void **state)
{
	/* process { OOMScoreAdj: 2^40 } */
	static const uint8_t data[] = { 0x22, 0x07, 0x58, 0x80, 0x80, 0x80, 0x80, 0x80, 0x20 };
	cleanup_arena struct arena *arena = NULL;
	struct oci_box box = { .height = (uint64_t)1 << 40 };
	struct oci_process process = { .console_size = &box };
	struct agent_exec_process_request req = { .process = &process };
	uint8_t *bytes;
	size_t len;

	(void)state;
	assert_int_equal(decode(agent_exec_process.request, data, sizeof(data)), -ERANGE);
	assert_int_equal(arena_new(&arena), 0);
	assert_int_equal(pb_encode(agent_exec_process.request, &req, arena, &bytes, &len), -ERANGE);
}

static void the_cost_of_a_message_is_bounded(void **state)
{
	size_t len = RPC_MESSAGE_MAX;
	uint8_t *data = calloc(1, len + 1);

	(void)state;
	assert_non_null(data);
	assert_int_equal(decode(agent_write_stdin.request, data, len + 1), -EMSGSIZE);
	/* Two million empty devices. */
	for (size_t i = 0; i < len; i += 2)
		data[i] = 0x22;
	for (size_t i = 1; i < len; i += 2)
		data[i] = 0;
	assert_int_equal(decode(agent_create_container.request, data, len), -EMSGSIZE);
	/* Four million packed numbers: AddSwapRequest.PCIPath. */
	data[0] = 0x0a;
	data[1] = 0xfb;
	data[2] = 0xff;
	data[3] = 0xff;
	data[4] = 0x01;
	memset(data + 5, 1, len - 5);
	assert_int_equal(decode(agent_add_swap.request, data, len), -EMSGSIZE);
	free(data);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(every_table_matches_its_message),
		cmocka_unit_test(every_method_matches_its_service),
		cmocka_unit_test(every_message_survives_the_way_there_and_back),
		cmocka_unit_test(bytes_on_the_wire_are_those_of_other_implementations),
		cmocka_unit_test(an_any_is_known_by_its_name_with_or_without_a_prefix),
		cmocka_unit_test(absent_strings_are_empty_and_absent_messages_null),
		cmocka_unit_test(zero_and_absent_stay_different_in_a_spec),
		cmocka_unit_test(what_kata_has_no_field_for_survives_between_our_ends),
		cmocka_unit_test(a_nul_inside_a_string_is_refused),
		cmocka_unit_test(truncated_and_overlong_fields_are_refused),
		cmocka_unit_test(numbers_that_do_not_fit_are_refused),
		cmocka_unit_test(the_cost_of_a_message_is_bounded),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
