/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Devices a spec asks for: which of them a guest can have, and block devices of the host plugged
 * into the VM.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>

#include "common/err.h"
#include "oci/oci_spec.h"

struct agent_device;
struct sb_container;
struct sb_disk;

/*
 * In a fiber. @spec is the guest's copy; its linux is changed. What was plugged is noted in
 * ctr->disks.
 */
int device_plug_all(struct sb_container *ctr, struct oci_spec *spec, struct agent_device **ret,
		    size_t *ret_nr, struct err *err) must_check;
/* In a fiber. Noted in ctr->disks. */
int device_plug_disk(struct sb_container *ctr, int fd, bool read_only, unsigned leave_free,
		     const struct sb_disk **ret, struct err *err) must_check;
/* In a fiber. Harmless when the VM is gone. */
void device_unplug_all(struct sb_container *ctr);
