/* SPDX-License-Identifier: Apache-2.0 */
/*
 * DOC: The machine
 *
 * As little as a container's guest can do with: no VGA, no USB, no defaults. RAM is a shared memfd,
 * because vhost-user back ends map it. The default is q35 rather than pc: for every PCI device a
 * guest on pc interprets an ACPI method (_PRT) with a loop of 128 rounds, which under TCG costs 0.1
 * s per device, at boot and at hot-plug. Under TCG again, a root port costs 5 ms of boot and a DIMM
 * slot 20 ms.
 *
 * Devices are JSON objects (qemu_device.c), the rest is QEMU's own "key=value" text in which a
 * comma is written twice.
 *
 * The command line can be read here from top to bottom: see common/argv.h.
 */
#include "sandbox/hypervisor/qemu_cmdline.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "common/argv.h"
#include "common/json.h"
#include "common/str.h"
#include "sandbox/hypervisor/qemu_device.h"

#define SECCOMP_DEFAULT "on,obsolete=deny,elevateprivileges=deny,spawn=deny,resourcecontrol=deny"
#define MACHINE_DEFAULT "q35"
#define TCG_CACHE_DEFAULT_MIB 256U
/* Kernels copy by "rep movsb" where that is said to be fast; emulated, it takes a byte per step. */
#define CPU_DEFAULT_TCG "max,erms=off"

struct builder {
	const struct vm_config *config;
	struct qemu_cmdline *cmd;
	struct qemu_pci *pci;
	struct argv args;
};

/* @s with its commas doubled, as QEMU's key=value syntax wants them. */
static const char *escape(struct builder *b, const char *s)
{
	size_t commas = 0;
	char *out, *p;

	for (const char *q = s; *q; q++)
		commas += *q == ',';
	out = p = arena_alloc(b->args.arena, strlen(s) + commas + 1);
	if (!out) {
		argv_fail(&b->args, -ENOMEM);
		return "";
	}
	for (; *s; s++) {
		if (*s == ',')
			*p++ = ',';
		*p++ = *s;
	}
	return out;
}

/* Hands @fd down. Return: its number in QEMU. */
static int inherit(struct builder *b, int fd)
{
	int target = QEMU_FIRST_FD + (int)b->cmd->nr_fds;

	if (b->cmd->nr_fds == QEMU_FDS_MAX) {
		argv_fail(&b->args, -E2BIG);
		return -1;
	}
	if (fd < 0) {
		argv_fail(&b->args, -EBADF);
		return -1;
	}
	b->cmd->fds[b->cmd->nr_fds++] = (struct proc_fd){ .fd = fd, .target = target };
	return target;
}

static void take_slot(struct builder *b, struct qemu_slot *ret)
{
	if (b->args.r >= 0)
		b->args.r = qemu_pci_take(b->pci, false, ret);
}

/* A device without options worth a struct: @extra is the rest of its JSON object. */
static void add_simple_device(struct builder *b, const char *driver, const char *id,
			      const char *extra)
{
	struct qemu_slot slot = { 0 };
	char bus[16];

	take_slot(b, &slot);
	qemu_pci_bus_name(b->pci, &slot, bus, sizeof(bus));
	argv_add(&b->args, "-device");
	argv_addf(&b->args, "{\"driver\":\"%s\",\"id\":\"%s\",\"bus\":\"%s\",\"addr\":\"%02x\"%s}",
		  driver, id, bus, slot.slot, extra);
}

