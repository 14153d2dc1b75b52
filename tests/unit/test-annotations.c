/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Unit tests of src/config/annotations: what a pod may change about its sandbox, and how it is told
 * that it may not.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <errno.h>
#include <string.h>

#include "arena-fixture.h"
#include "common/str.h"
#include "config/config.h"

#define HV "io.katacontainers.config.hypervisor."
#define RT "io.katacontainers.config.runtime."
#define AG "io.katacontainers.config.agent."

static struct config *config;

static void load(const char *text)
{
	if (config_parse_for_test(text, strlen(text), "c.toml", arena, &config, &err) < 0)
		fail_msg("%s", err.text);
}

static int apply(const char *key, const char *value)
{
	struct kv kv = { arena_strdup(arena, key), arena_strdup(arena, value) };

	return config_apply_annotations(config, &kv, 1, arena, &err);
}

static void accepts(const char *key, const char *value)
{
	if (apply(key, value) < 0)
		fail_msg("%s", err.text);
}

static void refuses(const char *key, const char *value, int code, const char *text)
{
	assert_int_equal(apply(key, value), code);
	assert_string_equal(err.text, text);
}

static void nothing_is_allowed_that_is_not_listed(void **state)
{
	(void)state;
	load("");
	refuses(HV "default_memory", "4096", -EPERM,
		"annotation " HV "default_memory: not enabled by "
		"enable_annotations in the configuration");
	refuses(HV "no_such_thing", "1", -EPERM,
		"annotation " HV "no_such_thing: not enabled by enable_annotations in "
		"the configuration");
	refuses(AG "kernel_modules", "evil", -EPERM,
		"annotation " AG "kernel_modules: not enabled by "
		"enable_annotations in the configuration");
	refuses(RT "disable_new_netns", "true", -EPERM,
		"annotation " RT "disable_new_netns: not enabled by "
		"enable_annotations in the configuration");
	assert_int_equal(config->hypervisor.default_memory, 2048);
}

static void other_annotations_are_none_of_our_business(void **state)
{
	(void)state;
	load("");
	accepts("io.kubernetes.cri.sandbox-id", "x");
	accepts("io.katacontainers.pkg.oci.bundle_path", "/b");
	accepts(RT "enable_pprof", "true"); /* known and without effect */
	refuses("io.katacontainers.config.nonsense", "1", -EINVAL,
		"annotation io.katacontainers.config.nonsense: there is no such setting");
}

static void listed_keys_are_set_with_their_types(void **state)
{
	(void)state;
	load("[hypervisor.qemu]\ndefault_maxvcpus=8\nenable_annotations=['default_.*','blk_logical_sector_size',"
	     "'enable_hugepages','shared_fs','virtio_fs_extra_args']\n[runtime]\nenable_annotations="
	     "['agent\\.kernel_modules','runtime\\.disable_guest_seccomp']");
	accepts(HV "default_memory", "4096");
	accepts(HV "default_vcpus", "2.5");
	accepts(HV "default_max_vcpus", "6");
	accepts(HV "blk_logical_sector_size", "512");
	accepts(HV "enable_hugepages", "true");
	accepts(HV "shared_fs", "none");
	accepts(HV "virtio_fs_extra_args", "[\"-o\", \"a;b\"]");
	accepts(AG "kernel_modules", "e1000e a=1;i915");
	accepts(RT "disable_guest_seccomp", "true");
	assert_int_equal(config->hypervisor.default_memory, 4096);
	assert_int_equal(config->hypervisor.default_vcpus, 3);
	assert_int_equal(config->hypervisor.default_maxvcpus, 6);
	assert_int_equal(config->hypervisor.block_device_logical_sector_size, 512);
	assert_true(config->hypervisor.enable_hugepages);
	assert_int_equal(config->hypervisor.shared_fs, CONFIG_SHARED_FS_NONE);
	assert_int_equal(config->hypervisor.virtio_fs_extra_args.nr, 2);
	assert_string_equal(config->hypervisor.virtio_fs_extra_args.v[1], "a;b");
	assert_int_equal(config->agent.kernel_modules.nr, 2);
	assert_string_equal(config->agent.kernel_modules.v[0], "e1000e a=1");
	assert_true(config->runtime.disable_guest_seccomp);
}

