/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What the steps of a sandbox's start share: sandbox_boot.c (the order), boot_share.c (files),
 * boot_vsock.c (the way to the agent), boot_vm.c (the VM, cold or from a template), boot_restore.c (how
 * it comes from one). Nobody else includes it.
 */
#pragma once

#include "common/err.h"
#include "common/fiber.h"
#include "common/macros.h"
#include "sandbox/core/sandbox.h"
#include "sandbox/hypervisor/vm_config.h"
#include "sandbox/template/template_start.h"

#define SANDBOX_DEVICES_MAX 16

/* A VM that is restored while the rest of the sandbox is prepared. */
struct boot_restore {
	struct fiber *fiber; /* NULL: not begun, or joined */
	bool has_devices;
	struct fiber_cond changed; /* @has_devices was set */
	int r;			   /* how it ended */
	struct err err;
};

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
	struct boot_restore restore;
	int maker_fd; /* of who makes a template once the sandbox runs, -1: nobody */
};

/* sandbox_boot.c */
int boot_size_vm(struct boot *boot, struct err *err) must_check;

/* boot_share.c */
int boot_share_init(struct boot *boot, struct err *err) must_check;
int boot_share_files(struct boot *boot, struct err *err) must_check;

bool boot_shares_by_9p(const struct sandbox *sb);

/* boot_vsock.c */
int boot_add_vsock(struct boot *boot, struct err *err) must_check;

/* boot_vm.c */
const char *boot_template_obstacle(const struct vm_config *vm);
void boot_find_template(struct boot *boot);
int boot_prepare_vm(struct boot *boot, struct err *err) must_check;
int boot_launch(struct boot *boot, uint64_t deadline_ns, struct err *err) must_check;
int boot_start_vm(struct boot *boot, struct err *err) must_check;
void boot_end(struct boot *boot, bool good);

/* boot_restore.c */
int boot_restore_begin(struct boot *boot, struct err *err) must_check;
int boot_restore_finish(struct boot *boot, struct err *err) must_check;
void boot_restore_end(struct boot *boot);
