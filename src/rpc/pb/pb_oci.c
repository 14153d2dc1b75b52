/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The OCI configuration inside the agent's messages, to and from the structs of src/oci/oci_spec.h:
 * tables only (rpc/pb/pb_table.h says how to read them).
 *
 * What is absent in one form and 0 in the other:
 *
 * - Kata's scalars cannot be absent. An optional scalar of the OCI structs that is NULL is sent as
 *   0, and 0 is read as NULL: no limit for memory, cpu and pids; "every" for the major and minor of
 *   a device rule; the inherited value for oomScoreAdj; root and the default mode for a device's
 *   owner and mode. That is also what Kata's own two ends do.
 * - Where a configuration really says 0 (swappiness, oomScoreAdj, cpu.idle, minor 0 of a device
 *   rule ...), our sender names the field in kata_c_zeros and our receiver restores it. A foreign
 *   peer does not send the list.
 * - An empty string is read as absent; the OCI specification gives no empty string a meaning of its
 *	own.
 */
#include "oci/oci_spec.h"

#include "oci.pb-c.h"
#include "rpc/pb/pb_table.h"

/* clang-format off */

/* --- process --- */

PB_STATIC_OCI(oci_box, grpc__box__descriptor,
	PB_FIELD(oci_box, height, 1),
	PB_FIELD(oci_box, width, 2));

PB_STATIC_OCI(oci_user, grpc__user__descriptor,
	PB_FIELD(oci_user, uid, 1),
	PB_FIELD(oci_user, gid, 2),
	PB_LIST(oci_user, additional_gids, 3),
	PB_FIELD(oci_user, username, 4),
	PB_FIELD(oci_user, umask, 1001));

PB_STATIC_OCI(oci_capabilities, grpc__linux_capabilities__descriptor,
	PB_FIELD(oci_capabilities, bounding, 1),
	PB_FIELD(oci_capabilities, effective, 2),
	PB_FIELD(oci_capabilities, inheritable, 3),
	PB_FIELD(oci_capabilities, permitted, 4),
	PB_FIELD(oci_capabilities, ambient, 5));

PB_STATIC_OCI(oci_rlimit, grpc__posixrlimit__descriptor,
	PB_FIELD(oci_rlimit, type, 1),
	PB_FIELD(oci_rlimit, hard, 2),
	PB_FIELD(oci_rlimit, soft, 3));

PB_STATIC_OCI(oci_scheduler, grpc__scheduler__descriptor,
	PB_FIELD(oci_scheduler, policy, 1),
	PB_FIELD(oci_scheduler, nice, 2),
	PB_FIELD(oci_scheduler, priority, 3),
	PB_FIELD(oci_scheduler, flags, 4),
	PB_FIELD(oci_scheduler, runtime, 5),
	PB_FIELD(oci_scheduler, deadline, 6),
	PB_FIELD(oci_scheduler, period, 7));

PB_STATIC_OCI(oci_io_priority, grpc__iopriority__descriptor,
	PB_FIELD(oci_io_priority, class, 1),
	PB_FIELD(oci_io_priority, priority, 2));

PB_STATIC_OCI(oci_exec_cpu_affinity, grpc__exec_cpuaffinity__descriptor,
	PB_FIELD(oci_exec_cpu_affinity, initial, 1),
	PB_FIELD(oci_exec_cpu_affinity, final, 2));

const struct pb_type pb_oci_process_type = PB_TYPE_OCI(oci_process, grpc__process__descriptor,
	PB_FIELD(oci_process, terminal, 1),
	PB_MESSAGE(oci_process, console_size, 2, t_oci_box),
	PB_EMBED(oci_process, user, 3, t_oci_user),
	PB_FIELD(oci_process, args, 4),
	PB_FIELD(oci_process, env, 5),
	PB_FIELD(oci_process, cwd, 6),
	PB_MESSAGE(oci_process, capabilities, 7, t_oci_capabilities),
	PB_MESSAGES(oci_process, rlimits, 8, t_oci_rlimit),
	PB_FIELD(oci_process, no_new_privileges, 9),
	PB_FIELD(oci_process, apparmor_profile, 10),
	PB_FIELD(oci_process, oom_score_adj, 11),
	PB_FIELD(oci_process, selinux_label, 12),
	PB_MESSAGE(oci_process, scheduler, 1001, t_oci_scheduler),
	PB_MESSAGE(oci_process, io_priority, 1002, t_oci_io_priority),
	PB_MESSAGE(oci_process, exec_cpu_affinity, 1003, t_oci_exec_cpu_affinity),
	PB_ZEROS(1000));

/* --- root, mounts, hooks --- */

