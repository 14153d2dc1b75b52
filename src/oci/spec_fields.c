/* SPDX-License-Identifier: Apache-2.0 */
/*
 * DOC: The OCI runtime specification as tables
 *
 * One row per member of config.json: its JSON name, what it is, where it goes. A row's macro checks
 * the C type of the field, so that a table cannot lie about the struct. The tables stand bottom-up,
 * as C wants them. No logic lives here.
 */
#include "oci/spec_fields.h"

#include <stdint.h>

#include "oci/oci_spec.h"

/* The offset of a field, after checking that it has the type the row's kind reads and writes. */
/* clang-format off */
#define OFFSET(s, f, type)                                                                                  \
	(offsetof(struct s, f) +                                                                            \
	 0 * sizeof(char[__builtin_types_compatible_p(__typeof__(((struct s *)NULL)->f), type) ? 1 : -1]))

#define BOOL(s, f, json) { json, SPEC_BOOL, false, OFFSET(s, f, bool), 0, NULL }
#define BOOL_ALWAYS(s, f, json) { json, SPEC_BOOL, true, OFFSET(s, f, bool), 0, NULL }
#define I32(s, f, json) { json, SPEC_I32, false, OFFSET(s, f, int32_t), 0, NULL }
#define I32_ALWAYS(s, f, json) { json, SPEC_I32, true, OFFSET(s, f, int32_t), 0, NULL }
#define I64(s, f, json) { json, SPEC_I64, true, OFFSET(s, f, int64_t), 0, NULL }
#define U32(s, f, json) { json, SPEC_U32, true, OFFSET(s, f, uint32_t), 0, NULL }
#define U64(s, f, json) { json, SPEC_U64, true, OFFSET(s, f, uint64_t), 0, NULL }
#define U64_OMIT(s, f, json) { json, SPEC_U64, false, OFFSET(s, f, uint64_t), 0, NULL }
#define OPT_BOOL(s, f, json) { json, SPEC_OPT_BOOL, false, OFFSET(s, f, bool *), 0, NULL }
#define OPT_I32(s, f, json) { json, SPEC_OPT_I32, false, OFFSET(s, f, int32_t *), 0, NULL }
#define OPT_I64(s, f, json) { json, SPEC_OPT_I64, false, OFFSET(s, f, int64_t *), 0, NULL }
#define OPT_U16(s, f, json) { json, SPEC_OPT_U16, false, OFFSET(s, f, uint16_t *), 0, NULL }
#define OPT_U32(s, f, json) { json, SPEC_OPT_U32, false, OFFSET(s, f, uint32_t *), 0, NULL }
#define OPT_U64(s, f, json) { json, SPEC_OPT_U64, false, OFFSET(s, f, uint64_t *), 0, NULL }
#define STR(s, f, json) { json, SPEC_STR, false, OFFSET(s, f, char *), 0, NULL }
#define STRV(s, f, json) { json, SPEC_STRV, false, OFFSET(s, f, struct strv), 0, NULL }
#define U32S(s, f, json) { json, SPEC_U32S, false, OFFSET(s, f, uint32_t *), OFFSET(s, nr_##f, size_t), NULL }
#define MAP(s, f, json) { json, SPEC_MAP, false, OFFSET(s, f, struct kv *), OFFSET(s, nr_##f, size_t), NULL }
#define OBJECT(s, f, json, t) { json, SPEC_OBJECT, false, OFFSET(s, f, struct oci_##t *), 0, &t##_table }
#define EMBEDDED(s, f, json, t) { json, SPEC_EMBEDDED, true, OFFSET(s, f, struct oci_##t), 0, &t##_table }
#define LIST(s, f, json, t) \
	{ json, SPEC_LIST, false, OFFSET(s, f, struct oci_##t *), OFFSET(s, nr_##f, size_t), &t##_table }
#define NAMED(s, f, json, t)                                                              \
	{ json, SPEC_NAMED, false,                                                        \
	  OFFSET(s, f, struct oci_##t *) + 0 * sizeof(char[offsetof(struct oci_##t, key) == 0 ? 1 : -1]), \
	  OFFSET(s, nr_##f, size_t), &t##_table }

#define TABLE(t) \
	static const struct spec_table t##_table = { sizeof(struct oci_##t), t##_fields, ARRAY_SIZE(t##_fields) }

/* --- process --- */

static const struct spec_field box_fields[] = {
	U64(oci_box, height, "height"),
	U64(oci_box, width, "width"),
};
TABLE(box);

static const struct spec_field user_fields[] = {
	U32(oci_user, uid, "uid"),
	U32(oci_user, gid, "gid"),
	OPT_U32(oci_user, umask, "umask"),
	U32S(oci_user, additional_gids, "additionalGids"),
	STR(oci_user, username, "username"),
};
TABLE(user);

static const struct spec_field capabilities_fields[] = {
	STRV(oci_capabilities, bounding, "bounding"),
	STRV(oci_capabilities, effective, "effective"),
	STRV(oci_capabilities, inheritable, "inheritable"),
	STRV(oci_capabilities, permitted, "permitted"),
	STRV(oci_capabilities, ambient, "ambient"),
};
TABLE(capabilities);

static const struct spec_field rlimit_fields[] = {
	STR(oci_rlimit, type, "type"),
	U64(oci_rlimit, hard, "hard"),
	U64(oci_rlimit, soft, "soft"),
};
TABLE(rlimit);

static const struct spec_field scheduler_fields[] = {
	STR(oci_scheduler, policy, "policy"),
	I32(oci_scheduler, nice, "nice"),
	I32(oci_scheduler, priority, "priority"),
	STRV(oci_scheduler, flags, "flags"),
	U64_OMIT(oci_scheduler, runtime, "runtime"),
	U64_OMIT(oci_scheduler, deadline, "deadline"),
	U64_OMIT(oci_scheduler, period, "period"),
};
TABLE(scheduler);

static const struct spec_field io_priority_fields[] = {
	STR(oci_io_priority, class, "class"),
	I32_ALWAYS(oci_io_priority, priority, "priority"),
};
TABLE(io_priority);

static const struct spec_field exec_cpu_affinity_fields[] = {
	STR(oci_exec_cpu_affinity, initial, "initial"),
	STR(oci_exec_cpu_affinity, final, "final"),
};
TABLE(exec_cpu_affinity);

static const struct spec_field process_fields[] = {
	BOOL(oci_process, terminal, "terminal"),
	OBJECT(oci_process, console_size, "consoleSize", box),
	EMBEDDED(oci_process, user, "user", user),
	STRV(oci_process, args, "args"),
	STRV(oci_process, env, "env"),
	STR(oci_process, cwd, "cwd"),
	OBJECT(oci_process, capabilities, "capabilities", capabilities),
	LIST(oci_process, rlimits, "rlimits", rlimit),
	BOOL(oci_process, no_new_privileges, "noNewPrivileges"),
	STR(oci_process, apparmor_profile, "apparmorProfile"),
	OPT_I32(oci_process, oom_score_adj, "oomScoreAdj"),
	OBJECT(oci_process, scheduler, "scheduler", scheduler),
	STR(oci_process, selinux_label, "selinuxLabel"),
	OBJECT(oci_process, io_priority, "ioPriority", io_priority),
	OBJECT(oci_process, exec_cpu_affinity, "execCPUAffinity", exec_cpu_affinity),
};
TABLE(process);

/* --- root, mounts, hooks --- */

static const struct spec_field root_fields[] = {
	STR(oci_root, path, "path"),
	BOOL(oci_root, readonly, "readonly"),
};
TABLE(root);

static const struct spec_field id_mapping_fields[] = {
	U32(oci_id_mapping, container_id, "containerID"),
	U32(oci_id_mapping, host_id, "hostID"),
	U32(oci_id_mapping, size, "size"),
};
TABLE(id_mapping);

static const struct spec_field mount_fields[] = {
	STR(oci_mount, destination, "destination"),
	STR(oci_mount, type, "type"),
	STR(oci_mount, source, "source"),
	STRV(oci_mount, options, "options"),
	LIST(oci_mount, uid_mappings, "uidMappings", id_mapping),
	LIST(oci_mount, gid_mappings, "gidMappings", id_mapping),
};
TABLE(mount);

static const struct spec_field hook_fields[] = {
	STR(oci_hook, path, "path"),
	STRV(oci_hook, args, "args"),
	STRV(oci_hook, env, "env"),
	OPT_I32(oci_hook, timeout, "timeout"),
};
TABLE(hook);

static const struct spec_field hooks_fields[] = {
	LIST(oci_hooks, prestart, "prestart", hook),
	LIST(oci_hooks, create_runtime, "createRuntime", hook),
	LIST(oci_hooks, create_container, "createContainer", hook),
	LIST(oci_hooks, start_container, "startContainer", hook),
	LIST(oci_hooks, poststart, "poststart", hook),
	LIST(oci_hooks, poststop, "poststop", hook),
};
TABLE(hooks);

/* --- linux.resources --- */

static const struct spec_field device_cgroup_fields[] = {
	BOOL_ALWAYS(oci_device_cgroup, allow, "allow"),
	STR(oci_device_cgroup, type, "type"),
	OPT_I64(oci_device_cgroup, major, "major"),
	OPT_I64(oci_device_cgroup, minor, "minor"),
	STR(oci_device_cgroup, access, "access"),
};
TABLE(device_cgroup);

static const struct spec_field memory_fields[] = {
	OPT_I64(oci_memory, limit, "limit"),
	OPT_I64(oci_memory, reservation, "reservation"),
	OPT_I64(oci_memory, swap, "swap"),
	OPT_I64(oci_memory, kernel, "kernel"),
	OPT_I64(oci_memory, kernel_tcp, "kernelTCP"),
	OPT_U64(oci_memory, swappiness, "swappiness"),
	OPT_BOOL(oci_memory, disable_oom_killer, "disableOOMKiller"),
	OPT_BOOL(oci_memory, use_hierarchy, "useHierarchy"),
	OPT_BOOL(oci_memory, check_before_update, "checkBeforeUpdate"),
};
TABLE(memory);

static const struct spec_field cpu_fields[] = {
	OPT_U64(oci_cpu, shares, "shares"),
	OPT_I64(oci_cpu, quota, "quota"),
	OPT_U64(oci_cpu, burst, "burst"),
	OPT_U64(oci_cpu, period, "period"),
	OPT_I64(oci_cpu, realtime_runtime, "realtimeRuntime"),
	OPT_U64(oci_cpu, realtime_period, "realtimePeriod"),
	STR(oci_cpu, cpus, "cpus"),
	STR(oci_cpu, mems, "mems"),
	OPT_I64(oci_cpu, idle, "idle"),
};
TABLE(cpu);

static const struct spec_field pids_fields[] = {
	OPT_I64(oci_pids, limit, "limit"),
};
TABLE(pids);

static const struct spec_field weight_device_fields[] = {
	I64(oci_weight_device, major, "major"),
	I64(oci_weight_device, minor, "minor"),
	OPT_U16(oci_weight_device, weight, "weight"),
	OPT_U16(oci_weight_device, leaf_weight, "leafWeight"),
};
TABLE(weight_device);

static const struct spec_field throttle_device_fields[] = {
	I64(oci_throttle_device, major, "major"),
	I64(oci_throttle_device, minor, "minor"),
	U64(oci_throttle_device, rate, "rate"),
};
TABLE(throttle_device);

static const struct spec_field block_io_fields[] = {
	OPT_U16(oci_block_io, weight, "weight"),
	OPT_U16(oci_block_io, leaf_weight, "leafWeight"),
	LIST(oci_block_io, weight_device, "weightDevice", weight_device),
	LIST(oci_block_io, throttle_read_bps_device, "throttleReadBpsDevice", throttle_device),
	LIST(oci_block_io, throttle_write_bps_device, "throttleWriteBpsDevice", throttle_device),
	LIST(oci_block_io, throttle_read_iops_device, "throttleReadIOPSDevice", throttle_device),
	LIST(oci_block_io, throttle_write_iops_device, "throttleWriteIOPSDevice", throttle_device),
};
TABLE(block_io);

static const struct spec_field hugepage_limit_fields[] = {
	STR(oci_hugepage_limit, page_size, "pageSize"),
	U64(oci_hugepage_limit, limit, "limit"),
};
TABLE(hugepage_limit);

static const struct spec_field interface_priority_fields[] = {
	STR(oci_interface_priority, name, "name"),
	U32(oci_interface_priority, priority, "priority"),
};
TABLE(interface_priority);

static const struct spec_field network_fields[] = {
	OPT_U32(oci_network, class_id, "classID"),
	LIST(oci_network, priorities, "priorities", interface_priority),
};
TABLE(network);

static const struct spec_field rdma_fields[] = {
	OPT_U32(oci_rdma, hca_handles, "hcaHandles"),
	OPT_U32(oci_rdma, hca_objects, "hcaObjects"),
};
TABLE(rdma);

static const struct spec_field resources_fields[] = {
	LIST(oci_resources, devices, "devices", device_cgroup),
	OBJECT(oci_resources, memory, "memory", memory),
	OBJECT(oci_resources, cpu, "cpu", cpu),
	OBJECT(oci_resources, pids, "pids", pids),
	OBJECT(oci_resources, block_io, "blockIO", block_io),
	LIST(oci_resources, hugepage_limits, "hugepageLimits", hugepage_limit),
	OBJECT(oci_resources, network, "network", network),
	NAMED(oci_resources, rdma, "rdma", rdma),
	MAP(oci_resources, unified, "unified"),
};
TABLE(resources);

/* --- the rest of linux --- */

static const struct spec_field namespace_fields[] = {
	STR(oci_namespace, type, "type"),
	STR(oci_namespace, path, "path"),
};
TABLE(namespace);

static const struct spec_field device_fields[] = {
	STR(oci_device, type, "type"),
	STR(oci_device, path, "path"),
	I64(oci_device, major, "major"),
	I64(oci_device, minor, "minor"),
	OPT_U32(oci_device, file_mode, "fileMode"),
	OPT_U32(oci_device, uid, "uid"),
	OPT_U32(oci_device, gid, "gid"),
};
TABLE(device);

static const struct spec_field net_device_fields[] = {
	STR(oci_net_device, name, "name"),
};
TABLE(net_device);

static const struct spec_field seccomp_arg_fields[] = {
	U32(oci_seccomp_arg, index, "index"),
	U64(oci_seccomp_arg, value, "value"),
	U64_OMIT(oci_seccomp_arg, value_two, "valueTwo"),
	STR(oci_seccomp_arg, op, "op"),
};
TABLE(seccomp_arg);

static const struct spec_field seccomp_syscall_fields[] = {
	STRV(oci_seccomp_syscall, names, "names"),
	STR(oci_seccomp_syscall, action, "action"),
	OPT_U32(oci_seccomp_syscall, errno_ret, "errnoRet"),
	LIST(oci_seccomp_syscall, args, "args", seccomp_arg),
};
TABLE(seccomp_syscall);

static const struct spec_field seccomp_fields[] = {
	STR(oci_seccomp, default_action, "defaultAction"),
	OPT_U32(oci_seccomp, default_errno_ret, "defaultErrnoRet"),
	STRV(oci_seccomp, architectures, "architectures"),
	STRV(oci_seccomp, flags, "flags"),
	STR(oci_seccomp, listener_path, "listenerPath"),
	STR(oci_seccomp, listener_metadata, "listenerMetadata"),
	LIST(oci_seccomp, syscalls, "syscalls", seccomp_syscall),
};
TABLE(seccomp);

static const struct spec_field intel_rdt_fields[] = {
	STR(oci_intel_rdt, clos_id, "closID"),
	STRV(oci_intel_rdt, schemata, "schemata"),
	STR(oci_intel_rdt, l3_cache_schema, "l3CacheSchema"),
	STR(oci_intel_rdt, mem_bw_schema, "memBwSchema"),
	BOOL(oci_intel_rdt, enable_cmt, "enableCMT"),
	BOOL(oci_intel_rdt, enable_mbm, "enableMBM"),
	BOOL(oci_intel_rdt, enable_monitoring, "enableMonitoring"),
};
TABLE(intel_rdt);

static const struct spec_field memory_policy_fields[] = {
	STR(oci_memory_policy, mode, "mode"),
	STR(oci_memory_policy, nodes, "nodes"),
	STRV(oci_memory_policy, flags, "flags"),
};
TABLE(memory_policy);

static const struct spec_field personality_fields[] = {
	STR(oci_personality, domain, "domain"),
	STRV(oci_personality, flags, "flags"),
};
TABLE(personality);

static const struct spec_field time_offset_fields[] = {
	I64(oci_time_offset, secs, "secs"),
	U32(oci_time_offset, nanosecs, "nanosecs"),
};
TABLE(time_offset);

static const struct spec_field linux_fields[] = {
	LIST(oci_linux, uid_mappings, "uidMappings", id_mapping),
	LIST(oci_linux, gid_mappings, "gidMappings", id_mapping),
	MAP(oci_linux, sysctl, "sysctl"),
	OBJECT(oci_linux, resources, "resources", resources),
	STR(oci_linux, cgroups_path, "cgroupsPath"),
	LIST(oci_linux, namespaces, "namespaces", namespace),
	LIST(oci_linux, devices, "devices", device),
	NAMED(oci_linux, net_devices, "netDevices", net_device),
	OBJECT(oci_linux, seccomp, "seccomp", seccomp),
	STR(oci_linux, rootfs_propagation, "rootfsPropagation"),
	STRV(oci_linux, masked_paths, "maskedPaths"),
	STRV(oci_linux, readonly_paths, "readonlyPaths"),
	STR(oci_linux, mount_label, "mountLabel"),
	OBJECT(oci_linux, intel_rdt, "intelRdt", intel_rdt),
	OBJECT(oci_linux, memory_policy, "memoryPolicy", memory_policy),
	OBJECT(oci_linux, personality, "personality", personality),
	NAMED(oci_linux, time_offsets, "timeOffsets", time_offset),
};
static const struct spec_table linux_table_ = { sizeof(struct oci_linux), linux_fields, ARRAY_SIZE(linux_fields) };

static const struct spec_field spec_fields[] = {
	STR(oci_spec, oci_version, "ociVersion"),
	OBJECT(oci_spec, process, "process", process),
	OBJECT(oci_spec, root, "root", root),
	STR(oci_spec, hostname, "hostname"),
	STR(oci_spec, domainname, "domainname"),
	LIST(oci_spec, mounts, "mounts", mount),
	OBJECT(oci_spec, hooks, "hooks", hooks),
	MAP(oci_spec, annotations, "annotations"),
	{ "linux", SPEC_OBJECT, false, OFFSET(oci_spec, linux_, struct oci_linux *), 0, &linux_table_ },
};

static const struct spec_field state_fields[] = {
	STR(oci_state, oci_version, "ociVersion"),
	STR(oci_state, id, "id"),
	STR(oci_state, status, "status"),
	I32(oci_state, pid, "pid"),
	STR(oci_state, bundle, "bundle"),
	MAP(oci_state, annotations, "annotations"),
};

/* clang-format on */

const struct spec_table spec_table_spec = { sizeof(struct oci_spec), spec_fields,
					    ARRAY_SIZE(spec_fields) };
const struct spec_table spec_table_state = { sizeof(struct oci_state), state_fields,
					     ARRAY_SIZE(state_fields) };
const struct spec_table spec_table_process = { sizeof(struct oci_process), process_fields,
					       ARRAY_SIZE(process_fields) };
const struct spec_table spec_table_resources = { sizeof(struct oci_resources), resources_fields,
						 ARRAY_SIZE(resources_fields) };
