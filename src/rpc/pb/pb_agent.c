/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The agent's messages and methods: tables only (rpc/pb/pb_table.h says how to read them). Longer than
 * other files because it is that protocol's list, in its order.
 */
#include "rpc/pb/agent_msg.h"

#include "agent.pb-c.h"
#include "csi.pb-c.h"
#include "health.pb-c.h"
#include "rpc/pb/pb_table.h"
#include "types.pb-c.h"

/* clang-format off */

PB_STATIC(agent_ip_address, types__ipaddress__descriptor,
	PB_FIELD(agent_ip_address, family, 1),
	PB_FIELD(agent_ip_address, address, 2),
	PB_FIELD(agent_ip_address, mask, 3),
	PB_FIELD(agent_ip_address, flags, 1000),
	PB_FIELD(agent_ip_address, peer, 1001),
	PB_FIELD(agent_ip_address, valid, 1002),
	PB_FIELD(agent_ip_address, preferred, 1003));

const struct pb_type pb_agent_interface_type = PB_TYPE(agent_interface,
	types__interface__descriptor,
	PB_FIELD(agent_interface, device, 1),
	PB_FIELD(agent_interface, name, 2),
	PB_MESSAGES(agent_interface, ip_addresses, 3, t_agent_ip_address),
	PB_FIELD(agent_interface, mtu, 4),
	PB_FIELD(agent_interface, hw_addr, 5),
	PB_FIELD(agent_interface, device_path, 6),
	PB_FIELD(agent_interface, type, 7),
	PB_FIELD(agent_interface, raw_flags, 8),
	PB_FIELD(agent_interface, exact, 1000),
	PB_MESSAGES(agent_interface, gone, 1001, t_agent_ip_address),
	PB_FIELD(agent_interface, ipv6_conf, 1002));

PB_STATIC(agent_route, types__route__descriptor,
	PB_FIELD(agent_route, dest, 1),
	PB_FIELD(agent_route, gateway, 2),
	PB_FIELD(agent_route, device, 3),
	PB_FIELD(agent_route, source, 4),
	PB_FIELD(agent_route, scope, 5),
	PB_FIELD(agent_route, family, 6),
	PB_FIELD(agent_route, flags, 7),
	PB_FIELD(agent_route, mtu, 8),
	PB_FIELD(agent_route, metric, 1000),
	PB_FIELD(agent_route, type, 1001),
	PB_FIELD(agent_route, protocol, 1002),
	PB_FIELD(agent_route, expires, 1003),
	PB_FIELD(agent_route, preference, 1004));

PB_STATIC(agent_arp_neighbor, types__arpneighbor__descriptor,
	PB_MESSAGE(agent_arp_neighbor, to_ip_address, 1, t_agent_ip_address),
	PB_FIELD(agent_arp_neighbor, device, 2),
	PB_FIELD(agent_arp_neighbor, lladdr, 3),
	PB_FIELD(agent_arp_neighbor, state, 4),
	PB_FIELD(agent_arp_neighbor, flags, 5));

PB_STATIC(agent_volume_usage, grpc__volume_usage__descriptor,
	PB_FIELD(agent_volume_usage, available, 1),
	PB_FIELD(agent_volume_usage, total, 2),
	PB_FIELD(agent_volume_usage, used, 3),
	PB_FIELD(agent_volume_usage, unit, 4));

PB_STATIC(agent_volume_condition, grpc__volume_condition__descriptor,
	PB_FIELD(agent_volume_condition, abnormal, 1),
	PB_FIELD(agent_volume_condition, message, 2));

PB_STATIC(agent_volume_stats_response, grpc__volume_stats_response__descriptor,
	PB_MESSAGES(agent_volume_stats_response, usage, 1, t_agent_volume_usage),
	PB_MESSAGE(agent_volume_stats_response, volume_condition, 2, t_agent_volume_condition));

PB_STATIC(health_check_request, grpc__check_request__descriptor,
	PB_FIELD(health_check_request, service, 1));

PB_STATIC(health_check_response, grpc__health_check_response__descriptor,
	PB_FIELD(health_check_response, status, 1));