static void add_machine(struct builder *b)
{
	const struct vm_config *config = b->config;
	const char *type = config->machine_type ? config->machine_type : MACHINE_DEFAULT;
	unsigned max_vcpus = MAX(config->vcpus, config->max_vcpus);
	bool express = qemu_machine_is_express(config);
	bool kvm = config->accel == VM_ACCEL_KVM;

	argv_add(&b->args, "-machine");
	/* i8254 and i8259 stay: a kernel without KVM clock calibrates its timers with them. */
	argv_addf(
		&b->args,
		"%s,memory-backend=ram,usb=off,vmport=off,smm=off,hpet=off,dump-guest-core=off%s%s%s",
		escape(b, type), express ? ",sata=off,smbus=off" : "",
		str_empty(config->machine_accelerators) ? "" : ",",
		str_empty(config->machine_accelerators) ? "" : config->machine_accelerators);
	argv_add(&b->args, "-accel");
	/* Without a bound, translated code may grow to 1 GiB, which no memory limit foresees. */
	if (kvm)
		argv_add(&b->args, "kvm");
	else
		argv_addf(&b->args, "tcg,tb-size=%u",
			  config->tcg_cache_mib ? config->tcg_cache_mib : TCG_CACHE_DEFAULT_MIB);
	argv_add(&b->args, "-cpu");
	argv_addf(&b->args, "%s%s%s",
		  config->cpu_model ? escape(b, config->cpu_model)
		  : kvm		    ? "host"
				    : CPU_DEFAULT_TCG,
		  str_empty(config->cpu_features) ? "" : ",",
		  str_empty(config->cpu_features) ? "" : config->cpu_features);
	argv_add(&b->args, "-smp");
	argv_addf(&b->args, "cpus=%u,sockets=%u,cores=1,threads=1,maxcpus=%u", config->vcpus,
		  max_vcpus, max_vcpus);
}

static void add_memory(struct builder *b)
{
	const struct vm_memory *memory = &b->config->memory;
	bool grows = memory->max_mib > memory->mib && (memory->slots || memory->virtio_mem);

	argv_add(&b->args, "-m");
	if (grows)
		argv_addf(&b->args, "size=%" PRIu64 "M,slots=%u,maxmem=%" PRIu64 "M", memory->mib,
			  memory->slots, memory->max_mib);
	else
		argv_addf(&b->args, "size=%" PRIu64 "M", memory->mib);
	argv_add(&b->args, "-object");
	if (memory->fd >= 0)
		argv_addf(&b->args,
			  "{\"qom-type\":\"memory-backend-file\",\"id\":\"ram\",\"size\":%" PRIu64
			  ",\"mem-path\":\"/proc/self/fd/%d\",\"share\":true%s}",
			  memory->mib << 20, inherit(b, memory->fd),
			  memory->prealloc ? ",\"prealloc\":true" : "");
	else
		argv_addf(&b->args,
			  "{\"qom-type\":\"memory-backend-memfd\",\"id\":\"ram\",\"size\":%" PRIu64
			  ",\"share\":true%s%s}",
			  memory->mib << 20, memory->hugepages ? ",\"hugetlb\":true" : "",
			  memory->prealloc ? ",\"prealloc\":true" : "");
	if (grows && memory->virtio_mem) {
		argv_add(&b->args, "-object");
		argv_addf(&b->args,
			  "{\"qom-type\":\"memory-backend-memfd\",\"id\":\"vmem\",\"size\":%" PRIu64
			  ",\"share\":true,\"reserve\":false%s}",
			  qemu_virtio_mem_mib(memory->mib, memory->max_mib) << 20,
			  memory->hugepages ? ",\"hugetlb\":true" : "");
		add_simple_device(b, "virtio-mem-pci", "vmem0",
				  ",\"memdev\":\"vmem\",\"requested-size\":0");
	}
}

/*
 * What every guest is told, whatever the configuration adds. panic=-1 turns a panic into a reset,
 * which -no-reboot turns into the end of QEMU. Under TCG, the timer check cannot fail but takes its
 * time; rewriting lock prefixes for a single CPU throws translated code away; the TSC is the host's,
 * and where the kernel judges it by timer interrupts, of which a busy host loses some, it takes the
 * ACPI timer instead, each look at which is an exit to QEMU. Virtio devices reach
 * all memory by themselves: bounce buffers would be 64 MiB that the guest loses and the host has to
 * fill, as soon as memory could be plugged above 4 GiB. All buses are found from the root by ACPI
 * and behind its ports; the kernel would also look for the bridges of old machines on each of 256
 * buses, by 16000 accesses to I/O ports, each of them an exit to QEMU.
 */