PB_STATIC_OCI(oci_root, grpc__root__descriptor,
	PB_FIELD(oci_root, path, 1),
	PB_FIELD(oci_root, readonly, 2));

PB_STATIC_OCI(oci_id_mapping, grpc__linux_idmapping__descriptor,
	PB_FIELD(oci_id_mapping, host_id, 1),
	PB_FIELD(oci_id_mapping, container_id, 2),
	PB_FIELD(oci_id_mapping, size, 3));

PB_STATIC_OCI(oci_mount, grpc__mount__descriptor,
	PB_FIELD(oci_mount, destination, 1),
	PB_FIELD(oci_mount, source, 2),
	PB_FIELD(oci_mount, type, 3),
	PB_FIELD(oci_mount, options, 4),
	PB_MESSAGES(oci_mount, uid_mappings, 1001, t_oci_id_mapping),
	PB_MESSAGES(oci_mount, gid_mappings, 1002, t_oci_id_mapping));

PB_STATIC_OCI(oci_hook, grpc__hook__descriptor,
	PB_FIELD(oci_hook, path, 1),
	PB_FIELD(oci_hook, args, 2),
	PB_FIELD(oci_hook, env, 3),
	PB_FIELD(oci_hook, timeout, 4),
	PB_ZEROS(1000));

PB_STATIC_OCI(oci_hooks, grpc__hooks__descriptor,
	PB_MESSAGES(oci_hooks, prestart, 1, t_oci_hook),
	PB_MESSAGES(oci_hooks, poststart, 2, t_oci_hook),
	PB_MESSAGES(oci_hooks, poststop, 3, t_oci_hook),
	PB_MESSAGES(oci_hooks, create_runtime, 4, t_oci_hook),
	PB_MESSAGES(oci_hooks, create_container, 5, t_oci_hook),
	PB_MESSAGES(oci_hooks, start_container, 6, t_oci_hook));

/* --- linux.resources --- */

PB_STATIC_OCI(oci_device_cgroup, grpc__linux_device_cgroup__descriptor,
	PB_FIELD(oci_device_cgroup, allow, 1),
	PB_FIELD(oci_device_cgroup, type, 2),
	PB_FIELD(oci_device_cgroup, major, 3),
	PB_FIELD(oci_device_cgroup, minor, 4),
	PB_FIELD(oci_device_cgroup, access, 5),
	PB_ZEROS(1000));

PB_STATIC_OCI(oci_memory, grpc__linux_memory__descriptor,
	PB_FIELD(oci_memory, limit, 1),
	PB_FIELD(oci_memory, reservation, 2),
	PB_FIELD(oci_memory, swap, 3),
	PB_FIELD(oci_memory, kernel, 4),
	PB_FIELD(oci_memory, kernel_tcp, 5),
	PB_FIELD(oci_memory, swappiness, 6),
	PB_FIELD(oci_memory, disable_oom_killer, 7),
	PB_FIELD(oci_memory, use_hierarchy, 1001),
	PB_FIELD(oci_memory, check_before_update, 1002),
	PB_ZEROS(1000));

PB_STATIC_OCI(oci_cpu, grpc__linux_cpu__descriptor,
	PB_FIELD(oci_cpu, shares, 1),
	PB_FIELD(oci_cpu, quota, 2),
	PB_FIELD(oci_cpu, period, 3),
	PB_FIELD(oci_cpu, realtime_runtime, 4),
	PB_FIELD(oci_cpu, realtime_period, 5),
	PB_FIELD(oci_cpu, cpus, 6),
	PB_FIELD(oci_cpu, mems, 7),
	PB_FIELD(oci_cpu, burst, 1001),
	PB_FIELD(oci_cpu, idle, 1002),
	PB_ZEROS(1000));

PB_STATIC_OCI(oci_pids, grpc__linux_pids__descriptor,
	PB_FIELD(oci_pids, limit, 1),
	PB_ZEROS(1000));

PB_STATIC_OCI(oci_weight_device, grpc__linux_weight_device__descriptor,
	PB_FIELD(oci_weight_device, major, 1),
	PB_FIELD(oci_weight_device, minor, 2),
	PB_FIELD(oci_weight_device, weight, 3),
	PB_FIELD(oci_weight_device, leaf_weight, 4),
	PB_ZEROS(1000));

PB_STATIC_OCI(oci_throttle_device, grpc__linux_throttle_device__descriptor,
	PB_FIELD(oci_throttle_device, major, 1),
	PB_FIELD(oci_throttle_device, minor, 2),
	PB_FIELD(oci_throttle_device, rate, 3));