PB_STATIC(health_version_check_response, grpc__version_check_response__descriptor,
	PB_FIELD(health_version_check_response, grpc_version, 1),
	PB_FIELD(health_version_check_response, agent_version, 2));

PB_STATIC(agent_string_user, grpc__string_user__descriptor,
	PB_FIELD(agent_string_user, uid, 1),
	PB_FIELD(agent_string_user, gid, 2),
	PB_FIELD(agent_string_user, additional_gids, 3));

PB_STATIC(agent_device, grpc__device__descriptor,
	PB_FIELD(agent_device, id, 1),
	PB_FIELD(agent_device, type, 2),
	PB_FIELD(agent_device, vm_path, 3),
	PB_FIELD(agent_device, container_path, 4),
	PB_FIELD(agent_device, options, 5));

PB_STATIC(agent_fs_group, grpc__fsgroup__descriptor,
	PB_FIELD(agent_fs_group, group_id, 2),
	PB_FIELD(agent_fs_group, group_change_policy, 3));

PB_STATIC(agent_storage, grpc__storage__descriptor,
	PB_FIELD(agent_storage, driver, 1),
	PB_FIELD(agent_storage, driver_options, 2),
	PB_FIELD(agent_storage, source, 3),
	PB_FIELD(agent_storage, fstype, 4),
	PB_FIELD(agent_storage, options, 5),
	PB_FIELD(agent_storage, mount_point, 6),
	PB_MESSAGE(agent_storage, fs_group, 7, t_agent_fs_group),
	PB_FIELD(agent_storage, shared, 8));

PB_STATIC(agent_shared_mount, grpc__shared_mount__descriptor,
	PB_FIELD(agent_shared_mount, name, 1),
	PB_FIELD(agent_shared_mount, src_ctr, 2),
	PB_FIELD(agent_shared_mount, src_path, 3),
	PB_FIELD(agent_shared_mount, dst_ctr, 4),
	PB_FIELD(agent_shared_mount, dst_path, 5));

PB_STATIC(agent_create_container_request, grpc__create_container_request__descriptor,
	PB_FIELD(agent_create_container_request, container_id, 1),
	PB_FIELD(agent_create_container_request, exec_id, 2),
	PB_MESSAGE(agent_create_container_request, string_user, 3, t_agent_string_user),
	PB_MESSAGES(agent_create_container_request, devices, 4, t_agent_device),
	PB_MESSAGES(agent_create_container_request, storages, 5, t_agent_storage),
	PB_MESSAGE(agent_create_container_request, oci, 6, pb_oci_spec_type),
	PB_FIELD(agent_create_container_request, sandbox_pidns, 7),
	PB_MESSAGES(agent_create_container_request, shared_mounts, 8, t_agent_shared_mount),
	PB_FIELD(agent_create_container_request, stdin_port, 9),
	PB_FIELD(agent_create_container_request, stdout_port, 10),
	PB_FIELD(agent_create_container_request, stderr_port, 11));

PB_STATIC(agent_start_container_request, grpc__start_container_request__descriptor,
	PB_FIELD(agent_start_container_request, container_id, 1));

PB_STATIC(agent_remove_container_request, grpc__remove_container_request__descriptor,
	PB_FIELD(agent_remove_container_request, container_id, 1),
	PB_FIELD(agent_remove_container_request, timeout, 2));

PB_STATIC(agent_exec_process_request, grpc__exec_process_request__descriptor,
	PB_FIELD(agent_exec_process_request, container_id, 1),
	PB_FIELD(agent_exec_process_request, exec_id, 2),
	PB_MESSAGE(agent_exec_process_request, string_user, 3, t_agent_string_user),
	PB_MESSAGE(agent_exec_process_request, process, 4, pb_oci_process_type),
	PB_FIELD(agent_exec_process_request, stdin_port, 5),
	PB_FIELD(agent_exec_process_request, stdout_port, 6),
	PB_FIELD(agent_exec_process_request, stderr_port, 7));

