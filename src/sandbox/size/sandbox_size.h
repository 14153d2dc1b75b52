/* SPDX-License-Identifier: Apache-2.0 */
/*
 * How large a VM is.
 */
#pragma once

#include <stdint.h>

#include "common/err.h"
#include "oci/oci_spec.h"
#include "sandbox/hypervisor/hypervisor.h"

struct sandbox;
struct vm_config;

#define SANDBOX_TCG_SLOTS 2U
/* RAM for each vCPU that may be plugged: the guest's kernel keeps 0.27 MiB for it from the start. */
#define SANDBOX_MIB_PER_PLACE 16
/* Holds what sandbox_host_limits() makes. */
struct sandbox_host_limits {
	struct oci_resources resources;
	struct oci_memory memory;
	int64_t limit;
};

int sandbox_ram_for_limit(const struct sandbox *sb, int64_t limit_bytes, uint64_t *ret_mib,
			  struct err *err) must_check;
uint64_t sandbox_ram_for_members(uint64_t bytes);
int sandbox_size_vm(struct sandbox *sb, struct vm_config *ret, struct err *err) must_check;
const struct oci_resources *sandbox_host_limits(const struct sandbox *sb,
						const struct oci_resources *resources,
						uint64_t ram_mib, struct sandbox_host_limits *ret);
void sandbox_vm_config(struct sandbox *sb, struct vm_config *ret);
