/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Unit tests of the reader of depmod's lists: what is inserted for a name or an alias, and in which
 * order. Nothing is given to the kernel.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "agent/device/drivers.h"
#include "agent/device/modprobe.h"
#include "agent/device/modules.h"
#include "common/fd.h"
#include "common/io.h"
#include "common/str.h"

static const char dep[] = "kernel/drivers/virtio/virtio.ko:\n"
			  "kernel/drivers/virtio/virtio_ring.ko: kernel/drivers/virtio/virtio.ko\n"
			  "kernel/fs/fuse/fuse.ko:\n"
			  "kernel/fs/fuse/virtiofs.ko: kernel/fs/fuse/fuse.ko "
			  "kernel/drivers/virtio/virtio_ring.ko kernel/drivers/virtio/virtio.ko\n"
			  "kernel/net/netfilter/xt_MASQUERADE.ko.xz:\n"
			  "kernel/crypto/crc32c-intel.ko:\n"
			  "no colon in this line\n"
			  "kernel/broken/last.ko: kernel/broken/gone.ko kernel/fs/fuse/fuse.ko";
static const char alias[] = "# Aliases extracted from modules themselves.\n"
			    "alias virtio:d0000001Av* virtiofs\n"
			    "alias fs-virtiofs virtiofs\n"
			    "alias crypto-crc32c crc32c-intel\n"
			    "alias crypto-crc32c crc32c_generic\n"
			    "alias pci:v00001AF4d0000104[0-9]sv* virtio_ring\n"
			    "alias fs-ext4 ext4\n"
			    "alias net-broken last\n"
			    "alias too few\n"
			    "alias\n";
static const char builtin[] = "kernel/fs/ext4/ext4.ko\nkernel/drivers/pci/shpc-hp.ko\n";

struct inserted {
	char text[1024]; /* what went in, each followed by a blank */
	const char *fails;
	int error;
};

static int insert(void *arg, const char *file, const char *parameters)
{
	struct inserted *in = arg;
	size_t len = strlen(in->text);

	if (in->fails && str_eq(file, in->fails))
		return in->error;
	(void)snprintf(in->text + len, sizeof(in->text) - len, "%s%s%s ", strrchr(file, '/') + 1,
		       *parameters ? "," : "", parameters);
	return 0;
}

static char dir[32];

static void write_list(const char *name, const char *text)
{
	char path[64];

	(void)snprintf(path, sizeof(path), "%s/%s", dir, name);
	assert_int_equal(io_replace_file_at(AT_FDCWD, path, text, strlen(text), 0644), 0);
}

static int set_up(void **state)
{
	(void)state;
	(void)snprintf(dir, sizeof(dir), "/tmp/modules.XXXXXX");
	if (!mkdtemp(dir))
		return -1;
	write_list("modules.dep", dep);
	write_list("modules.alias", alias);
	write_list("modules.builtin", builtin);
	return 0;
}

static int tear_down(void **state)
{
	(void)state;
	return io_rm_tree_at(AT_FDCWD, dir);
}

/* Loads @name and expects @order; @code is the error or 0. */
static void expect_with(struct inserted *in, const char *name, const char *parameters, int code,
			const char *order)
{
	cleanup_modules struct modules *modules = NULL;
	struct err err = ERR_NULL;

	assert_int_equal(modules_open(dir, insert, in, &modules), 0);
	assert_int_equal(modules_load(modules, name, parameters, &err), -code);
	assert_int_equal(err.code, code);
	assert_string_equal(in->text, order);
	*in->text = '\0';
}

static void expect(const char *name, int code, const char *order)
{
	struct inserted in = { 0 };

	expect_with(&in, name, "", code, order);
}

static void what_a_module_needs_goes_in_before_it(void **state)
{
	(void)state;
	expect("virtio", 0, "virtio.ko ");
	expect("virtiofs", 0, "virtio.ko virtio_ring.ko fuse.ko virtiofs.ko ");
}

static void parameters_are_for_the_module_that_was_named(void **state)
{
	struct inserted in = { 0 };

	(void)state;
	expect_with(&in, "virtio_ring", "a=1 b=2", 0, "virtio.ko virtio_ring.ko,a=1 b=2 ");
}

static void dash_and_underscore_are_the_same(void **state)
{
	(void)state;
	expect("virtio-ring", 0, "virtio.ko virtio_ring.ko ");
	expect("crc32c_intel", 0, "crc32c-intel.ko ");
	expect("fs_virtiofs", 0, "virtio.ko virtio_ring.ko fuse.ko virtiofs.ko ");
}

static void a_packed_module_is_found_by_its_name(void **state)
{
	(void)state;
	expect("xt_MASQUERADE", 0, "xt_MASQUERADE.ko.xz ");
	expect("xt_masquerade", ENOENT, "");
}

static void a_device_finds_its_driver_by_its_alias(void **state)
{
	(void)state;
	expect("virtio:d0000001Av00001AF4", 0, "virtio.ko virtio_ring.ko fuse.ko virtiofs.ko ");
	expect("virtio:d0000001Bv00001AF4", ENOENT, "");
	expect("pci:v00001AF4d00001043sv0000", 0, "virtio.ko virtio_ring.ko ");
	expect("pci:v00001AF4d0000104-sv0000", ENOENT, "");
}

static void buses_are_known_by_the_aliases_of_their_devices(void **state)
{
	cleanup_modules struct modules *modules = NULL;
	struct inserted in = { 0 };

	(void)state;
	assert_int_equal(modules_open(dir, insert, &in, &modules), 0);
	assert_true(modules_know_bus(modules, "virtio"));
	assert_true(modules_know_bus(modules, "pci"));
	assert_false(modules_know_bus(modules, "acpi"));
	assert_false(modules_know_bus(modules, "fs"));
}

