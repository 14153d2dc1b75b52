/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What the steps of a sandbox's start share: sandbox_boot.c (the order), boot_share.c (files),
 * boot_vsock.c (the way to the agent), boot_vm.c (the VM, cold or from a template). Nobody else
 * includes it.
 */
#pragma once

#include "common/err.h"
#include "common/macros.h"
#include "sandbox/core/sandbox.h"
#include "sandbox/hypervisor/vm_config.h"
#include "sandbox/template/template_start.h"

#define SANDBOX_DEVICES_MAX 16

/* Descriptors that live only while the VM is being made. */
struct boot {
	struct sandbox *sb;
	uint64_t deadline_ns;
	int fs_fds[SANDBOX_EXPORTS], vsock_fd;
	struct vm_config vm;
	struct vm_jail jail;
	struct vm_device devices[SANDBOX_DEVICES_MAX];
	size_t nr_devices;
	struct template_start template;
	int maker_fd; /* of who makes a template once the sandbox runs, -1: nobody */
};

/* sandbox_boot.c */
int boot_size_vm(struct boot *boot, struct err *err) must_check;

/* boot_share.c */
int boot_share_init(struct boot *boot, struct err *err) must_check;
int boot_share_files(struct boot *boot, struct err *err) must_check;

/* boot_vsock.c */
int boot_add_vsock(struct boot *boot, struct err *err) must_check;

/* boot_vm.c */
const char *boot_template_obstacle(const struct vm_config *vm);
void boot_find_template(struct boot *boot);
int boot_start_vm(struct boot *boot, struct err *err) must_check;
void boot_end(struct boot *boot, bool good);
