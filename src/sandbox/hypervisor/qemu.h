/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The QEMU driver's object, shared by its files: qemu.c (life), qemu_hotplug.c (devices),
 * qemu_resize.c (vCPUs and memory). Nobody else includes it.
 */
#pragma once

#include "common/fiber.h"
#include "common/list.h"
#include "common/log_budget.h"
#include "common/proc.h"
#include "kata/guest.h"
#include "sandbox/hypervisor/hypervisor_driver.h"
#include "sandbox/hypervisor/qemu_device.h"
#include "sandbox/hypervisor/qemu_pci.h"

struct output_ring;
struct json;
struct qmp;

#define QEMU_REASON_MAX 256

/* How a removal that was asked for stands; QEMU answers by events. */
enum qemu_unplug {
	QEMU_UNPLUG_NONE,    /* not asked for */
	QEMU_UNPLUG_ASKED,   /* device_del was accepted, the guest has not answered */
	QEMU_UNPLUG_REFUSED, /* the guest said no; it may be asked again */
	QEMU_UNPLUG_DONE,    /* DEVICE_DELETED came */
};

/* How the saving or restoring stands, by QEMU's events. */
enum qemu_migration {
	QEMU_MIGRATION_NONE,
	QEMU_MIGRATION_DONE,
	QEMU_MIGRATION_FAILED,
};

/* A device that can be taken away: PCI devices (with @slot) and vCPUs. */
struct qemu_device {
	struct list node;
	enum vm_device_type type;
	enum qemu_unplug unplug;
	bool is_cpu;
	bool has_chardev;
	unsigned fdset; /* block: 0 when none */
	struct qemu_slot slot;
	char id[VM_ID_MAX + 1];
	char qemu_id[QEMU_NAME_MAX];
};

struct qemu {
	struct hypervisor base;
	struct proc proc;
	struct loop_source *proc_watch;
	struct qmp *qmp;
	struct output_ring *console, *output;
	struct log_budget console_budget, output_budget;
	/* What answers KATA_SECRET_ASK on the console, once; "" when nothing does. */
	char secret[sizeof(struct kata_secret) * 2 + 2];
	int console_in;
	struct qemu_pci pci;
	struct list devices;
	struct fiber_cond changed;   /* broadcast by unplug events and by the end of the process */
	struct fiber_mutex plugging; /* one attach, detach or resize at a time */
	unsigned next_fdset, next_fd;
	struct vm_size size;
	unsigned max_vcpus, nr_cpus_added; /* the latter only counts up: it names them */
	bool keeps_vcpus; /* QEMU 7.2 with TCG crashes when one comes back after it was unplugged */
	uint64_t max_memory_mib, boot_memory_mib;
	unsigned memory_slots, nr_dimms;
	bool has_balloon;
	uint64_t plugged_mib, ballooned_mib; /* size.memory_mib is the difference */
	bool virtio_mem, hugepages;
	enum qemu_migration migration;
	bool exited;
	int wstatus;
	char panic[QEMU_REASON_MAX]; /* the guest kernel's last words, "" when it did not panic */
	/* the last thing QEMU wrote to stderr, "" when it said nothing */
	char complaint[QEMU_REASON_MAX];
	char shutdown[32]; /* why QEMU says it ended, "" when it did not say */
};

static inline struct qemu *qemu_of(struct hypervisor *hv)
{
	return container_of(hv, struct qemu, base);
}

/* qemu.c */
int qemu_command(struct qemu *qemu, const char *name, const char *arguments, uint64_t deadline_ns,
		 struct err *err) must_check;

/* qemu_hotplug.c */
struct qemu_device *qemu_device_new(struct qemu *qemu, const char *id, const char *prefix);
void qemu_device_forget(struct qemu *qemu, struct qemu_device *device);
int qemu_adopt_device(struct qemu *qemu, const struct vm_device *dev, const struct qemu_slot *slot,
		      unsigned fdset) must_check;
int qemu_attach(struct hypervisor *hv, struct vm_device *dev, uint64_t deadline_ns,
		struct err *err) must_check;
int qemu_set_link(struct hypervisor *hv, const char *id, bool up, uint64_t deadline_ns,
		  struct err *err) must_check;
int qemu_detach(struct hypervisor *hv, const char *id, uint64_t deadline_ns,
		struct err *err) must_check;
int qemu_unplug(struct qemu *qemu, struct qemu_device *device, uint64_t deadline_ns,
		struct err *err) must_check;
void qemu_on_unplug_event(struct qemu *qemu, const char *event, const struct json *data);

/* qemu_migrate.c */
int qemu_save(struct hypervisor *hv, int fd, uint64_t deadline_ns, struct err *err) must_check;
int qemu_restore(struct qemu *qemu, const struct vm_config *config, uint64_t deadline_ns,
		 struct err *err) must_check;
void qemu_on_migration_event(struct qemu *qemu, const struct json *data);

/* qemu_balloon.c */
int qemu_balloon(struct qemu *qemu, uint64_t want_mib, uint64_t deadline_ns,
		 struct err *err) must_check;

/* qemu_resize.c */
int qemu_resize(struct hypervisor *hv, const struct vm_size *want, struct vm_size *ret,
		uint64_t deadline_ns, struct err *err) must_check;
