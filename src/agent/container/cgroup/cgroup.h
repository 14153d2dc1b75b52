/* SPDX-License-Identifier: Apache-2.0 */
/*
 * One cgroup v2 directory and what can be done with it.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#include "agent/container/cgroup/devices_bpf.h"
#include "common/arena.h"
#include "common/err.h"
#include "oci/oci_spec.h"

struct cgroup;
struct agent_cgroup_stats;

/* cgroup.c */
int cgroup_new(const char *root, const char *cgroups_path, const char *id, struct cgroup **ret,
	       struct err *err) must_check;
struct cgroup *cgroup_free(struct cgroup *cgroup); /* the directory stays */
DEFINE_CLEANUP(struct cgroup, cgroup_free)
const char *cgroup_path(const struct cgroup *cgroup); /* absolute */
int cgroup_fd(const struct cgroup *cgroup);
int cgroup_delegate(const struct cgroup *cgroup, uid_t uid, gid_t gid, struct err *err) must_check;
int cgroup_set_devices(struct cgroup *cgroup, const struct device_rules *rules,
		       struct err *err) must_check;
int cgroup_pids(const struct cgroup *cgroup, struct arena *arena, pid_t **ret, size_t *ret_nr,
		struct err *err) must_check;
int cgroup_kill(const struct cgroup *cgroup, struct err *err) must_check;
int cgroup_remove(const struct cgroup *cgroup, uint64_t deadline_ns, struct err *err) must_check;
int cgroup_freeze(const struct cgroup *cgroup, bool freeze, uint64_t deadline_ns,
		  struct err *err) must_check;
int cgroup_watch(const struct cgroup *cgroup, const char *file) must_check;

/* cgroup_file.c: files of the directory. A missing file is -ENOENT: its controller is not there. */
int cgroup_write(int dir_fd, const char *file, struct err *err, const char *fmt, ...) must_check
	printf_format(4, 5);
bool cgroup_has(int dir_fd, const char *file);
int cgroup_read_text(int dir_fd, const char *file, char **ret) must_check;
int cgroup_read_u64(int dir_fd, const char *file,
		    uint64_t *ret) must_check; /* "max" is UINT64_MAX */
int cgroup_read_key(int dir_fd, const char *file, const char *key, uint64_t *ret) must_check;

/* cgroup_resources.c */
int cgroup_apply(const struct cgroup *cgroup, const struct oci_resources *res, bool is_update,
		 struct err *err) must_check;
uint64_t cgroup_blkio_to_io_weight(uint64_t weight);
int cgroup_swap_limit(int64_t limit, int64_t swap, int64_t *ret, struct err *err) must_check;

/* cgroup_saved.c */
struct cgroup_saved;
int cgroup_save(int fd, const struct oci_resources *res, struct arena *arena,
		struct cgroup_saved **ret) must_check;
void cgroup_restore(int fd, const struct cgroup_saved *saved);

/* cgroup_stats.c */
int cgroup_stats(const struct cgroup *cgroup, struct arena *arena, struct agent_cgroup_stats **ret,
		 struct err *err) must_check;