PB_STATIC(agent_signal_process_request, grpc__signal_process_request__descriptor,
	PB_FIELD(agent_signal_process_request, container_id, 1),
	PB_FIELD(agent_signal_process_request, exec_id, 2),
	PB_FIELD(agent_signal_process_request, signal, 3));

PB_STATIC(agent_wait_process_request, grpc__wait_process_request__descriptor,
	PB_FIELD(agent_wait_process_request, container_id, 1),
	PB_FIELD(agent_wait_process_request, exec_id, 2));

PB_STATIC(agent_wait_process_response, grpc__wait_process_response__descriptor,
	PB_FIELD(agent_wait_process_response, status, 1));

PB_STATIC(agent_update_container_request, grpc__update_container_request__descriptor,
	PB_FIELD(agent_update_container_request, container_id, 1),
	PB_MESSAGE(agent_update_container_request, resources, 2, pb_oci_resources_type));

PB_STATIC(agent_stats_container_request, grpc__stats_container_request__descriptor,
	PB_FIELD(agent_stats_container_request, container_id, 1));

PB_STATIC(agent_pause_container_request, grpc__pause_container_request__descriptor,
	PB_FIELD(agent_pause_container_request, container_id, 1));

PB_STATIC(agent_resume_container_request, grpc__resume_container_request__descriptor,
	PB_FIELD(agent_resume_container_request, container_id, 1));

PB_STATIC(agent_cpu_usage, grpc__cpu_usage__descriptor,
	PB_FIELD(agent_cpu_usage, total_usage, 1),
	PB_LIST(agent_cpu_usage, percpu_usage, 2),
	PB_FIELD(agent_cpu_usage, usage_in_kernelmode, 3),
	PB_FIELD(agent_cpu_usage, usage_in_usermode, 4));

PB_STATIC(agent_throttling_data, grpc__throttling_data__descriptor,
	PB_FIELD(agent_throttling_data, periods, 1),
	PB_FIELD(agent_throttling_data, throttled_periods, 2),
	PB_FIELD(agent_throttling_data, throttled_time, 3));

PB_STATIC(agent_cpu_stats, grpc__cpu_stats__descriptor,
	PB_MESSAGE(agent_cpu_stats, cpu_usage, 1, t_agent_cpu_usage),
	PB_MESSAGE(agent_cpu_stats, throttling_data, 2, t_agent_throttling_data));

PB_STATIC(agent_pids_stats, grpc__pids_stats__descriptor,
	PB_FIELD(agent_pids_stats, current, 1),
	PB_FIELD(agent_pids_stats, limit, 2));

PB_STATIC(agent_memory_data, grpc__memory_data__descriptor,
	PB_FIELD(agent_memory_data, usage, 1),
	PB_FIELD(agent_memory_data, max_usage, 2),
	PB_FIELD(agent_memory_data, failcnt, 3),
	PB_FIELD(agent_memory_data, limit, 4));

static const struct pb_type t_agent_memory_stats_stats_entry = PB_TYPE(pb_kv_u64,
	grpc__memory_stats__stats_entry__descriptor,
	PB_FIELD(pb_kv_u64, key, 1),
	PB_FIELD(pb_kv_u64, value, 2));

PB_STATIC(agent_memory_stats, grpc__memory_stats__descriptor,
	PB_FIELD(agent_memory_stats, cache, 1),
	PB_MESSAGE(agent_memory_stats, usage, 2, t_agent_memory_data),
	PB_MESSAGE(agent_memory_stats, swap_usage, 3, t_agent_memory_data),
	PB_MESSAGE(agent_memory_stats, kernel_usage, 4, t_agent_memory_data),
	PB_FIELD(agent_memory_stats, use_hierarchy, 5),
	PB_MESSAGES(agent_memory_stats, stats, 6, t_agent_memory_stats_stats_entry));

PB_STATIC(agent_blkio_stats_entry, grpc__blkio_stats_entry__descriptor,
	PB_FIELD(agent_blkio_stats_entry, major, 1),
	PB_FIELD(agent_blkio_stats_entry, minor, 2),
	PB_FIELD(agent_blkio_stats_entry, op, 3),
	PB_FIELD(agent_blkio_stats_entry, value, 4));

