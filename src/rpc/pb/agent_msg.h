/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Messages and methods of the agent: services grpc.AgentService and grpc.Health, as plain structs.
 * Long because it is a table of that protocol, in its order.
 *
 * Rules of all *_msg.h headers: names are those of the .proto in snake_case; a message without
 * fields has no struct (its handlers get NULL). Strings and bytes are borrowed: when encoding they
 * need to live until the call returns, after decoding they live in the request's arena. A decoded
 * string is never NULL ("" when absent) unless it says otherwise; NULL may be given where a string
 * is to be empty. A sub-message is a pointer, NULL when absent, except struct pb_any and struct
 * pb_timestamp, which are embedded and absent when empty. A list is an array and its length. Zeroed
 * structs are valid empty messages. OCI objects follow src/oci/oci_spec.h, where an absent string
 * is NULL.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "common/arena.h"
#include "oci/oci_spec.h"
#include "rpc/pb/common_msg.h"
#include "rpc/pb/rpc_method.h"

enum agent_ip_family { AGENT_IP_FAMILY_V4 = 0, AGENT_IP_FAMILY_V6 = 1 };

enum agent_fs_group_change_policy {
	AGENT_FS_GROUP_ALWAYS = 0,
	AGENT_FS_GROUP_ON_ROOT_MISMATCH = 1
};

enum agent_volume_unit {
	AGENT_VOLUME_UNKNOWN = 0,
	AGENT_VOLUME_BYTES = 1,
	AGENT_VOLUME_INODES = 2
};

enum health_serving_status { HEALTH_UNKNOWN = 0, HEALTH_SERVING = 1, HEALTH_NOT_SERVING = 2 };

/* types.proto */

struct agent_ip_address {
	int32_t family; /* enum agent_ip_family */
	const char *address, *mask;
	uint32_t flags;		   /* IFA_F_NOPREFIXROUTE, IFA_F_MANAGETEMPADDR */
	const char *peer;	   /* the other end of a point-to-point link */
	uint32_t valid, preferred; /* seconds; both for ever when @valid is 0 */
};

struct agent_interface {
	const char *device, *name;
	struct agent_ip_address *ip_addresses;
	size_t nr_ip_addresses;
	uint64_t mtu;
	const char *hw_addr, *device_path, *type;
	uint32_t raw_flags;	       /* IFF_NOARP, and IFF_UP where it is exact */
	bool exact;		       /* link-local addresses are in the list */
	struct agent_ip_address *gone; /* addresses to remove */
	size_t nr_gone;
	struct strv ipv6_conf; /* "accept_ra=1" */
};

struct agent_route {
	const char *dest, *gateway, *device, *source;
	uint32_t scope;
	int32_t family; /* enum agent_ip_family */
	uint32_t flags, mtu, metric;
	uint32_t type;	     /* RTN_*; 0: unicast */
	uint32_t protocol;   /* RTPROT_*; RTPROT_RA and _KERNEL: from a router */
	uint32_t expires;    /* seconds; 0: never */
	uint32_t preference; /* RFC 4191, as on the wire */
};

struct agent_arp_neighbor {
	struct agent_ip_address *to_ip_address;
	const char *device, *lladdr;
	int32_t state, flags;
};

/* agent.proto */

struct agent_create_container_request {
	const char *container_id, *exec_id;
	struct agent_string_user *string_user;
	struct agent_device *devices;
	size_t nr_devices;
	struct agent_storage *storages;
	size_t nr_storages;
	struct oci_spec *oci;
	bool sandbox_pidns;
	struct agent_shared_mount *shared_mounts;
	size_t nr_shared_mounts;
	uint32_t stdin_port, stdout_port, stderr_port;
};

struct agent_start_container_request {
	const char *container_id;
};

struct agent_remove_container_request {
	const char *container_id;
	uint32_t timeout;
};

struct agent_exec_process_request {
	const char *container_id, *exec_id;
	struct agent_string_user *string_user;
	struct oci_process *process;
	uint32_t stdin_port, stdout_port, stderr_port;
};

