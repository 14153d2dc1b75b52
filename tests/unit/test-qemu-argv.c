/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Golden tests of QEMU's command line: several VMs, each against tests/golden/qemu/<case>.ok, one
 * argument per line and the inherited descriptors after it. GOLDEN_UPDATE=1 rewrites the files.
 * Also: PCI addresses and refused input.
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

#include "common/io.h"
#include "common/str.h"
#include "sandbox/hypervisor/qemu_cmdline.h"
#include "sandbox/hypervisor/qemu_device.h"

/* Numbers of descriptors that exist only on paper. */
static const struct qemu_links links = { .qmp_fd = 100, .console_fd = 101, .stderr_fd = 102 };

static struct vm_config minimal(void)
{
	struct vm_config config = VM_CONFIG_NULL;

	config.name = "abc";
	config.path = "/usr/bin/qemu-system-x86_64";
	config.kernel = "/usr/share/kata-containers/vmlinux";
	config.initrd = "/usr/share/kata-containers/initrd.img";
	config.vcpus = 1;
	config.memory.mib = 256;
	return config;
}

static int build(const struct vm_config *config, const struct qemu_links *use, struct strbuf *out,
		 struct err *err)
{
	struct qemu_slot slots[16] = { 0 };
	struct qemu_cmdline cmd;
	cleanup_arena struct arena *arena = NULL;
	struct qemu_pci pci;
	int r = arena_new(&arena);

	assert_int_equal(r, 0);
	qemu_pci_init(&pci, qemu_machine_is_express(config), config->bridges,
		      config->to_save || config->restore);
	r = qemu_cmdline_build(config, use, &pci, slots, arena, &cmd, err);
	if (r < 0)
		return r;
	for (size_t i = 0; i < cmd.argv.nr; i++)
		assert_int_equal(strbuf_printf(out, "%s\n", cmd.argv.v[i]), 0);
	for (size_t i = 0; i < cmd.nr_fds; i++)
		assert_int_equal(
			strbuf_printf(out, "# fd %d is %d\n", cmd.fds[i].target, cmd.fds[i].fd), 0);
	for (size_t i = 0; i < config->nr_devices; i++)
		assert_int_equal(strbuf_printf(out, "# %s is at %s\n", config->devices[i].id,
					       config->devices[i].guest_path),
				 0);
	return 0;
}

static void check_golden(const char *name, const struct vm_config *config,
			 const struct qemu_links *use)
{
	cleanup_strbuf struct strbuf text = STRBUF_NULL;
	cleanup_free char *wanted = NULL;
	struct err err = ERR_NULL;
	char path[128];

	if (build(config, use, &text, &err) < 0)
		fail_msg("%s", err.text);
	(void)snprintf(path, sizeof(path), "tests/golden/qemu/%s.ok", name);
	if (getenv("GOLDEN_UPDATE"))
		assert_int_equal(io_replace_file_at(AT_FDCWD, path, text.data, text.len, 0644), 0);
	if (io_read_file_at(AT_FDCWD, path, 65536, &wanted) < 0)
		fail_msg("%s cannot be read: run in the top directory", path);
	assert_string_equal(text.data, wanted);
}

static void smallest_vm_has_console_rng_and_nothing_else(void **state)
{
	struct vm_config config = minimal();

	(void)state;
	check_golden("minimal", &config, &links);
}

static void usual_pod_under_tcg(void **state)
{
	struct vm_config config = minimal();
	struct vm_device devices[] = {
		{ .type = VM_DEVICE_FS,
		  .id = "fs-shared",
		  .fs = { .fd = 110, .tag = "kataShared" } },
		{ .type = VM_DEVICE_VSOCK,
		  .id = "vsock",
		  .vsock = { .vhost_user = true, .fd = 111, .cid = 3 } },
		{ .type = VM_DEVICE_NET,
		  .id = "eth0",
		  .net = { .tap_fds = { 112 },
			   .nr_queues = 1,
			   .mac = { 2, 0, 0, 0xab, 0xcd, 0xef },
			   .mtu = 1450 } },
	};
	struct qemu_links with_qboot = links;

	(void)state;
	with_qboot.firmware = "/usr/share/qemu/qboot.rom";
	config.max_vcpus = 4;
	config.memory.max_mib = 4096;
	config.memory.slots = 2;
	config.memory.report_free_pages = true;
	config.bridges = 1;
	config.kernel_params = "agent.log=debug";
	config.devices = devices;
	config.nr_devices = ARRAY_SIZE(devices);
	check_golden("pod-tcg", &config, &with_qboot);
}

