/* SPDX-License-Identifier: Apache-2.0 */
/*
 * DOC: Hypervisor drivers
 *
 * What the sandbox core asks of a virtual machine monitor, and nothing about how it is done. A VM
 * is described by struct vm_config before it is made and by struct vm_device for everything plugged
 * later; both are plain data that the caller owns. Descriptors in them are borrowed: the driver
 * hands duplicates to the VMM, the caller closes its own after hypervisor_start() or
 * hypervisor_attach() returned, whatever they returned. Strings and arrays of struct vm_config must
 * live until hypervisor_start() returned.
 *
 * hypervisor_start(), _attach(), _detach(), _set_link(), _pause(), _resume(), _resize(), _save(),
 * _info() and _stop() run in fibers and suspend the caller. Events arrive in the loop; the callback may start fibers but
 * must not wait, and it must not destroy the hypervisor.
 */
#pragma once

#include <net/ethernet.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "common/err.h"
#include "common/loop.h"
#include "common/macros.h"

#define VM_ID_MAX 24	/* longest device id, without the NUL; letters, digits, '-', '_' and '.' */
#define VM_QUEUES_MAX 8 /* queue pairs of one network interface */
#define VM_VCPUS_MAX 255
#define VM_GUEST_PATH_MAX 32

struct vm_device;
struct vm_config; /* src/sandbox/hypervisor/vm_config.h */

enum vm_accel { VM_ACCEL_TCG, VM_ACCEL_KVM };

enum hypervisor_state {
	HYPERVISOR_STATE_NEW,	  /* created; only start and destroy are legal */
	HYPERVISOR_STATE_RUNNING, /* started; everything but start is legal, destroy kills */
	HYPERVISOR_STATE_PAUSED,  /* vCPUs stand still; as running, but no resize */
	/* the VMM is gone, VM_EVENT_EXITED was delivered; only destroy is legal */
	HYPERVISOR_STATE_DEAD,
	HYPERVISOR_STATE_COUNT_,
};

enum vm_event_type {
	VM_EVENT_READY,	 /* by its console, the guest's agent listens: a hint, nothing more */
	VM_EVENT_ASLEEP, /* by its console, the guest's agent waits for the VM to be saved */
	/* the guest powered itself off or rebooted; the VMM ends and EXITED follows */
	VM_EVENT_SHUTDOWN,
	VM_EVENT_PANICKED, /* the guest kernel panicked; EXITED follows at once */
	VM_EVENT_RESUMED,  /* the vCPUs run again, whoever had stopped them */
	/* the VMM process is gone; the last event of a VM, delivered exactly once */
	VM_EVENT_EXITED,
};

/* @reason is one line for people, valid during the call. */
typedef void (*vm_event_fn)(void *arg, enum vm_event_type type, const char *reason);

/* What one VMM binary can do, found by hypervisor_probe_for_test(). */
struct hypervisor_caps {
	char version[64]; /* as in "7.2.22" */
	unsigned major, minor;
};

/* What hypervisor_resize() is asked for and what came of it; 0 leaves a dimension as it is. */
struct vm_size {
	unsigned vcpus;
	uint64_t memory_mib;
};

/* Host threads and processes of a running VM. */
struct vm_info {
	pid_t pid; /* of the VMM */
	size_t nr_vcpus;
	pid_t vcpu_tids[VM_VCPUS_MAX]; /* as in the VMM's pid namespace */
	struct vm_size size;
};

struct hypervisor;

enum hypervisor_state hypervisor_state(const struct hypervisor *hv);
int hypervisor_probe_for_test(const char *name, const struct vm_config *config,
			      struct hypervisor_caps *ret, struct err *err) must_check;
int hypervisor_create(const char *name, struct loop *loop, const struct vm_config *config,
		      vm_event_fn fn, void *event_arg, struct hypervisor **ret,
		      struct err *err) must_check;
int hypervisor_start(struct hypervisor *hv, uint64_t deadline_ns, struct err *err) must_check;
int hypervisor_attach(struct hypervisor *hv, struct vm_device *dev, uint64_t deadline_ns,
		      struct err *err) must_check;
int hypervisor_detach(struct hypervisor *hv, const char *id, uint64_t deadline_ns,
		      struct err *err) must_check;
int hypervisor_set_link(struct hypervisor *hv, const char *id, bool up, uint64_t deadline_ns,
			struct err *err) must_check;
int hypervisor_pause_for_test(struct hypervisor *hv, uint64_t deadline_ns,
			      struct err *err) must_check;
int hypervisor_resume_for_test(struct hypervisor *hv, uint64_t deadline_ns,
			       struct err *err) must_check;
int hypervisor_resize(struct hypervisor *hv, const struct vm_size *want, struct vm_size *ret,
		      uint64_t deadline_ns, struct err *err) must_check;
int hypervisor_save(struct hypervisor *hv, int fd, uint64_t deadline_ns,
		    struct err *err) must_check;
int hypervisor_info(struct hypervisor *hv, struct vm_info *ret, uint64_t deadline_ns,
		    struct err *err) must_check;
size_t hypervisor_console(struct hypervisor *hv, char *buf, size_t len);
int hypervisor_stop(struct hypervisor *hv, uint64_t deadline_ns, struct err *err) must_check;
struct hypervisor *hypervisor_destroy(struct hypervisor *hv);