PB_STATIC(agent_blkio_stats, grpc__blkio_stats__descriptor,
	PB_MESSAGES(agent_blkio_stats, io_service_bytes_recursive, 1, t_agent_blkio_stats_entry),
	PB_MESSAGES(agent_blkio_stats, io_serviced_recursive, 2, t_agent_blkio_stats_entry),
	PB_MESSAGES(agent_blkio_stats, io_queued_recursive, 3, t_agent_blkio_stats_entry),
	PB_MESSAGES(agent_blkio_stats, io_service_time_recursive, 4, t_agent_blkio_stats_entry),
	PB_MESSAGES(agent_blkio_stats, io_wait_time_recursive, 5, t_agent_blkio_stats_entry),
	PB_MESSAGES(agent_blkio_stats, io_merged_recursive, 6, t_agent_blkio_stats_entry),
	PB_MESSAGES(agent_blkio_stats, io_time_recursive, 7, t_agent_blkio_stats_entry),
	PB_MESSAGES(agent_blkio_stats, sectors_recursive, 8, t_agent_blkio_stats_entry));

PB_STATIC(agent_hugetlb_stats, grpc__hugetlb_stats__descriptor,
	PB_FIELD(agent_hugetlb_stats, usage, 1),
	PB_FIELD(agent_hugetlb_stats, max_usage, 2),
	PB_FIELD(agent_hugetlb_stats, failcnt, 3),
	PB_FIELD(agent_hugetlb_stats, limit, 100));

static const struct pb_type t_agent_cgroup_stats_hugetlb_stats_entry = PB_TYPE(agent_hugetlb_stats_entry, grpc__cgroup_stats__hugetlb_stats_entry__descriptor,
	PB_FIELD(agent_hugetlb_stats_entry, key, 1),
	PB_MESSAGE(agent_hugetlb_stats_entry, value, 2, t_agent_hugetlb_stats));

PB_STATIC(agent_cgroup_stats, grpc__cgroup_stats__descriptor,
	PB_MESSAGE(agent_cgroup_stats, cpu_stats, 1, t_agent_cpu_stats),
	PB_MESSAGE(agent_cgroup_stats, memory_stats, 2, t_agent_memory_stats),
	PB_MESSAGE(agent_cgroup_stats, pids_stats, 3, t_agent_pids_stats),
	PB_MESSAGE(agent_cgroup_stats, blkio_stats, 4, t_agent_blkio_stats),
	PB_MESSAGES(agent_cgroup_stats, hugetlb_stats, 5,
	t_agent_cgroup_stats_hugetlb_stats_entry));

PB_STATIC(agent_network_stats, grpc__network_stats__descriptor,
	PB_FIELD(agent_network_stats, name, 1),
	PB_FIELD(agent_network_stats, rx_bytes, 2),
	PB_FIELD(agent_network_stats, rx_packets, 3),
	PB_FIELD(agent_network_stats, rx_errors, 4),
	PB_FIELD(agent_network_stats, rx_dropped, 5),
	PB_FIELD(agent_network_stats, tx_bytes, 6),
	PB_FIELD(agent_network_stats, tx_packets, 7),
	PB_FIELD(agent_network_stats, tx_errors, 8),
	PB_FIELD(agent_network_stats, tx_dropped, 9));

const struct pb_type pb_agent_stats_container_response_type =
	PB_TYPE(agent_stats_container_response, grpc__stats_container_response__descriptor,
	PB_MESSAGE(agent_stats_container_response, cgroup_stats, 1, t_agent_cgroup_stats),
	PB_MESSAGES(agent_stats_container_response, network_stats, 2, t_agent_network_stats));

PB_STATIC(agent_write_stream_request, grpc__write_stream_request__descriptor,
	PB_FIELD(agent_write_stream_request, container_id, 1),
	PB_FIELD(agent_write_stream_request, exec_id, 2),
	PB_BYTES(agent_write_stream_request, data, 3));