static void add_params(struct builder *b)
{
	const struct vm_config *config = b->config;
	bool tcg = config->accel == VM_ACCEL_TCG;

	argv_add(&b->args, "-append");
	argv_addf(&b->args,
		  "console=%s panic=-1%s dummy.numdummies=0 swiotlb=noforce "
		  "pci=lastbus=0%s%s%s",
		  config->legacy_serial ? "ttyS0" : "hvc0", config->debug ? "" : " quiet",
		  tcg ? " no_timer_check noreplace-smp tsc=reliable" : "",
		  str_empty(config->kernel_params) ? "" : " ",
		  str_empty(config->kernel_params) ? "" : config->kernel_params);
}

static void add_kernel(struct builder *b, const char *default_firmware)
{
	const struct vm_config *config = b->config;
	const char *firmware = str_empty(config->firmware) ? default_firmware : config->firmware;

	if (firmware)
		argv_add2(&b->args, "-bios", firmware);
	argv_add2(&b->args, "-kernel", config->kernel);
	if (!str_empty(config->initrd))
		argv_add2(&b->args, "-initrd", config->initrd);
	add_params(b);
}

static void add_links(struct builder *b, const struct qemu_links *links)
{
	argv_add(&b->args, "-chardev");
	argv_addf(&b->args, "socket,id=qmp,fd=%d", inherit(b, links->qmp_fd));
	argv_add2(&b->args, "-mon", "chardev=qmp,mode=control");
	argv_add(&b->args, "-chardev");
	argv_addf(&b->args, "socket,id=console,fd=%d", inherit(b, links->console_fd));
	if (b->config->legacy_serial) {
		argv_add2(
			&b->args, "-device",
			"{\"driver\":\"isa-serial\",\"id\":\"console0\",\"chardev\":\"console\"}");
		return;
	}
	add_simple_device(b, "virtio-serial-pci", "serial",
			  ",\"disable-legacy\":\"on\",\"max_ports\":2");
	argv_add2(
		&b->args, "-device",
		"{\"driver\":\"virtconsole\",\"id\":\"console0\",\"bus\":\"serial.0\",\"chardev\":"
		"\"console\"}");
}

static void add_bridges(struct builder *b)
{
	for (unsigned bus = 1; bus < b->pci->nr_buses; bus++) {
		const struct qemu_bridge *bridge = &b->pci->bridges[bus];

		argv_add(&b->args, "-device");
		if (b->pci->express)
			argv_addf(
				&b->args,
				"{\"driver\":\"pcie-root-port\",\"id\":\"bus%u\",\"bus\":\"pcie.0\","
				"\"addr\":\"%02x.%u\","
				"\"chassis\":%u,\"slot\":%u%s}",
				bus, bridge->slot, bridge->function, bus, bus,
				bridge->function ? "" : ",\"multifunction\":true");
		/* hot-plug behind it goes through ACPI, the standard controller is not needed */
		else
			argv_addf(&b->args,
				  "{\"driver\":\"pci-bridge\",\"id\":\"bus%u\",\"bus\":\"pci.0\","
				  "\"addr\":\"%02x\","
				  "\"chassis_nr\":%u,\"shpc\":false}",
				  bus, bridge->slot, bus);
	}
}

static void add_rng(struct builder *b)
{
	const char *source = str_empty(b->config->entropy_source) ? "/dev/urandom"
								  : b->config->entropy_source;

	argv_add(&b->args, "-object");
	argv_addf(&b->args, "rng-random,id=rng,filename=%s", escape(b, source));
	add_simple_device(b, "virtio-rng-pci", "rng0",
			  ",\"disable-legacy\":\"on\",\"rng\":\"rng\"");
}