struct agent_signal_process_request {
	const char *container_id, *exec_id;
	uint32_t signal;
};

struct agent_wait_process_request {
	const char *container_id, *exec_id;
};

struct agent_wait_process_response {
	int32_t status;
};

struct agent_update_container_request {
	const char *container_id;
	struct oci_resources *resources;
};

struct agent_stats_container_request {
	const char *container_id;
};

struct agent_pause_container_request {
	const char *container_id;
};

struct agent_resume_container_request {
	const char *container_id;
};

struct agent_cpu_usage {
	uint64_t total_usage;
	uint64_t *percpu_usage;
	size_t nr_percpu_usage;
	uint64_t usage_in_kernelmode, usage_in_usermode;
};

struct agent_throttling_data {
	uint64_t periods, throttled_periods, throttled_time;
};

struct agent_cpu_stats {
	struct agent_cpu_usage *cpu_usage;
	struct agent_throttling_data *throttling_data;
};

struct agent_pids_stats {
	uint64_t current, limit;
};

struct agent_memory_data {
	uint64_t usage, max_usage, failcnt, limit;
};

struct agent_memory_stats {
	uint64_t cache;
	struct agent_memory_data *usage;
	struct agent_memory_data *swap_usage;
	struct agent_memory_data *kernel_usage;
	bool use_hierarchy;
	struct pb_kv_u64 *stats;
	size_t nr_stats;
};

struct agent_blkio_stats_entry {
	uint64_t major, minor;
	const char *op;
	uint64_t value;
	const char *device; /* its name is in containerd's message only */
};

struct agent_blkio_stats {
	struct agent_blkio_stats_entry *io_service_bytes_recursive;
	size_t nr_io_service_bytes_recursive;
	struct agent_blkio_stats_entry *io_serviced_recursive;
	size_t nr_io_serviced_recursive;
	struct agent_blkio_stats_entry *io_queued_recursive;
	size_t nr_io_queued_recursive;
	struct agent_blkio_stats_entry *io_service_time_recursive;
	size_t nr_io_service_time_recursive;
	struct agent_blkio_stats_entry *io_wait_time_recursive;
	size_t nr_io_wait_time_recursive;
	struct agent_blkio_stats_entry *io_merged_recursive;
	size_t nr_io_merged_recursive;
	struct agent_blkio_stats_entry *io_time_recursive;
	size_t nr_io_time_recursive;
	struct agent_blkio_stats_entry *sectors_recursive;
	size_t nr_sectors_recursive;
};

struct agent_hugetlb_stats {
	uint64_t usage, max_usage, failcnt, limit;
};

struct agent_hugetlb_stats_entry { /* of a map keyed by the page size */
	const char *key;
	struct agent_hugetlb_stats *value;
};

struct agent_cgroup_stats {
	struct agent_cpu_stats *cpu_stats;
	struct agent_memory_stats *memory_stats;
	struct agent_pids_stats *pids_stats;
	struct agent_blkio_stats *blkio_stats;
	struct agent_hugetlb_stats_entry *hugetlb_stats;
	size_t nr_hugetlb_stats;
};

struct agent_network_stats {
	const char *name;
	uint64_t rx_bytes, rx_packets, rx_errors, rx_dropped, tx_bytes, tx_packets, tx_errors;
	uint64_t tx_dropped;
};

struct agent_stats_container_response {
	struct agent_cgroup_stats *cgroup_stats;
	struct agent_network_stats *network_stats;
	size_t nr_network_stats;
};

struct agent_write_stream_request {
	const char *container_id, *exec_id;
	const uint8_t *data;
	size_t data_len;
};

struct agent_write_stream_response {
	uint32_t len;
};

struct agent_read_stream_request {
	const char *container_id, *exec_id;
	uint32_t len;
};

struct agent_read_stream_response {
	const uint8_t *data;
	size_t data_len;
};