PB_STATIC(agent_write_stream_response, grpc__write_stream_response__descriptor,
	PB_FIELD(agent_write_stream_response, len, 1));

PB_STATIC(agent_read_stream_request, grpc__read_stream_request__descriptor,
	PB_FIELD(agent_read_stream_request, container_id, 1),
	PB_FIELD(agent_read_stream_request, exec_id, 2),
	PB_FIELD(agent_read_stream_request, len, 3));

PB_STATIC(agent_read_stream_response, grpc__read_stream_response__descriptor,
	PB_BYTES(agent_read_stream_response, data, 1));

PB_STATIC(agent_close_stdin_request, grpc__close_stdin_request__descriptor,
	PB_FIELD(agent_close_stdin_request, container_id, 1),
	PB_FIELD(agent_close_stdin_request, exec_id, 2));

PB_STATIC(agent_tty_win_resize_request, grpc__tty_win_resize_request__descriptor,
	PB_FIELD(agent_tty_win_resize_request, container_id, 1),
	PB_FIELD(agent_tty_win_resize_request, exec_id, 2),
	PB_FIELD(agent_tty_win_resize_request, row, 3),
	PB_FIELD(agent_tty_win_resize_request, column, 4));

PB_STATIC(agent_kernel_module, grpc__kernel_module__descriptor,
	PB_FIELD(agent_kernel_module, name, 1),
	PB_FIELD(agent_kernel_module, parameters, 2));

PB_STATIC(agent_create_sandbox_request, grpc__create_sandbox_request__descriptor,
	PB_FIELD(agent_create_sandbox_request, hostname, 1),
	PB_FIELD(agent_create_sandbox_request, dns, 2),
	PB_MESSAGES(agent_create_sandbox_request, storages, 3, t_agent_storage),
	PB_FIELD(agent_create_sandbox_request, sandbox_pidns, 4),
	PB_FIELD(agent_create_sandbox_request, sandbox_id, 5),
	PB_FIELD(agent_create_sandbox_request, guest_hook_path, 6),
	PB_MESSAGES(agent_create_sandbox_request, kernel_modules, 7, t_agent_kernel_module));

const struct pb_type pb_agent_interfaces_type = PB_TYPE(agent_interfaces,
	grpc__interfaces__descriptor,
	PB_MESSAGES(agent_interfaces, interfaces, 1, pb_agent_interface_type));

const struct pb_type pb_agent_routes_type = PB_TYPE(agent_routes, grpc__routes__descriptor,
	PB_MESSAGES(agent_routes, routes, 1, t_agent_route));

const struct pb_type pb_agent_update_interface_request_type =
	PB_TYPE(agent_update_interface_request, grpc__update_interface_request__descriptor,
	PB_MESSAGE(agent_update_interface_request, interface, 1, pb_agent_interface_type));

const struct pb_type pb_agent_update_routes_request_type = PB_TYPE(agent_update_routes_request,
	grpc__update_routes_request__descriptor,
	PB_MESSAGE(agent_update_routes_request, routes, 1, pb_agent_routes_type),
	PB_MESSAGE(agent_update_routes_request, gone, 1000, pb_agent_routes_type));

PB_STATIC(agent_update_ephemeral_mounts_request,
	grpc__update_ephemeral_mounts_request__descriptor,
	PB_MESSAGES(agent_update_ephemeral_mounts_request, storages, 1, t_agent_storage));

PB_STATIC(agent_arp_neighbors, grpc__arpneighbors__descriptor,
	PB_MESSAGES(agent_arp_neighbors, arp_neighbors, 1, t_agent_arp_neighbor));

PB_STATIC(agent_add_arp_neighbors_request, grpc__add_arpneighbors_request__descriptor,
	PB_MESSAGE(agent_add_arp_neighbors_request, neighbors, 1, t_agent_arp_neighbors),
	PB_MESSAGE(agent_add_arp_neighbors_request, gone, 1000, t_agent_arp_neighbors));

const struct pb_type pb_agent_get_iptables_request_type = PB_TYPE(agent_get_iptables_request,
	grpc__get_iptables_request__descriptor,
	PB_FIELD(agent_get_iptables_request, is_ipv6, 1));