/* Joins the numbers of several inherited descriptors by ':'. */
static void inherit_list(struct builder *b, const int *fds, unsigned nr, char *buf, size_t len)
{
	size_t used = 0;

	for (unsigned i = 0; i < nr && used < len; i++)
		used += (size_t)snprintf(buf + used, len - used, "%s%d", i ? ":" : "",
					 inherit(b, fds[i]));
}

static void inherit_device(struct builder *b, const struct vm_device *dev,
			   struct qemu_fd_text *text)
{
	switch (dev->type) {
	case VM_DEVICE_NET:
		inherit_list(b, dev->net.tap_fds, dev->net.nr_queues, text->fds, sizeof(text->fds));
		if (dev->net.vhost)
			inherit_list(b, dev->net.vhost_fds, dev->net.nr_queues, text->vhost_fds,
				     sizeof(text->vhost_fds));
		break;
	case VM_DEVICE_FS:
		inherit_list(b, &dev->fs.fd, 1, text->fds, sizeof(text->fds));
		break;
	case VM_DEVICE_VSOCK:
		inherit_list(b, &dev->vsock.fd, 1, text->fds, sizeof(text->fds));
		break;
	case VM_DEVICE_BLOCK:
		inherit_list(b, &dev->block.fd, 1, text->fds, sizeof(text->fds));
		break;
	case VM_DEVICE_9P:
		break;
	}
}

static void add_backend(struct builder *b, const struct vm_device *dev,
			const struct qemu_fd_text *text, struct err *err)
{
	cleanup_strbuf struct strbuf json = STRBUF_NULL;
	char name[QEMU_NAME_MAX];

	if (b->args.r < 0)
		return;
	if (dev->type == VM_DEVICE_NET) {
		b->args.r = qemu_netdev_json(dev, text, &json);
		argv_add2(&b->args, "-netdev", json.data);
	} else if (dev->type == VM_DEVICE_BLOCK) {
		unsigned set = ++b->cmd->nr_fdsets;

		argv_add(&b->args, "-add-fd");
		argv_addf(&b->args, "fd=%s,set=%u", text->fds, set);
		b->args.r = b->args.r < 0 ? b->args.r : qemu_blockdev_json(dev, set, &json, err);
		argv_add2(&b->args, "-blockdev", json.data);
	} else if (dev->type == VM_DEVICE_9P) {
		qemu_device_name("fsd", dev->id, name);
		argv_add(&b->args, "-fsdev");
		argv_addf(&b->args, "local,id=%s,path=%s,security_model=none,multidevs=remap%s",
			  name, escape(b, dev->p9.path), dev->p9.read_only ? ",readonly=on" : "");
	} else if (qemu_device_has_chardev(dev)) {
		qemu_device_name("chr", dev->id, name);
		argv_add(&b->args, "-chardev");
		argv_addf(&b->args, "socket,id=%s,fd=%s", name, text->fds);
	}
}

static void add_device(struct builder *b, struct vm_device *dev, struct qemu_slot *ret_slot,
		       struct err *err)
{
	cleanup_strbuf struct strbuf json = STRBUF_NULL;
	struct qemu_fd_text text = { 0 };

	if (b->args.r >= 0)
		b->args.r = qemu_device_check(dev, err);
	if (b->args.r < 0)
		return;
	inherit_device(b, dev, &text);
	add_backend(b, dev, &text, err);
	/*
	 * An interface may be taken away again, which a root bus without hot-plug would not allow.
	 */
	if (dev->type != VM_DEVICE_NET || b->args.r < 0 ||
	    qemu_pci_take(b->pci, true, ret_slot) < 0)
		take_slot(b, ret_slot);
	if (b->args.r >= 0)
		b->args.r = qemu_device_json(dev, b->pci, ret_slot, &text, &json);
	argv_add2(&b->args, "-device", json.data);
	qemu_pci_guest_path(b->pci, ret_slot, dev->guest_path, sizeof(dev->guest_path));
}

/* Devices are plugged between loading and running, so it is to stand still there. */
static void add_incoming(struct builder *b)
{
	argv_add(&b->args, "-S");
	argv_add2(&b->args, "-incoming", "defer");
}

