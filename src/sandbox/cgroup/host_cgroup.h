/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The host cgroup of a sandbox, linux.cgroupsPath: QEMU, its helpers and the stand-ins live there,
 * so that what the host counts and limits is what the container costs. Version 1, version 2 and
 * mixed hosts.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "common/arena.h"
#include "common/err.h"
#include "common/limit_file.h"
#include "common/mountinfo.h"
#include "oci/cpu.h"
#include "oci/oci_spec.h"

struct device_rules;
struct systemd_scope;

/* Version 1 hosts mount a hierarchy per controller. */
#define HOST_CGROUP_MAX 16

struct host_cgroup {
	size_t nr;
	char *dirs[HOST_CGROUP_MAX];	    /* absolute, one per hierarchy */
	char *controllers[HOST_CGROUP_MAX]; /* "cpu,cpuacct"; "" for version 2 with all of them */
	int procs_fds[HOST_CGROUP_MAX];	    /* of cgroup.procs, for writing */
	struct systemd_scope *scope;	    /* NULL: systemd has no part in it */
};

#define HOST_CGROUP_NULL ((struct host_cgroup){ .nr = 0 })

/* Limits as they are, for an update that fails halfway. */
struct host_cgroup_limits {
	struct oci_resources resources; /* points into the rest; what cannot be read is absent */
	struct oci_memory memory;
	struct oci_cpu cpu;
	int64_t memory_limit;
	struct oci_bandwidth bandwidth;
	uint64_t shares;
	char cpus[512], mems[128];
};

/* The same of block I/O: files that have a line for each disk. */
#define HOST_CGROUP_IO_FILES 11
struct host_cgroup_io {
	struct limit_file files[HOST_CGROUP_IO_FILES];
	size_t nr;
};

struct host_cgroup_host {
	const struct mountinfo *mounts;
	bool systemd; /* is PID 1 */
};

/*
 * Where it will be; nothing is made yet, so that it can be recorded first. Strings live in @arena.
 */
int host_cgroup_plan(const char *cgroups_path, bool systemd, struct arena *arena,
		     struct host_cgroup *ret, struct err *err) must_check;
int host_cgroup_plan_on(const struct host_cgroup_host *host, const char *cgroups_path, bool systemd,
			struct arena *arena, struct host_cgroup *ret, struct err *err) must_check;
int host_cgroup_check_thawed(const struct host_cgroup *cg, struct err *err) must_check;
void host_cgroup_thaw(const struct host_cgroup *cg);
/* These two, and the removal, in a fiber where systemd manages cgroups. */
int host_cgroup_create(struct host_cgroup *cg, const struct oci_resources *resources,
		       struct err *err) must_check;
void host_cgroup_read(const struct host_cgroup *cg, struct host_cgroup_limits *ret);
int host_cgroup_save_io(const struct host_cgroup *cg, struct arena *arena,
			struct host_cgroup_io *ret) must_check;
int host_cgroup_restore_io(const struct host_cgroup *cg, const struct host_cgroup_io *saved,
			   struct err *err) must_check;
int host_cgroup_limit(struct host_cgroup *cg, const struct oci_resources *resources,
		      struct err *err) must_check;
/* The files only, which systemd does not know of. */
int host_cgroup_write(const struct host_cgroup *cg, const struct oci_resources *resources,
		      struct err *err) must_check;
/* Sets the memory limit a little above what is used now, so that who takes more is killed. */
int host_cgroup_exhaust(struct host_cgroup *cg, struct err *err) must_check;
int host_cgroup_set_devices(const struct host_cgroup *cg, const struct device_rules *rules,
			    struct err *err) must_check;
int host_cgroup_add(struct host_cgroup *cg, pid_t pid) must_check;
int host_cgroup_move(const struct host_cgroup *from, struct host_cgroup *to,
		     struct err *err) must_check;
/* The processes it was made for have come. */
void host_cgroup_settle(struct host_cgroup *cg);
void host_cgroup_close(struct host_cgroup *cg);
/* In a fiber: the last process may still be on its way out. */
int host_cgroup_remove(const struct host_cgroup *cg, struct err *err) must_check;
int host_cgroup_remove_dirs(char *const *dirs, size_t nr) must_check;
