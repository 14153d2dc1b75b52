/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Unit test of OCI configurations on the wire: real ones, as container managers write them, must
 * come out of the agent's request as they went in.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <dirent.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>

#include "common/io.h"
#include "common/str.h"
#include "oci/spec.h"
#include "rpc/pb/agent_msg.h"
#include "rpc/pb/pb_bridge.h"

#define SAMPLES "tests/golden/samples"

static void check_config(const char *name)
{
	cleanup_arena struct arena *arena = NULL;
	cleanup_free char *json = NULL;
	cleanup_strbuf struct strbuf before = STRBUF_NULL, after = STRBUF_NULL;
	struct agent_create_container_request to = { 0 };
	struct oci_spec *spec;
	struct err err = ERR_NULL;
	char path[512];
	uint8_t *data;
	size_t len;

	(void)snprintf(path, sizeof(path), SAMPLES "/%s", name);
	assert_int_equal(arena_new(&arena), 0);
	ssize_t size = io_read_file_at(AT_FDCWD, path, 4 << 20, &json);
	assert_true(size > 0);
	if (oci_spec_parse(json, (size_t)size, path, arena, &spec, &err) < 0)
		fail_msg("%s", err.text);
	struct agent_create_container_request from = { .container_id = "c", .oci = spec };
	assert_int_equal(pb_encode(agent_create_container.request, &from, arena, &data, &len), 0);
	if (pb_decode(agent_create_container.request, data, len, arena, &to, &err) < 0)
		fail_msg("%s: %s", path, err.text);
	assert_int_equal(oci_spec_format(spec, 1, &before), 0);
	assert_int_equal(oci_spec_format(to.oci, 1, &after), 0);
	if (strcmp(before.data, after.data) != 0) {
		size_t at = 0;

		while (before.data[at] == after.data[at])
			at++;
		fail_msg("%s changes on the wire: ...%.80s... becomes ...%.80s...", path,
			 before.data + at, after.data + at);
	}
}

static void real_configurations_survive_the_wire(void **state)
{
	DIR *dir = opendir(SAMPLES);
	int nr = 0;

	(void)state;
	if (!dir)
		skip(); /* not run from the top of the checkout */
	for (const struct dirent *entry; (entry = readdir(dir));) {
		size_t len = strlen(entry->d_name);

		if (len > 12 && strcmp(entry->d_name + len - 12, ".config.json") == 0) {
			check_config(entry->d_name);
			nr++;
		}
	}
	(void)closedir(dir);
	assert_true(nr > 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(real_configurations_survive_the_wire),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