static int check_config(const struct vm_config *config, struct err *err)
{
	if (str_empty(config->path) || str_empty(config->kernel) || str_empty(config->name))
		return err_set(err, EINVAL, "a VM needs a name, a QEMU binary and a kernel");
	if (!config->vcpus || config->vcpus > VM_VCPUS_MAX || config->max_vcpus > VM_VCPUS_MAX)
		return err_set(err, EINVAL, "a VM of %u vCPUs, at most %u, must have 1 to %d",
			       config->vcpus, config->max_vcpus, VM_VCPUS_MAX);
	if (!config->memory.mib || config->memory.mib > UINT64_MAX >> 20 ||
	    config->memory.max_mib > UINT64_MAX >> 20)
		return err_set(err, EINVAL, "a VM of %" PRIu64 " MiB of memory is not possible",
			       config->memory.mib);
	return 0;
}

/**
 * qemu_machine_is_express() - has the machine PCI Express buses
 * @config: VM
 *
 * Return: true for q35 and its versioned names, false for pc and its.
 */
bool qemu_machine_is_express(const struct vm_config *config)
{
	return strstr(config->machine_type ? config->machine_type : MACHINE_DEFAULT, "q35");
}

/**
 * qemu_cmdline_build() - write QEMU's command line
 * @config: VM; guest_path of its devices is filled
 * @links: ends that QEMU inherits
 * @pci: buses, initialised; the addresses taken are marked
 * @slots: receives the address of each device; config->nr_devices long
 * @arena: holds the strings
 * @ret: receives the command line and the descriptor table
 * @err: filled on failure
 *
 * Return: 0 or -errno.
 */
int qemu_cmdline_build(const struct vm_config *config, const struct qemu_links *links,
		       struct qemu_pci *pci, struct qemu_slot *slots, struct arena *arena,
		       struct qemu_cmdline *ret, struct err *err)
{
	struct qemu_cmdline cmd = { 0 };
	struct builder b = { .config = config,
			     .cmd = &cmd,
			     .pci = pci,
			     .args = { .arena = arena, .words = &cmd.argv } };
	const char *sandbox = config->seccomp_sandbox ? config->seccomp_sandbox : SECCOMP_DEFAULT;
	int r = check_config(config, err);

	if (r < 0)
		return r;
	*err = ERR_NULL;
	argv_add(&b.args, config->path);
	argv_add(&b.args, "-name");
	argv_addf(&b.args, "guest=sandbox-%s,debug-threads=on", escape(&b, config->name));
	argv_add(&b.args, "-nodefaults");
	argv_add(&b.args, "-no-user-config");
	if (*sandbox && !str_eq(sandbox, "off"))
		argv_add2(&b.args, "-sandbox", sandbox);
	argv_add2(&b.args, "-display", "none");
	argv_add(&b.args, "-no-reboot");
	argv_add2(&b.args, "-msg", "timestamp=off");
	if (config->restore)
		add_incoming(&b);
	add_machine(&b);
	add_memory(&b);
	add_kernel(&b, links->firmware);
	add_bridges(&b);
	add_links(&b, links);
	add_rng(&b);
	if (config->memory.report_free_pages)
		add_simple_device(&b, "virtio-balloon-pci", "balloon0",
				  ",\"disable-legacy\":\"on\",\"free-page-reporting\":true");
	for (size_t i = 0; i < config->nr_devices; i++)
		if (!qemu_device_comes_late(config, &config->devices[i]))
			add_device(&b, &config->devices[i], &slots[i], err);
	if (b.args.r < 0)
		return err->code ? b.args.r : err_set_errno(err, b.args.r, "QEMU's command line");
	/* Not by inherit(): its number is fixed and no argument names it. */
	cmd.fds[cmd.nr_fds++] = (struct proc_fd){ .fd = links->stderr_fd, .target = 2 };
	*ret = cmd;
	return 0;
}
