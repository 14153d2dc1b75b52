/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The OCI runtime specification's config.json for Linux, version 1.2 and the additions of 1.3, as
 * plain structs. The header is longer than others because it is a table of that document: JSON
 * names in snake_case, same order.
 *
 * Everything is allocated from one arena and lives as long as it. An absent object, string or
 * optional scalar is NULL; a scalar whose absence means zero is stored by value. Enumerations stay
 * the strings of the specification.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "common/arena.h"

struct oci_box {
	uint64_t height, width;
};

struct oci_user {
	uint32_t uid, gid;
	uint32_t *umask;
	uint32_t *additional_gids;
	size_t nr_additional_gids;
	char *username; /* not used on Linux; carried because the agent protocol has it */
};

struct oci_capabilities {
	struct strv bounding, effective, inheritable, permitted, ambient;
};

struct oci_rlimit {
	char *type; /* "RLIMIT_NOFILE" */
	uint64_t hard, soft;
};

struct oci_scheduler {
	char *policy; /* "SCHED_OTHER" ... "SCHED_DEADLINE" */
	int32_t nice;
	int32_t priority;
	struct strv flags;
	uint64_t runtime, deadline, period;
};

struct oci_io_priority {
	char *class; /* "IOPRIO_CLASS_RT", "IOPRIO_CLASS_BE", "IOPRIO_CLASS_IDLE" */
	int32_t priority;
};

struct oci_exec_cpu_affinity {
	char *initial, *final; /* CPU lists: "0-3,7" */
};

struct oci_process {
	bool terminal;
	struct oci_box *console_size;
	struct oci_user user;
	struct strv args;
	struct strv env;
	char *cwd;
	struct oci_capabilities *capabilities;
	struct oci_rlimit *rlimits;
	size_t nr_rlimits;
	bool no_new_privileges;
	char *apparmor_profile;
	int32_t *oom_score_adj;
	struct oci_scheduler *scheduler;
	char *selinux_label;
	struct oci_io_priority *io_priority;
	struct oci_exec_cpu_affinity *exec_cpu_affinity;
};

struct oci_root {
	char *path;
	bool readonly;
};

struct oci_id_mapping {
	uint32_t container_id, host_id, size;
};

struct oci_mount {
	char *destination;
	char *type;
	char *source;
	struct strv options;
	struct oci_id_mapping *uid_mappings;
	size_t nr_uid_mappings;
	struct oci_id_mapping *gid_mappings;
	size_t nr_gid_mappings;
};

struct oci_hook {
	char *path;
	struct strv args, env;
	int32_t *timeout; /* seconds */
};

struct oci_hooks {
	struct oci_hook *prestart, *create_runtime, *create_container, *start_container, *poststart,
		*poststop;
	size_t nr_prestart, nr_create_runtime, nr_create_container, nr_start_container,
		nr_poststart, nr_poststop;
};

struct oci_namespace {
	char *type; /* "pid", "network", "mount", "ipc", "uts", "user", "cgroup", "time" */
	char *path;
};

struct oci_device {
	char *type; /* "c", "b", "u", "p" */
	char *path;
	int64_t major, minor;
	uint32_t *file_mode;
	uint32_t *uid, *gid;
};

struct oci_net_device { /* linux.netDevices, a map keyed by the host's interface name */
	char *key;
	char *name; /* in the container; NULL: the same */
};

struct oci_device_cgroup { /* resources.devices */
	bool allow;
	char *type;		/* "a", "c", "b"; NULL: all */
	int64_t *major, *minor; /* NULL: all */
	char *access;		/* "rwm" */
};

struct oci_memory { /* bytes */
	int64_t *limit, *reservation, *swap, *kernel, *kernel_tcp;
	uint64_t *swappiness;
	bool *disable_oom_killer, *use_hierarchy, *check_before_update;
};

struct oci_cpu {
	uint64_t *shares;
	int64_t *quota;
	uint64_t *burst;
	uint64_t *period;
	int64_t *realtime_runtime;
	uint64_t *realtime_period;
	char *cpus, *mems;
	int64_t *idle;
};

struct oci_pids {
	int64_t *limit;
};

struct oci_weight_device {
	int64_t major, minor;
	uint16_t *weight, *leaf_weight;
};

struct oci_throttle_device {
	int64_t major, minor;
	uint64_t rate;
};