const struct pb_type pb_agent_get_iptables_response_type = PB_TYPE(agent_get_iptables_response,
	grpc__get_iptables_response__descriptor,
	PB_BYTES(agent_get_iptables_response, data, 1));

const struct pb_type pb_agent_set_iptables_request_type = PB_TYPE(agent_set_iptables_request,
	grpc__set_iptables_request__descriptor,
	PB_FIELD(agent_set_iptables_request, is_ipv6, 1),
	PB_BYTES(agent_set_iptables_request, data, 2));

const struct pb_type pb_agent_set_iptables_response_type = PB_TYPE(agent_set_iptables_response,
	grpc__set_iptables_response__descriptor,
	PB_BYTES(agent_set_iptables_response, data, 1));

PB_STATIC(agent_online_cpu_mem_request, grpc__online_cpumem_request__descriptor,
	PB_FIELD(agent_online_cpu_mem_request, wait, 1),
	PB_FIELD(agent_online_cpu_mem_request, nb_cpus, 2),
	PB_FIELD(agent_online_cpu_mem_request, cpu_only, 3));

PB_STATIC(agent_reseed_random_dev_request, grpc__reseed_random_dev_request__descriptor,
	PB_BYTES(agent_reseed_random_dev_request, data, 2));

PB_STATIC(agent_details, grpc__agent_details__descriptor,
	PB_FIELD(agent_details, version, 1),
	PB_FIELD(agent_details, init_daemon, 2),
	PB_FIELD(agent_details, device_handlers, 3),
	PB_FIELD(agent_details, storage_handlers, 4),
	PB_FIELD(agent_details, supports_seccomp, 5),
	PB_FIELD(agent_details, extra_features, 6));

PB_STATIC(agent_guest_details_request, grpc__guest_details_request__descriptor,
	PB_FIELD(agent_guest_details_request, mem_block_size, 1),
	PB_FIELD(agent_guest_details_request, mem_hotplug_probe, 2));

PB_STATIC(agent_guest_details_response, grpc__guest_details_response__descriptor,
	PB_FIELD(agent_guest_details_response, mem_block_size_bytes, 1),
	PB_MESSAGE(agent_guest_details_response, agent_details, 2, t_agent_details),
	PB_FIELD(agent_guest_details_response, support_mem_hotplug_probe, 3));

PB_STATIC(agent_mem_hotplug_by_probe_request, grpc__mem_hotplug_by_probe_request__descriptor,
	PB_LIST(agent_mem_hotplug_by_probe_request, mem_hotplug_probe_addr, 1));

PB_STATIC(agent_set_guest_date_time_request, grpc__set_guest_date_time_request__descriptor,
	PB_FIELD(agent_set_guest_date_time_request, sec, 1),
	PB_FIELD(agent_set_guest_date_time_request, usec, 2));

PB_STATIC(agent_copy_file_request, grpc__copy_file_request__descriptor,
	PB_FIELD(agent_copy_file_request, path, 1),
	PB_FIELD(agent_copy_file_request, file_size, 2),
	PB_FIELD(agent_copy_file_request, file_mode, 3),
	PB_FIELD(agent_copy_file_request, dir_mode, 4),
	PB_FIELD(agent_copy_file_request, uid, 5),
	PB_FIELD(agent_copy_file_request, gid, 6),
	PB_FIELD(agent_copy_file_request, offset, 7),
	PB_BYTES(agent_copy_file_request, data, 8));

PB_STATIC(agent_oom_event, grpc__oomevent__descriptor,
	PB_FIELD(agent_oom_event, container_id, 1));

PB_STATIC(agent_add_swap_request, grpc__add_swap_request__descriptor,
	PB_LIST(agent_add_swap_request, pci_path, 1));

PB_STATIC(agent_add_swap_path_request, grpc__add_swap_path_request__descriptor,
	PB_FIELD(agent_add_swap_path_request, path, 1));