struct agent_close_stdin_request {
	const char *container_id, *exec_id;
};

struct agent_tty_win_resize_request {
	const char *container_id, *exec_id;
	uint32_t row, column;
};

struct agent_kernel_module {
	const char *name;
	struct strv parameters;
};

struct agent_create_sandbox_request {
	const char *hostname;
	struct strv dns;
	struct agent_storage *storages;
	size_t nr_storages;
	bool sandbox_pidns;
	const char *sandbox_id, *guest_hook_path;
	struct agent_kernel_module *kernel_modules;
	size_t nr_kernel_modules;
};

struct agent_interfaces {
	struct agent_interface *interfaces;
	size_t nr_interfaces;
};

struct agent_routes {
	struct agent_route *routes;
	size_t nr_routes;
};

struct agent_update_interface_request {
	struct agent_interface *interface;
};

struct agent_update_routes_request {
	struct agent_routes *routes;
	struct agent_routes *gone; /* removed before the others are added */
};

struct agent_update_ephemeral_mounts_request {
	struct agent_storage *storages;
	size_t nr_storages;
};

struct agent_arp_neighbors {
	struct agent_arp_neighbor *arp_neighbors;
	size_t nr_arp_neighbors;
};

struct agent_add_arp_neighbors_request {
	struct agent_arp_neighbors *neighbors;
	struct agent_arp_neighbors *gone;
};

struct agent_get_iptables_request {
	bool is_ipv6;
};

struct agent_get_iptables_response {
	const uint8_t *data;
	size_t data_len;
};

struct agent_set_iptables_request {
	bool is_ipv6;
	const uint8_t *data;
	size_t data_len;
};

struct agent_set_iptables_response {
	const uint8_t *data;
	size_t data_len;
};

struct agent_online_cpu_mem_request {
	bool wait;
	uint32_t nb_cpus;
	bool cpu_only;
};

struct agent_reseed_random_dev_request {
	const uint8_t *data;
	size_t data_len;
};

struct agent_details {
	const char *version;
	bool init_daemon;
	struct strv device_handlers;
	struct strv storage_handlers;
	bool supports_seccomp;
	struct strv extra_features;
};

struct agent_guest_details_request {
	bool mem_block_size, mem_hotplug_probe;
};

struct agent_guest_details_response {
	uint64_t mem_block_size_bytes;
	struct agent_details *agent_details;
	bool support_mem_hotplug_probe;
};

struct agent_mem_hotplug_by_probe_request {
	uint64_t *mem_hotplug_probe_addr;
	size_t nr_mem_hotplug_probe_addr;
};

struct agent_set_guest_date_time_request {
	int64_t sec, usec;
};

struct agent_fs_group {
	uint32_t group_id;
	int32_t group_change_policy; /* enum agent_fs_group_change_policy */
};

struct agent_shared_mount {
	const char *name, *src_ctr, *src_path, *dst_ctr, *dst_path;
};

struct agent_storage {
	const char *driver;
	struct strv driver_options;
	const char *source, *fstype;
	struct strv options;
	const char *mount_point;
	struct agent_fs_group *fs_group;
	bool shared;
};

struct agent_device {
	const char *id, *type, *vm_path, *container_path;
	struct strv options;
};

struct agent_string_user {
	const char *uid, *gid;
	struct strv additional_gids;
};

struct agent_copy_file_request {
	const char *path;
	int64_t file_size;
	uint32_t file_mode, dir_mode;
	int32_t uid, gid;
	int64_t offset;
	const uint8_t *data;
	size_t data_len;
};

struct agent_oom_event {
	const char *container_id;
};

struct agent_add_swap_request {
	uint32_t *pci_path;
	size_t nr_pci_path;
};

struct agent_add_swap_path_request {
	const char *path;
};

struct agent_metrics {
	const char *metrics;
};

struct agent_volume_stats_request {
	const char *volume_guest_path;
};

struct agent_resize_volume_request {
	const char *volume_guest_path;
	uint64_t size;
};