static void usual_pod_with_kvm_and_kernel_vhost(void **state)
{
	struct vm_config config = minimal();
	struct vm_device devices[] = {
		{ .type = VM_DEVICE_VSOCK, .id = "vsock", .vsock = { .fd = 111, .cid = 4711 } },
		{ .type = VM_DEVICE_NET,
		  .id = "eth0",
		  .net = { .tap_fds = { 112, 113 },
			   .vhost_fds = { 114, 115 },
			   .vhost = true,
			   .nr_queues = 2,
			   .mac = { 2, 0, 0, 0, 0, 1 } } },
	};

	(void)state;
	config.accel = VM_ACCEL_KVM;
	config.vcpus = 2;
	config.max_vcpus = 8;
	config.cpu_features = "pmu=off";
	config.memory.max_mib = 8192;
	config.memory.virtio_mem = true;
	config.memory.hugepages = true;
	config.memory.prealloc = true;
	config.devices = devices;
	config.nr_devices = ARRAY_SIZE(devices);
	check_golden("pod-kvm", &config, &links);
}

static void pc_machine_with_bridge_serial_console_and_9p(void **state)
{
	struct vm_config config = minimal();
	struct vm_device devices[] = {
		{ .type = VM_DEVICE_9P,
		  .id = "fs-shared",
		  .p9 = { .tag = "kataShared", .path = "/run/a,b" } },
		{ .type = VM_DEVICE_9P,
		  .id = "ro",
		  .p9 = { .tag = "ro", .path = "/srv", .read_only = true } },
	};

	(void)state;
	config.machine_type = "pc";
	config.machine_accelerators = "kernel_irqchip=off";
	config.cpu_model = "qemu64";
	config.firmware = "/opt/bios.bin";
	config.name = "with,comma";
	config.entropy_source = "/dev/random";
	config.seccomp_sandbox = "off";
	config.legacy_serial = true;
	config.debug = true;
	config.bridges = 1;
	config.devices = devices;
	config.nr_devices = ARRAY_SIZE(devices);
	check_golden("pc-9p", &config, &links);
}

static void image_as_block_device_and_ram_from_a_file(void **state)
{
	struct vm_config config = minimal();
	int file = open("/dev/shm", O_RDWR | O_TMPFILE | O_CLOEXEC, 0600);
	struct vm_device devices[] = {
		{ .type = VM_DEVICE_BLOCK,
		  .id = "image",
		  .block = { .read_only = true, .serial = "image" } },
		{ .type = VM_DEVICE_BLOCK,
		  .id = "data",
		  .block = { .aio = VM_AIO_NATIVE,
			     .no_flush = true,
			     .queue_size = 256,
			     .logical_sector_size = 512,
			     .physical_sector_size = 4096 } },
	};

	(void)state;
	assert_true(file >= 0);
	/* A number that does not change from run to run, and fstat() must work on it. */
	assert_int_equal(dup2(file, 120), 120);
	(void)close(file);
	devices[0].block.fd = devices[1].block.fd = 120;
	config.initrd = NULL;
	config.memory.fd = 121;
	config.devices = devices;
	config.nr_devices = ARRAY_SIZE(devices);
	check_golden("image", &config, &links);
	(void)close(120);
}

/* What is saved is the beginning of what is restored, device for device and place for place. */
static void a_saved_vm_and_one_that_is_restored(void **state)
{
	const struct vm_restore restore = { .state_fd = -1 };
	struct vm_config config = minimal();
	struct vm_device devices[] = {
		{ .type = VM_DEVICE_FS,
		  .id = "fs-shared",
		  .fs = { .fd = 110, .tag = "kataShared" } },
		{ .type = VM_DEVICE_VSOCK, .id = "vsock", .vsock = { .fd = 111, .cid = 4 } },
		{ .type = VM_DEVICE_NET,
		  .id = "eth0",
		  .net = { .tap_fds = { 112 }, .nr_queues = 1, .mac = { 2, 0, 0, 0, 0, 1 } } },
	};

	(void)state;
	config.memory.fd = 120;
	config.bridges = 1;
	config.to_save = true;
	check_golden("saved", &config, &links);
	config.to_save = false;
	config.restore = &restore;
	config.devices = devices;
	config.nr_devices = ARRAY_SIZE(devices);
	check_golden("restored", &config, &links);
}

static void bad_configurations_are_refused_with_words(void **state)
{
	cleanup_strbuf struct strbuf text = STRBUF_NULL;
	struct vm_config config = minimal();
	struct vm_device device = { .type = VM_DEVICE_FS,
				    .id = "fs",
				    .fs = { .fd = 5, .tag = "" } };
	struct err err = ERR_NULL;

	(void)state;
	config.vcpus = 0;
	assert_int_equal(build(&config, &links, &text, &err), -EINVAL);
	config = minimal();
	config.memory.mib = UINT64_MAX;
	assert_int_equal(build(&config, &links, &text, &err), -EINVAL);
	config = minimal();
	config.kernel = NULL;
	assert_int_equal(build(&config, &links, &text, &err), -EINVAL);
	config = minimal();
	config.devices = &device;
	config.nr_devices = 1;
	assert_int_equal(build(&config, &links, &text, &err), -EINVAL);
	assert_non_null(strstr(err.text, "tag"));
	device.fs.tag = "x";
	device.fs.fd = -1;
	assert_int_equal(build(&config, &links, &text, &err), -EBADF);
	device.fs.fd = 5;
	(void)snprintf(device.id, sizeof(device.id), "a,b");
	assert_int_equal(build(&config, &links, &text, &err), -EINVAL);
}

