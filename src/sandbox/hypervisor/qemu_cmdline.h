/* SPDX-License-Identifier: Apache-2.0 */
/*
 * QEMU's command line for a struct vm_config: pure translation, opens nothing and starts nothing.
 */
#pragma once

#include "common/arena.h"
#include "common/err.h"
#include "common/proc.h"
#include "sandbox/hypervisor/qemu_pci.h"
#include "sandbox/hypervisor/vm_config.h"

#define QEMU_FDS_MAX 48 /* inherited, besides stderr */
#define QEMU_FIRST_FD 3

/*
 * What the driver adds to the configuration: its own ends of QEMU's standing connections, and what
 * it found.
 */
struct qemu_links {
	const char *firmware; /* used when the configuration names none; NULL: QEMU's default */
	int qmp_fd;
	int console_fd;
	int stderr_fd;
};

struct qemu_cmdline {
	struct strv argv; /* argv[0] included, NULL-terminated */
	struct proc_fd fds[QEMU_FDS_MAX + 1];
	size_t nr_fds;
	unsigned nr_fdsets; /* used by cold-plugged block devices, numbered from 1 */
};

/*
 * virtio-mem works in blocks. Linux adds memory in blocks of 128 MiB on x86_64, but virtio-mem can
 * plug parts of one.
 */
#define QEMU_VIRTIO_MEM_ALIGN_MIB 2

/* How much virtio-mem can add to a VM that starts with @boot_mib. */
static inline uint64_t qemu_virtio_mem_mib(uint64_t boot_mib, uint64_t max_mib)
{
	return (max_mib - boot_mib) / QEMU_VIRTIO_MEM_ALIGN_MIB * QEMU_VIRTIO_MEM_ALIGN_MIB;
}

int qemu_cmdline_build(const struct vm_config *config, const struct qemu_links *links,
		       struct qemu_pci *pci, struct qemu_slot *slots, struct arena *arena,
		       struct qemu_cmdline *ret, struct err *err) must_check;
bool qemu_machine_is_express(const struct vm_config *config);
