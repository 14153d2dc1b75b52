/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The contract of a hypervisor driver: the base of its object and its table. For drivers and the
 * code that dispatches to them; everybody else uses src/sandbox/hypervisor/hypervisor.h.
 */
#pragma once

#include "sandbox/hypervisor/hypervisor.h"

/*
 * Base of every driver's own struct; drivers embed it first and touch @state through
 * hypervisor_set_state().
 */
struct hypervisor {
	const struct hypervisor_ops *ops;
	struct loop *loop;
	enum hypervisor_state state;
	const struct vm_config *config; /* valid until start returned */
	vm_event_fn on_event;
	void *event_arg;
};

/*
 * One driver. Slots in life-cycle order; every slot is mandatory unless its comment says otherwise.
 */
struct hypervisor_ops {
	const char *name; /* as in [hypervisor.<name>] of the configuration */

	/* Any time, before create: checks the binary at config->path. Owns nothing afterwards. */
	int (*probe)(const struct vm_config *config, struct hypervisor_caps *ret, struct err *err);
	/*
	 * Makes the object in state NEW, starts nothing. hv->config etc. are filled by the caller
	 * of the slot.
	 */
	int (*create)(struct loop *loop, struct hypervisor **ret, struct err *err);
	/*
	 * NEW only, in a fiber. Returns when the guest's vCPUs run; on failure nothing is left but
	 * the object.
	 */
	int (*start)(struct hypervisor *hv, uint64_t deadline_ns, struct err *err);
	/*
	 * RUNNING or PAUSED. Fills dev->guest_path on success; descriptors of @dev stay the
	 * caller's.
	 */
	int (*attach)(struct hypervisor *hv, struct vm_device *dev, uint64_t deadline_ns,
		      struct err *err);
	/*
	 * RUNNING. Returns when the guest let the device go (-ETIMEDOUT if it does not); @id as
	 * given to attach.
	 */
	int (*detach)(struct hypervisor *hv, const char *id, uint64_t deadline_ns, struct err *err);
	/* RUNNING or PAUSED. Gives the network interface @id its carrier or takes it away. */
	int (*set_link)(struct hypervisor *hv, const char *id, bool up, uint64_t deadline_ns,
			struct err *err);
	/* RUNNING when it is to be paused, else PAUSED. */
	int (*set_paused)(struct hypervisor *hv, bool paused, uint64_t deadline_ns,
			  struct err *err);
	/*
	 * RUNNING. Grows (vCPUs also shrink, or are kept); what was reached is in @ret also on
	 * failure. May be NULL.
	 */
	int (*resize)(struct hypervisor *hv, const struct vm_size *want, struct vm_size *ret,
		      uint64_t deadline_ns, struct err *err);
	/* RUNNING, and PAUSED on success. The RAM, a file of the caller's, is not written. */
	int (*save)(struct hypervisor *hv, int fd, uint64_t deadline_ns, struct err *err);
	/* RUNNING or PAUSED. */
	int (*info)(struct hypervisor *hv, struct vm_info *ret, uint64_t deadline_ns,
		    struct err *err);
	/*
	 * NEW or later, never waits: copies the last bytes of the guest console, at most @len.
	 * Returns the count.
	 */
	size_t (*console)(struct hypervisor *hv, char *buf, size_t len);
	/* RUNNING, PAUSED or DEAD. Ends the VMM, politely until the deadline, then by SIGKILL. */
	int (*stop)(struct hypervisor *hv, uint64_t deadline_ns, struct err *err);
	/*
	 * Any state, never waits: kills what still runs, releases everything. No event is delivered
	 * any more.
	 */
	void (*destroy)(struct hypervisor *hv);
};

const struct hypervisor_ops *hypervisor_find(const char *name);
void hypervisor_set_state(struct hypervisor *hv, enum hypervisor_state state);
void hypervisor_emit(struct hypervisor *hv, enum vm_event_type type, const char *reason);
extern const struct hypervisor_ops qemu_ops;
extern const struct hypervisor_ops null_ops;