PB_STATIC_OCI(oci_block_io, grpc__linux_block_io__descriptor,
	PB_FIELD(oci_block_io, weight, 1),
	PB_FIELD(oci_block_io, leaf_weight, 2),
	PB_MESSAGES(oci_block_io, weight_device, 3, t_oci_weight_device),
	PB_MESSAGES(oci_block_io, throttle_read_bps_device, 4, t_oci_throttle_device),
	PB_MESSAGES(oci_block_io, throttle_write_bps_device, 5, t_oci_throttle_device),
	PB_MESSAGES(oci_block_io, throttle_read_iops_device, 6, t_oci_throttle_device),
	PB_MESSAGES(oci_block_io, throttle_write_iops_device, 7, t_oci_throttle_device),
	PB_ZEROS(1000));

PB_STATIC_OCI(oci_hugepage_limit, grpc__linux_hugepage_limit__descriptor,
	PB_FIELD(oci_hugepage_limit, page_size, 1),
	PB_FIELD(oci_hugepage_limit, limit, 2));

PB_STATIC_OCI(oci_interface_priority, grpc__linux_interface_priority__descriptor,
	PB_FIELD(oci_interface_priority, name, 1),
	PB_FIELD(oci_interface_priority, priority, 2));

PB_STATIC_OCI(oci_network, grpc__linux_network__descriptor,
	PB_FIELD(oci_network, class_id, 1),
	PB_MESSAGES(oci_network, priorities, 2, t_oci_interface_priority),
	PB_ZEROS(1000));

PB_STATIC_OCI(oci_rdma, grpc__rdma__descriptor,
	PB_FIELD(oci_rdma, key, 1),
	PB_FIELD(oci_rdma, hca_handles, 2),
	PB_FIELD(oci_rdma, hca_objects, 3),
	PB_ZEROS(1000));

static const struct pb_type t_unified_entry = PB_TYPE_KV(grpc__linux_resources__kata_cunified_entry__descriptor);

const struct pb_type pb_oci_resources_type = PB_TYPE_OCI(oci_resources, grpc__linux_resources__descriptor,
	PB_MESSAGES(oci_resources, devices, 1, t_oci_device_cgroup),
	PB_MESSAGE(oci_resources, memory, 2, t_oci_memory),
	PB_MESSAGE(oci_resources, cpu, 3, t_oci_cpu),
	PB_MESSAGE(oci_resources, pids, 4, t_oci_pids),
	PB_MESSAGE(oci_resources, block_io, 5, t_oci_block_io),
	PB_MESSAGES(oci_resources, hugepage_limits, 6, t_oci_hugepage_limit),
	PB_MESSAGE(oci_resources, network, 7, t_oci_network),
	PB_MESSAGES(oci_resources, rdma, 1001, t_oci_rdma),
	PB_MESSAGES(oci_resources, unified, 1002, t_unified_entry));

/* --- linux --- */

PB_STATIC_OCI(oci_namespace, grpc__linux_namespace__descriptor,
	PB_FIELD(oci_namespace, type, 1),
	PB_FIELD(oci_namespace, path, 2));

PB_STATIC_OCI(oci_device, grpc__linux_device__descriptor,
	PB_FIELD(oci_device, path, 1),
	PB_FIELD(oci_device, type, 2),
	PB_FIELD(oci_device, major, 3),
	PB_FIELD(oci_device, minor, 4),
	PB_FIELD(oci_device, file_mode, 5),
	PB_FIELD(oci_device, uid, 6),
	PB_FIELD(oci_device, gid, 7),
	PB_ZEROS(1000));

PB_STATIC_OCI(oci_net_device, grpc__net_device__descriptor,
	PB_FIELD(oci_net_device, key, 1),
	PB_FIELD(oci_net_device, name, 2));

PB_STATIC_OCI(oci_seccomp_arg, grpc__linux_seccomp_arg__descriptor,
	PB_FIELD(oci_seccomp_arg, index, 1),
	PB_FIELD(oci_seccomp_arg, value, 2),
	PB_FIELD(oci_seccomp_arg, value_two, 3),
	PB_FIELD(oci_seccomp_arg, op, 4));

PB_STATIC_OCI(oci_seccomp_syscall, grpc__linux_syscall__descriptor,
	PB_FIELD(oci_seccomp_syscall, names, 1),
	PB_FIELD(oci_seccomp_syscall, action, 2),
	PB_FIELD(oci_seccomp_syscall, errno_ret, 3),
	PB_MESSAGES(oci_seccomp_syscall, args, 4, t_oci_seccomp_arg));

