/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What this host offers to a sandbox: the facts that "check" judges and "env" prints.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "common/arena.h"
#include "common/err.h"
#include "config/config.h"
#include "host/kvm_probe.h"

/* A program or file that a sandbox needs. */
struct host_file {
	const char *path;    /* "" when none is configured */
	int r;		     /* 0: there and usable; -errno */
	const char *version; /* first line of --version of a program, "" when not asked */
};

struct host {
	const char *kernel, *arch;
	const char *distro_name, *distro_version;
	const char *cpu_vendor, *cpu_model;
	unsigned nr_cpus;
	bool hw_virt; /* the CPU's flags tell of vmx or svm */
	uint64_t mem_total_kib, mem_available_kib;
	struct kvm_probe kvm;
	int vhost_vsock, vhost_net; /* 0: opens; -errno */
	const char *cgroup;	    /* "v2", "v1", "hybrid" or "none" */
	struct host_file self, shim, proxy, agent_kernel, initrd, vmm, virtiofsd;
};

int host_probe(const struct config *config, struct arena *arena, struct host *ret,
	       struct err *err) must_check;
bool host_qemu_version(const char *version, unsigned *ret_major, unsigned *ret_minor);