static void bad_values_are_refused(void **state)
{
	(void)state;
	load("[hypervisor.qemu]\ndefault_maxmemory=8192\nenable_annotations=['.*']");
	refuses(HV "default_memory", "4G", -EINVAL,
		"annotation " HV "default_memory: \"4G\" is not a number");
	refuses(HV "default_memory", "1", -ERANGE,
		"annotation " HV "default_memory: 1 is not between 64 and 16777216");
	refuses(HV "default_vcpus", "0x10", -EINVAL,
		"annotation " HV "default_vcpus: \"0x10\" is not a number");
	refuses(HV "enable_hugepages", "yes", -EINVAL,
		"annotation " HV "enable_hugepages: \"yes\" is neither \"true\" nor \"false\"");
	refuses(HV "machine_type", "q35,dump-guest-core=on", -EINVAL,
		"annotation " HV "machine_type: "
		"\"q35,dump-guest-core=on\" may hold only letters, digits and \"._-\"");
	refuses(HV "virtio_fs_extra_args", "[1]", -EINVAL,
		"annotation " HV
		"virtio_fs_extra_args: list:1: [0]: expected a string, found a number");
	refuses(HV "no_such_thing", "1", -EINVAL,
		"annotation " HV "no_such_thing: there is no such setting");
	refuses(HV "default_memory", "9000", -ERANGE,
		"default_memory: 9000 MiB is above default_maxmemory, 8192 MiB");
}

static void expressions_match_whole_names(void **state)
{
	(void)state;
	load("[hypervisor.qemu]\nenable_annotations=['path','kernel|x']");
	assert_int_equal(apply(HV "guest_hook_path", "/h"), -EPERM);
	assert_int_equal(apply(HV "kernel_params", "quiet"), -EPERM);
	accepts(HV "path", "/usr/bin/qemu-system-x86_64");
}

static void paths_must_match_the_lists_of_the_administrator(void **state)
{
	(void)state;
	load("[hypervisor.qemu]\nenable_annotations=['.*']\nvalid_kernel_paths=['/opt/k/*','/boot/vmlinuz-?']");
	accepts(HV "kernel", "/opt/k/vmlinux");
	accepts(HV "kernel", "/boot/vmlinuz-6");
	refuses(HV "kernel", "/tmp/vmlinux", -EPERM,
		"annotation " HV
		"kernel: \"/tmp/vmlinux\" is not among the paths that the configuration allows");
	assert_int_equal(apply(HV "kernel", "/opt/k/../x"), -EPERM);
	assert_int_equal(apply(HV "kernel", "/opt/k/.."), -EPERM);
	assert_int_equal(apply(HV "kernel", "/opt/k/sub/vmlinux"), -EPERM);
	assert_int_equal(apply(HV "kernel", ""), -EPERM);
	assert_int_equal(apply(HV "path", "/bin/sh"), -EPERM);
	assert_int_equal(apply(HV "virtio_fs_daemon", "/bin/sh"), -EPERM);
	assert_int_equal(apply(HV "entropy_source", "/dev/sda"), -EPERM);
	accepts(HV "entropy_source", "/dev/random");
	assert_string_equal(config->hypervisor.kernel, "/boot/vmlinuz-6");
}

static void what_guards_the_rules_cannot_be_changed_by_a_pod(void **state)
{
	(void)state;
	load("[hypervisor.qemu]\nenable_annotations=['.*']\n[runtime]\nenable_annotations=['.*']");
	refuses(HV "enable_annotations", ".*", -EPERM,
		"annotation " HV "enable_annotations: can be set in the configuration only");
	assert_int_equal(apply(HV "valid_kernel_paths", "/tmp/*"), -EPERM);
	assert_int_equal(apply(HV "seccompsandbox", "off"), -EPERM);
	assert_int_equal(apply(RT "disable_guest_empty_dir", "false"), -EPERM);
	assert_int_equal(apply(RT "enable_annotations", ".*"), -EPERM);
	assert_int_equal(apply(HV "confidential_guest", "true"), -EPERM);
}

static void kernel_parameters_are_added_to_the_administrators(void **state)
{
	(void)state;
	load("[hypervisor.qemu]\nkernel_params='quiet'\nenable_annotations=['kernel_params']");
	accepts(HV "kernel_params", "a=1");
	assert_string_equal(config->hypervisor.kernel_params, "quiet a=1");
	assert_int_equal(apply(HV "kernel_params", "a\nb"), -EINVAL);
}

static void some_keys_are_free(void **state)
{
	(void)state;
	load("");
	accepts(RT "create_container_timeout", "120");
	accepts(AG "container_pipe_size", "65536");
	assert_int_equal(config->agent.create_container_timeout_ms, 120000);
	assert_int_equal(config->agent.container_pipe_size, 65536);
	assert_int_equal(apply(RT "create_container_timeout", "0"), -ERANGE);
	assert_int_equal(apply(AG "container_pipe_size", "1048577"), -ERANGE);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		ARENA_TEST(nothing_is_allowed_that_is_not_listed),
		ARENA_TEST(other_annotations_are_none_of_our_business),
		ARENA_TEST(listed_keys_are_set_with_their_types),
		ARENA_TEST(bad_values_are_refused),
		ARENA_TEST(expressions_match_whole_names),
		ARENA_TEST(paths_must_match_the_lists_of_the_administrator),
		ARENA_TEST(what_guards_the_rules_cannot_be_changed_by_a_pod),
		ARENA_TEST(kernel_parameters_are_added_to_the_administrators),
		ARENA_TEST(some_keys_are_free),
	};

	return cmocka_run_group_tests_name("annotations", tests, NULL, NULL);
}