PB_STATIC_OCI(oci_seccomp, grpc__linux_seccomp__descriptor,
	PB_FIELD(oci_seccomp, default_action, 1),
	PB_FIELD(oci_seccomp, architectures, 2),
	PB_FIELD(oci_seccomp, flags, 3),
	PB_MESSAGES(oci_seccomp, syscalls, 4, t_oci_seccomp_syscall),
	PB_FIELD(oci_seccomp, default_errno_ret, 1001),
	PB_FIELD(oci_seccomp, listener_path, 1002),
	PB_FIELD(oci_seccomp, listener_metadata, 1003));

PB_STATIC_OCI(oci_intel_rdt, grpc__linux_intel_rdt__descriptor,
	PB_FIELD(oci_intel_rdt, l3_cache_schema, 1),
	PB_FIELD(oci_intel_rdt, clos_id, 1001),
	PB_FIELD(oci_intel_rdt, schemata, 1002),
	PB_FIELD(oci_intel_rdt, mem_bw_schema, 1003),
	PB_FIELD(oci_intel_rdt, enable_cmt, 1004),
	PB_FIELD(oci_intel_rdt, enable_mbm, 1005),
	PB_FIELD(oci_intel_rdt, enable_monitoring, 1006));

PB_STATIC_OCI(oci_memory_policy, grpc__memory_policy__descriptor,
	PB_FIELD(oci_memory_policy, mode, 1),
	PB_FIELD(oci_memory_policy, nodes, 2),
	PB_FIELD(oci_memory_policy, flags, 3));

PB_STATIC_OCI(oci_personality, grpc__personality__descriptor,
	PB_FIELD(oci_personality, domain, 1),
	PB_FIELD(oci_personality, flags, 2));

PB_STATIC_OCI(oci_time_offset, grpc__time_offset__descriptor,
	PB_FIELD(oci_time_offset, key, 1),
	PB_FIELD(oci_time_offset, secs, 2),
	PB_FIELD(oci_time_offset, nanosecs, 3));

static const struct pb_type t_sysctl_entry = PB_TYPE_KV(grpc__linux__sysctl_entry__descriptor);

PB_STATIC_OCI(oci_linux, grpc__linux__descriptor,
	PB_MESSAGES(oci_linux, uid_mappings, 1, t_oci_id_mapping),
	PB_MESSAGES(oci_linux, gid_mappings, 2, t_oci_id_mapping),
	PB_MESSAGES(oci_linux, sysctl, 3, t_sysctl_entry),
	PB_MESSAGE(oci_linux, resources, 4, pb_oci_resources_type),
	PB_FIELD(oci_linux, cgroups_path, 5),
	PB_MESSAGES(oci_linux, namespaces, 6, t_oci_namespace),
	PB_MESSAGES(oci_linux, devices, 7, t_oci_device),
	PB_MESSAGE(oci_linux, seccomp, 8, t_oci_seccomp),
	PB_FIELD(oci_linux, rootfs_propagation, 9),
	PB_FIELD(oci_linux, masked_paths, 10),
	PB_FIELD(oci_linux, readonly_paths, 11),
	PB_FIELD(oci_linux, mount_label, 12),
	PB_MESSAGE(oci_linux, intel_rdt, 13, t_oci_intel_rdt),
	PB_MESSAGES(oci_linux, net_devices, 1001, t_oci_net_device),
	PB_MESSAGE(oci_linux, memory_policy, 1002, t_oci_memory_policy),
	PB_MESSAGE(oci_linux, personality, 1003, t_oci_personality),
	PB_MESSAGES(oci_linux, time_offsets, 1004, t_oci_time_offset));

/* --- the whole --- */

static const struct pb_type t_annotations_entry = PB_TYPE_KV(grpc__spec__annotations_entry__descriptor);

const struct pb_type pb_oci_spec_type = PB_TYPE_OCI(oci_spec, grpc__spec__descriptor,
	PB_FIELD(oci_spec, oci_version, 1),
	PB_MESSAGE(oci_spec, process, 2, pb_oci_process_type),
	PB_MESSAGE(oci_spec, root, 3, t_oci_root),
	PB_FIELD(oci_spec, hostname, 4),
	PB_MESSAGES(oci_spec, mounts, 5, t_oci_mount),
	PB_MESSAGE(oci_spec, hooks, 6, t_oci_hooks),
	PB_MESSAGES(oci_spec, annotations, 7, t_annotations_entry),
	PB_MESSAGE(oci_spec, linux_, 8, t_oci_linux),
	PB_IGNORE(9), /* Solaris */
	PB_IGNORE(10), /* Windows */
	PB_FIELD(oci_spec, domainname, 1001));