PB_STATIC(agent_metrics, grpc__metrics__descriptor,
	PB_FIELD(agent_metrics, metrics, 1));

PB_STATIC(agent_volume_stats_request, grpc__volume_stats_request__descriptor,
	PB_FIELD(agent_volume_stats_request, volume_guest_path, 1));

PB_STATIC(agent_resize_volume_request, grpc__resize_volume_request__descriptor,
	PB_FIELD(agent_resize_volume_request, volume_guest_path, 1),
	PB_FIELD(agent_resize_volume_request, size, 2));

PB_STATIC(agent_set_policy_request, grpc__set_policy_request__descriptor,
	PB_FIELD(agent_set_policy_request, policy, 1));

PB_STATIC(agent_get_diagnostic_data_request, grpc__get_diagnostic_data_request__descriptor,
	PB_FIELD(agent_get_diagnostic_data_request, log_type, 1),
	PB_FIELD(agent_get_diagnostic_data_request, container_id, 2));

PB_STATIC(agent_get_diagnostic_data_response, grpc__get_diagnostic_data_response__descriptor,
	PB_FIELD(agent_get_diagnostic_data_response, data, 1));

PB_STATIC(agent_mem_agent_memcg_config, grpc__mem_agent_memcg_config__descriptor,
	PB_FIELD(agent_mem_agent_memcg_config, disabled, 1),
	PB_FIELD(agent_mem_agent_memcg_config, swap, 2),
	PB_FIELD(agent_mem_agent_memcg_config, swappiness_max, 3),
	PB_FIELD(agent_mem_agent_memcg_config, period_secs, 4),
	PB_FIELD(agent_mem_agent_memcg_config, period_psi_percent_limit, 5),
	PB_FIELD(agent_mem_agent_memcg_config, eviction_psi_percent_limit, 6),
	PB_FIELD(agent_mem_agent_memcg_config, eviction_run_aging_count_min, 7));

PB_STATIC(agent_mem_agent_compact_config, grpc__mem_agent_compact_config__descriptor,
	PB_FIELD(agent_mem_agent_compact_config, disabled, 1),
	PB_FIELD(agent_mem_agent_compact_config, period_secs, 2),
	PB_FIELD(agent_mem_agent_compact_config, period_psi_percent_limit, 3),
	PB_FIELD(agent_mem_agent_compact_config, compact_psi_percent_limit, 4),
	PB_FIELD(agent_mem_agent_compact_config, compact_sec_max, 5),
	PB_FIELD(agent_mem_agent_compact_config, compact_order, 6),
	PB_FIELD(agent_mem_agent_compact_config, compact_threshold, 7),
	PB_FIELD(agent_mem_agent_compact_config, compact_force_times, 8));

#define METHOD(var, name_, request_, response_) \
	const struct rpc_method var = { "grpc.AgentService", name_, request_, response_ }
METHOD(agent_create_container, "CreateContainer", &t_agent_create_container_request, NULL);
METHOD(agent_start_container, "StartContainer", &t_agent_start_container_request, NULL);
METHOD(agent_remove_container, "RemoveContainer", &t_agent_remove_container_request, NULL);
METHOD(agent_exec_process, "ExecProcess", &t_agent_exec_process_request, NULL);
METHOD(agent_signal_process, "SignalProcess", &t_agent_signal_process_request, NULL);
METHOD(agent_wait_process, "WaitProcess", &t_agent_wait_process_request,
	&t_agent_wait_process_response);
METHOD(agent_update_container, "UpdateContainer", &t_agent_update_container_request, NULL);
METHOD(agent_update_ephemeral_mounts, "UpdateEphemeralMounts",
	&t_agent_update_ephemeral_mounts_request, NULL);
METHOD(agent_stats_container, "StatsContainer", &t_agent_stats_container_request,
	&pb_agent_stats_container_response_type);
METHOD(agent_pause_container, "PauseContainer", &t_agent_pause_container_request, NULL);
METHOD(agent_resume_container, "ResumeContainer", &t_agent_resume_container_request, NULL);
METHOD(agent_remove_stale_virtiofs_share_mounts, "RemoveStaleVirtiofsShareMounts", NULL, NULL);
METHOD(agent_get_diagnostic_data, "GetDiagnosticData",
	&t_agent_get_diagnostic_data_request, &t_agent_get_diagnostic_data_response);