static void devices_are_checked_before_qemu_hears_of_them(void **state)
{
	struct vm_device device = { .type = VM_DEVICE_BLOCK, .id = "b" };
	struct err err = ERR_NULL;

	(void)state;
	assert_int_equal(qemu_device_check(&device, &err), 0);
	device.block.serial = "123456789012345678901";
	assert_int_equal(qemu_device_check(&device, &err), -EINVAL);
	device.block.serial = NULL;
	device.block.logical_sector_size = 513;
	assert_int_equal(qemu_device_check(&device, &err), -EINVAL);
	device = (struct vm_device){ .type = VM_DEVICE_NET, .id = "n" };
	assert_int_equal(qemu_device_check(&device, &err), -EINVAL);
	device.net.nr_queues = VM_QUEUES_MAX + 1;
	assert_int_equal(qemu_device_check(&device, &err), -EINVAL);
	device = (struct vm_device){ .type = VM_DEVICE_FS,
				     .id = "f",
				     .fs = { .tag = "t", .cache_size_mib = 1 } };
	assert_int_equal(qemu_device_check(&device, &err), -EOPNOTSUPP);
	memset(device.id, 'x', sizeof(device.id));
	assert_int_equal(qemu_device_check(&device, &err), -EINVAL);
}

static void pc_fills_the_root_bus_before_its_bridge(void **state)
{
	struct qemu_slot slot;
	struct qemu_pci pci;
	char path[16];

	(void)state;
	qemu_pci_init(&pci, false, 1, false);
	for (int i = 0; i < 29; i++) {
		assert_int_equal(qemu_pci_take(&pci, true, &slot), 0);
		assert_int_equal(slot.bus, 0);
	}
	assert_int_equal(qemu_pci_take(&pci, true, &slot), 0);
	qemu_pci_guest_path(&pci, &slot, path, sizeof(path));
	assert_string_equal(path, "02/01");
	for (int i = 0; i < 30; i++)
		assert_int_equal(qemu_pci_take(&pci, true, &slot), 0);
	assert_int_equal(qemu_pci_take(&pci, true, &slot), -ENOSPC);
	qemu_pci_release(&pci, &slot);
	assert_int_equal(qemu_pci_take(&pci, true, &slot), 0);
}

static void q35_plugs_hot_into_root_ports_only(void **state)
{
	struct qemu_slot slot;
	struct qemu_pci pci;
	char path[16];

	(void)state;
	qemu_pci_init(&pci, true, 0, false);
	assert_int_equal(qemu_pci_take(&pci, true, &slot), -ENOSPC);
	assert_int_equal(qemu_pci_take(&pci, false, &slot), 0);
	qemu_pci_init(&pci, true, 1, false);
	assert_int_equal(qemu_pci_take(&pci, true, &slot), 0);
	qemu_pci_guest_path(&pci, &slot, path, sizeof(path));
	assert_string_equal(path, "01/00");
	assert_int_equal(qemu_pci_take(&pci, true, &slot), 0);
	qemu_pci_guest_path(&pci, &slot, path, sizeof(path));
	assert_string_equal(path, "01.1/00");
	assert_int_equal(qemu_pci_take(&pci, false, &slot), 0);
	qemu_pci_guest_path(&pci, &slot, path, sizeof(path));
	assert_string_equal(path, "02");
	qemu_pci_init(&pci, true, 1000, false);
	assert_int_equal(pci.nr_buses, QEMU_PCI_BUSES_MAX - QEMU_PCI_LATE_PORTS);
	qemu_pci_init(&pci, true, 1000, true);
	assert_int_equal(pci.nr_buses, QEMU_PCI_BUSES_MAX);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(smallest_vm_has_console_rng_and_nothing_else),
		cmocka_unit_test(usual_pod_under_tcg),
		cmocka_unit_test(usual_pod_with_kvm_and_kernel_vhost),
		cmocka_unit_test(pc_machine_with_bridge_serial_console_and_9p),
		cmocka_unit_test(image_as_block_device_and_ram_from_a_file),
		cmocka_unit_test(a_saved_vm_and_one_that_is_restored),
		cmocka_unit_test(bad_configurations_are_refused_with_words),
		cmocka_unit_test(devices_are_checked_before_qemu_hears_of_them),
		cmocka_unit_test(pc_fills_the_root_bus_before_its_bridge),
		cmocka_unit_test(q35_plugs_hot_into_root_ports_only),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