struct agent_set_policy_request {
	const char *policy;
};

struct agent_get_diagnostic_data_request {
	const char *log_type, *container_id;
};

struct agent_get_diagnostic_data_response {
	const char *data;
};

struct agent_mem_agent_memcg_config { /* a NULL value is absent: left as it is */
	bool *disabled;
	bool *swap;
	uint32_t *swappiness_max;
	uint64_t *period_secs;
	uint32_t *period_psi_percent_limit;
	uint32_t *eviction_psi_percent_limit;
	uint64_t *eviction_run_aging_count_min;
};

struct agent_mem_agent_compact_config { /* a NULL value is absent: left as it is */
	bool *disabled;
	uint64_t *period_secs;
	uint32_t *period_psi_percent_limit;
	uint32_t *compact_psi_percent_limit;
	int64_t *compact_sec_max;
	uint32_t *compact_order;
	uint64_t *compact_threshold;
	uint64_t *compact_force_times;
};

/* csi.proto */

struct agent_volume_stats_response {
	struct agent_volume_usage *usage;
	size_t nr_usage;
	struct agent_volume_condition *volume_condition;
};

struct agent_volume_usage {
	uint64_t available, total, used;
	int32_t unit; /* enum agent_volume_unit */
};

struct agent_volume_condition {
	bool abnormal;
	const char *message;
};

/* health.proto */

struct health_check_request {
	const char *service;
};

struct health_check_response {
	int32_t status; /* enum health_serving_status */
};

struct health_version_check_response {
	const char *grpc_version, *agent_version;
};

/* grpc.AgentService */
extern const struct rpc_method agent_create_container;
extern const struct rpc_method agent_start_container;
extern const struct rpc_method agent_remove_container;
extern const struct rpc_method agent_exec_process;
extern const struct rpc_method agent_signal_process;
extern const struct rpc_method agent_wait_process;
extern const struct rpc_method agent_update_container;
extern const struct rpc_method agent_update_ephemeral_mounts;
extern const struct rpc_method agent_stats_container;
extern const struct rpc_method agent_pause_container;
extern const struct rpc_method agent_resume_container;
extern const struct rpc_method agent_remove_stale_virtiofs_share_mounts;
extern const struct rpc_method agent_get_diagnostic_data;
extern const struct rpc_method agent_write_stdin;
extern const struct rpc_method agent_read_stdout;
extern const struct rpc_method agent_read_stderr;
extern const struct rpc_method agent_close_stdin;
extern const struct rpc_method agent_tty_win_resize;
extern const struct rpc_method agent_update_interface;
extern const struct rpc_method agent_update_routes;
extern const struct rpc_method agent_list_interfaces;
extern const struct rpc_method agent_list_routes;
extern const struct rpc_method agent_add_arp_neighbors;
extern const struct rpc_method agent_get_iptables;
extern const struct rpc_method agent_set_iptables;
extern const struct rpc_method agent_get_metrics;
extern const struct rpc_method agent_mem_agent_memcg_set;
extern const struct rpc_method agent_mem_agent_compact_set;
extern const struct rpc_method agent_create_sandbox;
extern const struct rpc_method agent_destroy_sandbox;
extern const struct rpc_method agent_online_cpu_mem;
extern const struct rpc_method agent_reseed_random_dev;
extern const struct rpc_method agent_get_guest_details;
extern const struct rpc_method agent_mem_hotplug_by_probe;
extern const struct rpc_method agent_set_guest_date_time;
extern const struct rpc_method agent_copy_file;
extern const struct rpc_method agent_get_oom_event;
extern const struct rpc_method agent_add_swap;
extern const struct rpc_method agent_add_swap_path;
extern const struct rpc_method agent_get_volume_stats;
extern const struct rpc_method agent_resize_volume;
extern const struct rpc_method agent_set_policy;

/* grpc.Health */
extern const struct rpc_method health_check;
extern const struct rpc_method health_version;