METHOD(agent_write_stdin, "WriteStdin", &t_agent_write_stream_request,
	&t_agent_write_stream_response);
METHOD(agent_read_stdout, "ReadStdout", &t_agent_read_stream_request,
	&t_agent_read_stream_response);
METHOD(agent_read_stderr, "ReadStderr", &t_agent_read_stream_request,
	&t_agent_read_stream_response);
METHOD(agent_close_stdin, "CloseStdin", &t_agent_close_stdin_request, NULL);
METHOD(agent_tty_win_resize, "TtyWinResize", &t_agent_tty_win_resize_request, NULL);
METHOD(agent_update_interface, "UpdateInterface", &pb_agent_update_interface_request_type,
	&pb_agent_interface_type);
METHOD(agent_update_routes, "UpdateRoutes", &pb_agent_update_routes_request_type,
	&pb_agent_routes_type);
METHOD(agent_list_interfaces, "ListInterfaces", NULL, &pb_agent_interfaces_type);
METHOD(agent_list_routes, "ListRoutes", NULL, &pb_agent_routes_type);
METHOD(agent_add_arp_neighbors, "AddARPNeighbors", &t_agent_add_arp_neighbors_request, NULL);
METHOD(agent_get_iptables, "GetIPTables", &pb_agent_get_iptables_request_type,
	&pb_agent_get_iptables_response_type);
METHOD(agent_set_iptables, "SetIPTables", &pb_agent_set_iptables_request_type,
	&pb_agent_set_iptables_response_type);
METHOD(agent_get_metrics, "GetMetrics", NULL, &t_agent_metrics);
METHOD(agent_mem_agent_memcg_set, "MemAgentMemcgSet", &t_agent_mem_agent_memcg_config, NULL);
METHOD(agent_mem_agent_compact_set, "MemAgentCompactSet",
	&t_agent_mem_agent_compact_config, NULL);
METHOD(agent_create_sandbox, "CreateSandbox", &t_agent_create_sandbox_request, NULL);
METHOD(agent_destroy_sandbox, "DestroySandbox", NULL, NULL);
METHOD(agent_online_cpu_mem, "OnlineCPUMem", &t_agent_online_cpu_mem_request, NULL);
METHOD(agent_reseed_random_dev, "ReseedRandomDev", &t_agent_reseed_random_dev_request, NULL);
METHOD(agent_get_guest_details, "GetGuestDetails", &t_agent_guest_details_request,
	&t_agent_guest_details_response);
METHOD(agent_mem_hotplug_by_probe, "MemHotplugByProbe",
	&t_agent_mem_hotplug_by_probe_request, NULL);
METHOD(agent_set_guest_date_time, "SetGuestDateTime", &t_agent_set_guest_date_time_request, NULL);
METHOD(agent_copy_file, "CopyFile", &t_agent_copy_file_request, NULL);
METHOD(agent_get_oom_event, "GetOOMEvent", NULL, &t_agent_oom_event);
METHOD(agent_add_swap, "AddSwap", &t_agent_add_swap_request, NULL);
METHOD(agent_add_swap_path, "AddSwapPath", &t_agent_add_swap_path_request, NULL);
METHOD(agent_get_volume_stats, "GetVolumeStats", &t_agent_volume_stats_request,
	&t_agent_volume_stats_response);
METHOD(agent_resize_volume, "ResizeVolume", &t_agent_resize_volume_request, NULL);
METHOD(agent_set_policy, "SetPolicy", &t_agent_set_policy_request, NULL);
#undef METHOD

#define METHOD(var, name_, request_, response_) \
	const struct rpc_method var = { "grpc.Health", name_, request_, response_ }
METHOD(health_check, "Check", &t_health_check_request, &t_health_check_response);
METHOD(health_version, "Version", &t_health_check_request, &t_health_version_check_response);
#undef METHOD