struct oci_block_io {
	uint16_t *weight, *leaf_weight;
	struct oci_weight_device *weight_device;
	size_t nr_weight_device;
	struct oci_throttle_device *throttle_read_bps_device, *throttle_write_bps_device;
	size_t nr_throttle_read_bps_device, nr_throttle_write_bps_device;
	struct oci_throttle_device *throttle_read_iops_device, *throttle_write_iops_device;
	size_t nr_throttle_read_iops_device, nr_throttle_write_iops_device;
};

struct oci_hugepage_limit {
	char *page_size; /* "2MB" */
	uint64_t limit;
};

struct oci_interface_priority {
	char *name;
	uint32_t priority;
};

struct oci_network {
	uint32_t *class_id;
	struct oci_interface_priority *priorities;
	size_t nr_priorities;
};

struct oci_rdma { /* resources.rdma, a map keyed by the HCA's name */
	char *key;
	uint32_t *hca_handles, *hca_objects;
};

struct oci_resources {
	struct oci_device_cgroup *devices;
	size_t nr_devices;
	struct oci_memory *memory;
	struct oci_cpu *cpu;
	struct oci_pids *pids;
	struct oci_block_io *block_io;
	struct oci_hugepage_limit *hugepage_limits;
	size_t nr_hugepage_limits;
	struct oci_network *network;
	struct oci_rdma *rdma;
	size_t nr_rdma;
	struct kv *unified;
	size_t nr_unified;
};

struct oci_seccomp_arg {
	uint32_t index;
	uint64_t value, value_two;
	char *op; /* "SCMP_CMP_EQ" */
};

struct oci_seccomp_syscall {
	struct strv names;
	char *action;
	uint32_t *errno_ret;
	struct oci_seccomp_arg *args;
	size_t nr_args;
};

struct oci_seccomp {
	char *default_action;
	uint32_t *default_errno_ret;
	struct strv architectures;
	struct strv flags;
	char *listener_path, *listener_metadata;
	struct oci_seccomp_syscall *syscalls;
	size_t nr_syscalls;
};

struct oci_intel_rdt {
	char *clos_id;
	struct strv schemata;
	char *l3_cache_schema, *mem_bw_schema;
	bool enable_cmt, enable_mbm, enable_monitoring;
};

struct oci_personality {
	char *domain; /* "LINUX", "LINUX32" */
	struct strv flags;
};

struct oci_time_offset { /* linux.timeOffsets, a map keyed by "monotonic" or "boottime" */
	char *key;
	int64_t secs;
	uint32_t nanosecs;
};

struct oci_memory_policy {
	char *mode;
	char *nodes;
	struct strv flags;
};

struct oci_linux {
	struct oci_id_mapping *uid_mappings;
	size_t nr_uid_mappings;
	struct oci_id_mapping *gid_mappings;
	size_t nr_gid_mappings;
	struct kv *sysctl;
	size_t nr_sysctl;
	struct oci_resources *resources;
	char *cgroups_path;
	struct oci_namespace *namespaces;
	size_t nr_namespaces;
	struct oci_device *devices;
	size_t nr_devices;
	struct oci_net_device *net_devices;
	size_t nr_net_devices;
	struct oci_seccomp *seccomp;
	char *rootfs_propagation;
	struct strv masked_paths;
	struct strv readonly_paths;
	char *mount_label;
	struct oci_intel_rdt *intel_rdt;
	struct oci_memory_policy *memory_policy;
	struct oci_personality *personality;
	struct oci_time_offset *time_offsets;
	size_t nr_time_offsets;
};

struct oci_spec {
	char *oci_version;
	struct oci_process *process;
	struct oci_root *root;
	char *hostname;
	char *domainname;
	struct oci_mount *mounts;
	size_t nr_mounts;
	struct oci_hooks *hooks;
	struct kv *annotations;
	size_t nr_annotations;
	struct oci_linux
		*linux_; /* "linux"; compilers in gnu mode predefine that word as a macro */
};

/* The state a hook reads on stdin and the state verb prints. */
struct oci_state {
	char *oci_version;
	char *id;
	char *status; /* "creating", "created", "running", "stopped"; runc adds "paused" */
	int32_t pid;  /* 0 when stopped */
	char *bundle;
	struct kv *annotations;
	size_t nr_annotations;
};
