/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Unit tests of how a spec's devices become the guest's: without nodes, since only root makes them.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "agent/device/guest_devices.h"
#include "arena-fixture.h"
#include "common/fd.h"

/* Adapts a spec whose only rule is @rule, for a guest that has the loop driver or not. */
static struct oci_linux adapt(struct oci_device_cgroup *rule, bool has_loops)
{
	struct oci_resources resources = { .devices = rule, .nr_devices = 1 };
	struct oci_linux linux_ = { .resources = &resources };
	struct oci_spec spec = { .linux_ = &linux_ };
	char dev[] = "/tmp/test-guest-devices.XXXXXX", control[64];

	assert_non_null(mkdtemp(dev));
	(void)snprintf(control, sizeof(control), "%s/loop-control", dev);
	if (has_loops)
		(void)fd_close(open(control, O_CREAT | O_CLOEXEC, 0600));
	assert_int_equal(guest_devices_adapt(&spec, dev, "/nosuch", arena, &err), 0);
	if (has_loops)
		assert_int_equal(unlink(control), 0);
	assert_int_equal(rmdir(dev), 0);
	return linux_;
}

static void the_privileged_get_nodes_of_loop_devices(void **state)
{
	struct oci_device_cgroup all = { .allow = true, .type = "a", .access = "rwm" };
	struct oci_linux linux_ = adapt(&all, true);

	(void)state;
	assert_int_equal(linux_.nr_devices, 8);
	for (size_t i = 0; i < linux_.nr_devices; i++) {
		assert_string_equal(linux_.devices[i].type, "b");
		assert_int_equal(linux_.devices[i].major, 7);
		assert_int_equal(linux_.devices[i].minor, i);
		assert_int_equal(*linux_.devices[i].file_mode, 0660);
	}
	assert_string_equal(linux_.devices[7].path, "/dev/loop7");
	assert_int_equal(adapt(&all, false).nr_devices, 0);
}

static void others_get_none(void **state)
{
	struct oci_device_cgroup none = { .allow = false, .type = "a", .access = "rwm" };

	(void)state;
	assert_int_equal(adapt(&none, true).nr_devices, 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		ARENA_TEST(the_privileged_get_nodes_of_loop_devices),
		ARENA_TEST(others_get_none),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