static void one_of_several_modules_of_an_alias_is_enough(void **state)
{
	struct inserted in = { .fails = "kernel/crypto/crc32c-intel.ko", .error = -ENODEV };

	(void)state;
	expect("crypto-crc32c", 0, "crc32c-intel.ko ");
	expect_with(&in, "crypto-crc32c", "", ENODEV, "");
}

static void what_is_built_in_needs_nothing(void **state)
{
	(void)state;
	expect("ext4", 0, "");
	expect("fs-ext4", 0, "");
	expect("shpc_hp", 0, "");
}

static void a_module_that_does_not_go_in_is_named(void **state)
{
	struct inserted in = { .fails = "kernel/broken/gone.ko", .error = -ENOENT };
	cleanup_modules struct modules *modules = NULL;
	struct err err = ERR_NULL;

	(void)state;
	/* Also where the file is missing: that is not "no such module". */
	assert_int_equal(modules_open(dir, insert, &in, &modules), 0);
	assert_int_equal(modules_load(modules, "net-broken", "", &err), -ENOENT);
	assert_non_null(strstr(err.text, "kernel/broken/gone.ko"));
	assert_string_equal(in.text, "fuse.ko ");
}

static void an_unknown_name_is_named(void **state)
{
	cleanup_modules struct modules *modules = NULL;
	struct inserted in = { 0 };
	struct err err = ERR_NULL;
	char name[4096];

	(void)state;
	assert_int_equal(modules_open(dir, insert, &in, &modules), 0);
	assert_int_equal(modules_load(modules, "no-such", "", &err), -ENOENT);
	assert_string_equal(err.text, "there is no module no-such");
	assert_int_equal(modules_load(modules, "", "", &err), -ENOENT);
	memset(name, 'a', sizeof(name) - 1);
	name[sizeof(name) - 1] = '\0';
	assert_int_equal(modules_load(modules, name, "", &err), -ENAMETOOLONG);
}

static void a_line_too_long_is_refused_and_not_cut(void **state)
{
	struct strbuf text = STRBUF_NULL;

	(void)state;
	assert_true(strbuf_puts(&text, "kernel/a/many.ko:") >= 0);
	for (int i = 0; i < 100; i++)
		assert_true(strbuf_printf(&text, " kernel/a/n%d.ko", i) >= 0);
	write_list("modules.dep", text.data);
	strbuf_deinit(&text);
	expect("many", E2BIG, "");
	write_list("modules.dep", dep);
}

static void a_kernel_without_modules_is_no_accident(void **state)
{
	struct modules *modules = NULL;

	(void)state;
	assert_int_equal(modules_open("/nonexistent", NULL, NULL, &modules), -ENOENT);
	assert_int_equal(modules_open("/proc/self/task", NULL, NULL, &modules), -ENOENT);
	assert_null(modules);
	/* Only modules.dep is needed. */
	char path[64];
	(void)snprintf(path, sizeof(path), "%s/modules.alias", dir);
	assert_int_equal(unlink(path), 0);
	expect("virtio", 0, "virtio.ko ");
	expect("fs-virtiofs", ENOENT, "");
	write_list("modules.alias", alias);
}

static void the_agent_knows_when_it_is_modprobe(void **state)
{
	char agent[] = "/init", program[] = "/sbin/modprobe", name[] = "modprobe", q[] = "-q";

	(void)state;
	assert_false(modprobe_is_asked(1, (char *[]){ agent, NULL }));
	assert_true(modprobe_is_asked(2, (char *[]){ program, q, NULL }));
	assert_true(modprobe_is_asked(1, (char *[]){ name, NULL }));
	assert_false(modprobe_is_asked(0, (char *[]){ NULL }));
	assert_int_equal(modprobe_main(2, (char *[]){ program, q, NULL }), EXIT_FAILURE);
}

static void a_file_system_the_kernel_lacks_is_named_with_its_option(void **state)
{
	struct err err = ERR_NULL;

	(void)state;
	assert_int_equal(drivers_mount_failed(&err, -ENODEV, "disk", "nosuchfs"), -ENODEV);
	assert_string_equal(err.text, "mount disk: the guest's kernel lacks nosuchfs "
				      "(no such file system)");
	/* A file system that is there has another reason, and other errors have others. */
	assert_int_equal(drivers_mount_failed(&err, -ENODEV, "disk", "proc"), -ENODEV);
	assert_string_equal(err.text, "mount disk (proc): No such device");
	assert_int_equal(drivers_mount_failed(&err, -EPERM, "disk", "nosuchfs"), -EPERM);
	assert_string_equal(err.text, "mount disk (nosuchfs): Operation not permitted");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(what_a_module_needs_goes_in_before_it),
		cmocka_unit_test(parameters_are_for_the_module_that_was_named),
		cmocka_unit_test(dash_and_underscore_are_the_same),
		cmocka_unit_test(a_packed_module_is_found_by_its_name),
		cmocka_unit_test(a_device_finds_its_driver_by_its_alias),
		cmocka_unit_test(buses_are_known_by_the_aliases_of_their_devices),
		cmocka_unit_test(one_of_several_modules_of_an_alias_is_enough),
		cmocka_unit_test(what_is_built_in_needs_nothing),
		cmocka_unit_test(a_module_that_does_not_go_in_is_named),
		cmocka_unit_test(an_unknown_name_is_named),
		cmocka_unit_test(a_line_too_long_is_refused_and_not_cut),
		cmocka_unit_test(a_kernel_without_modules_is_no_accident),
		cmocka_unit_test(the_agent_knows_when_it_is_modprobe),
		cmocka_unit_test(a_file_system_the_kernel_lacks_is_named_with_its_option),
	};

	return cmocka_run_group_tests(tests, set_up, tear_down);
}
