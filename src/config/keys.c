/* SPDX-License-Identifier: Apache-2.0 */
/*
 * DOC: Configuration keys
 *
 * One row per key that has an effect; the names are Kata Containers' unless the comment says
 * "ours". A row's macro checks the type of its field. Below them stand the names that Kata knows
 * and that mean nothing here, so that a file written for it is read without complaints about
 * mistakes nobody made.
 */
#include "config/keys.h"

#include <string.h>

#include "common/str.h"
#include "config/config.h"
#include "kata/state.h"
#include "paths.h"

#if defined(__x86_64__)
#define QEMU_PATH "/usr/bin/qemu-system-x86_64"
#elif defined(__aarch64__)
#define QEMU_PATH "/usr/bin/qemu-system-aarch64"
#else
#error "no QEMU binary is known for this architecture"
#endif

static const char *const accel_words[] = { "auto", "kvm", "tcg", NULL };
static const char *const shared_fs_words[] = { "virtio-fs", "virtio-9p", "none", NULL };
static const char *const fs_cache_words[] = { "auto", "never", "metadata", "always", NULL };
static const char *const aio_words[] = { "io_uring", "native", "threads", NULL };
static const char *const net_model_words[] = { "tcfilter", "macvtap", "none", NULL };
static const char *const memory_limit_words[] = { "on-top", "within", NULL };
static const char *const volume_locks_words[] = { "local", "host", "refuse", NULL };
static const char *const qemu_words[] = { "qemu", NULL };
static const char *const kata_words[] = { "kata", NULL };
static const char *const virt_container_words[] = { "virt_container", NULL };

_Static_assert(ARRAY_SIZE(accel_words) == CONFIG_ACCEL_TCG + 2, "one word per accelerator");
_Static_assert(ARRAY_SIZE(shared_fs_words) == CONFIG_SHARED_FS_NONE + 2,
	       "one word per shared file system");
_Static_assert(ARRAY_SIZE(fs_cache_words) == CONFIG_FS_CACHE_ALWAYS + 2, "one word per cache mode");
_Static_assert(ARRAY_SIZE(aio_words) == CONFIG_AIO_THREADS + 2, "one word per way of I/O");
_Static_assert(ARRAY_SIZE(net_model_words) == CONFIG_NET_NONE + 2, "one word per network model");
_Static_assert(ARRAY_SIZE(memory_limit_words) == CONFIG_MEMORY_LIMIT_WITHIN + 2,
	       "one word per meaning of a memory limit");
_Static_assert(ARRAY_SIZE(volume_locks_words) == CONFIG_VOLUME_LOCKS_REFUSE + 2,
	       "one word per way of locks");

/* clang-format off */
#define FIELD(f, type)               \
	(offsetof(struct config, f) + \
	 0 * sizeof(char[__builtin_types_compatible_p(__typeof__(((struct config *)NULL)->f), type) ? 1 : -1]))

#define ROW(sec, key, k, f, type, def, acc, ...)                                                       \
	{ .name = key, .section = sec, .kind = k, .offset = FIELD(f, type), .fallback = def, .access = acc, \
	  __VA_ARGS__ }
#define BOOL(sec, key, f, def, acc) ROW(sec, key, CONFIG_BOOL, f, bool, def, acc, .words = NULL)
#define U32(sec, key, f, def, lo, hi, acc, ...) \
	{ .name = key, .section = sec, .kind = CONFIG_U32, .offset = FIELD(f, uint32_t), .fallback = def, \
	  .access = acc, .min = lo, .max = hi, __VA_ARGS__ }
#define U64(sec, key, f, def, lo, hi, acc) \
	{ .name = key, .section = sec, .kind = CONFIG_U64, .offset = FIELD(f, uint64_t), .fallback = def, \
	  .access = acc, .min = lo, .max = hi }
#define SECONDS(sec, key, f, def, acc) \
	{ .name = key, .section = sec, .kind = CONFIG_SECONDS, .offset = FIELD(f, uint64_t), .fallback = def, \
	  .access = acc, .min = 1, .max = 86400 }
#define ENUM(sec, key, f, type, w, acc) ROW(sec, key, CONFIG_ENUM, f, enum type, NULL, acc, .words = w)
#define STRING(sec, key, k, f, def, acc, ...) ROW(sec, key, k, f, const char *, def, acc, __VA_ARGS__)
#define PATH(sec, key, f, def, acc, list) \
	ROW(sec, key, CONFIG_PATH, f, const char *, def, acc, .allowed_offset = FIELD(list, struct strv))
#define STRV(sec, key, f, acc) ROW(sec, key, CONFIG_STRV, f, struct strv, NULL, acc, .words = NULL)
#define ONLY_WORD(sec, key, w) { .name = key, .section = sec, .kind = CONFIG_ONLY_WORD, .words = w }
#define ONLY_FALSE(sec, key) { .name = key, .section = sec, .kind = CONFIG_ONLY_FALSE }

#define HV CONFIG_HYPERVISOR
#define AG CONFIG_AGENT
#define RT CONFIG_RUNTIME
#define MIB_MAX (UINT64_C(1) << 24) /* 16 TiB */

const struct config_key config_keys[] = {
	ENUM(HV, "accel", hypervisor.accel, config_accel, accel_words, CONFIG_LISTED), /* ours */
	BOOL(HV, "allow_tcg", hypervisor.allow_tcg, "true", CONFIG_ADMIN), /* ours */
	PATH(HV, "path", hypervisor.path, QEMU_PATH, CONFIG_LISTED, hypervisor.valid_hypervisor_paths),
	PATH(HV, "kernel", hypervisor.kernel, KATA_DATADIR "/vmlinux", CONFIG_LISTED, hypervisor.valid_kernel_paths),
	PATH(HV, "initrd", hypervisor.initrd, KATA_DATADIR "/initrd.img", CONFIG_LISTED, hypervisor.valid_initrd_paths),
	PATH(HV, "firmware", hypervisor.firmware, NULL, CONFIG_LISTED, hypervisor.valid_firmware_paths),
	STRING(HV, "machine_type", CONFIG_WORD, hypervisor.machine_type, NULL, CONFIG_LISTED, .words = NULL),
	STRING(HV, "machine_accelerators", CONFIG_OPTIONS, hypervisor.machine_accelerators, NULL, CONFIG_LISTED,
	       .words = NULL),
	STRING(HV, "cpu_model", CONFIG_WORD, hypervisor.cpu_model, NULL, CONFIG_LISTED, .words = NULL), /* ours */
	STRING(HV, "cpu_features", CONFIG_OPTIONS, hypervisor.cpu_features, NULL, CONFIG_LISTED, .words = NULL),
	STRING(HV, "kernel_params", CONFIG_STR, hypervisor.kernel_params, NULL, CONFIG_LISTED, .flags = CONFIG_APPEND),
	STRING(HV, "seccompsandbox", CONFIG_OPTIONS, hypervisor.seccompsandbox, NULL, CONFIG_ADMIN,
	       .flags = CONFIG_UNSET_IS_NULL),
	{ .name = "default_vcpus", .section = HV, .kind = CONFIG_VCPUS, .fallback = "1", .max = 1024,
	  .offset = FIELD(hypervisor.default_vcpus, uint32_t), .access = CONFIG_LISTED },
	U32(HV, "default_maxvcpus", hypervisor.default_maxvcpus, "0", 0, 1024, CONFIG_LISTED,
	    .annotation = "default_max_vcpus"),
	U32(HV, "default_bridges", hypervisor.default_bridges, "1", 0, 5, CONFIG_ADMIN, .words = NULL),
	U32(HV, "default_memory", hypervisor.default_memory, "2048", 64, MIB_MAX, CONFIG_LISTED, .words = NULL),
	U64(HV, "default_maxmemory", hypervisor.default_maxmemory, "0", 0, MIB_MAX, CONFIG_LISTED),
	U32(HV, "memory_slots", hypervisor.memory_slots, "10", 0, 255, CONFIG_LISTED, .words = NULL),
	BOOL(HV, "enable_virtio_mem", hypervisor.enable_virtio_mem, "false", CONFIG_LISTED),
	BOOL(HV, "enable_mem_prealloc", hypervisor.enable_mem_prealloc, "false", CONFIG_LISTED),
	BOOL(HV, "enable_hugepages", hypervisor.enable_hugepages, "false", CONFIG_LISTED),
	BOOL(HV, "reclaim_guest_freed_memory", hypervisor.reclaim_guest_freed_memory, "true", CONFIG_LISTED),
	ENUM(HV, "shared_fs", hypervisor.shared_fs, config_shared_fs, shared_fs_words, CONFIG_LISTED),
	PATH(HV, "virtio_fs_daemon", hypervisor.virtio_fs_daemon, NULL, CONFIG_LISTED,
	     hypervisor.valid_virtio_fs_daemon_paths),
	ENUM(HV, "virtio_fs_cache", hypervisor.virtio_fs_cache, config_fs_cache, fs_cache_words, CONFIG_LISTED),
	U32(HV, "virtio_fs_queue_size", hypervisor.virtio_fs_queue_size, "1024", 2, 1024, CONFIG_ADMIN,
	    .flags = CONFIG_POWER_OF_TWO),
	STRV(HV, "virtio_fs_extra_args", hypervisor.virtio_fs_extra_args, CONFIG_LISTED),
	U32(HV, "msize_9p", hypervisor.msize_9p, "8192", 4096, 1 << 20, CONFIG_LISTED, .words = NULL),
	BOOL(HV, "disable_block_device_use", hypervisor.disable_block_device_use, "true", CONFIG_LISTED),
	ENUM(HV, "block_device_aio", hypervisor.block_device_aio, config_aio, aio_words, CONFIG_LISTED),
	BOOL(HV, "block_device_cache_set", hypervisor.block_device_cache_set, "false", CONFIG_LISTED),
	BOOL(HV, "block_device_cache_direct", hypervisor.block_device_cache_direct, "false", CONFIG_LISTED),
	BOOL(HV, "block_device_cache_noflush", hypervisor.block_device_cache_noflush, "false", CONFIG_LISTED),
	U32(HV, "block_device_logical_sector_size", hypervisor.block_device_logical_sector_size, "0", 0, 65536,
	    CONFIG_LISTED, .flags = CONFIG_POWER_OF_TWO, .annotation = "blk_logical_sector_size"),
	U32(HV, "block_device_physical_sector_size", hypervisor.block_device_physical_sector_size, "0", 0, 65536,
	    CONFIG_LISTED, .flags = CONFIG_POWER_OF_TWO, .annotation = "blk_physical_sector_size"),
	U32(HV, "queue_size", hypervisor.queue_size, "128", 2, 1024, CONFIG_LISTED, .flags = CONFIG_POWER_OF_TWO,
	    .annotation = "block_device_queue_size"),
	BOOL(HV, "disable_vhost_net", hypervisor.disable_vhost_net, "false", CONFIG_LISTED),
	U32(HV, "network_queues", hypervisor.network_queues, "0", 0, 256, CONFIG_LISTED, .words = NULL),
	U64(HV, "rx_rate_limiter_max_rate", hypervisor.rx_rate_limiter_max_rate, "0", 0, UINT64_MAX, CONFIG_LISTED),
	U64(HV, "tx_rate_limiter_max_rate", hypervisor.tx_rate_limiter_max_rate, "0", 0, UINT64_MAX, CONFIG_LISTED),
	PATH(HV, "entropy_source", hypervisor.entropy_source, "/dev/urandom", CONFIG_LISTED,
	     hypervisor.valid_entropy_sources),
	BOOL(HV, "jail", hypervisor.jail, "true", CONFIG_ADMIN), /* ours, as the next three */
	U32(HV, "jail_uid_base", hypervisor.jail_uid_base, "1879048192", 1, INT32_MAX, CONFIG_ADMIN, .words = NULL),
	U32(HV, "jail_uid_count", hypervisor.jail_uid_count, "65536", 1, 1 << 24, CONFIG_ADMIN, .words = NULL),
	STRV(HV, "jail_paths", hypervisor.jail_paths, CONFIG_ADMIN),
	BOOL(HV, "rootless", hypervisor.rootless, "false", CONFIG_ADMIN),
	STRING(HV, "guest_hook_path", CONFIG_PATH, hypervisor.guest_hook_path, NULL, CONFIG_LISTED, .words = NULL),
	BOOL(HV, "use_legacy_serial", hypervisor.use_legacy_serial, "false", CONFIG_LISTED),
	BOOL(HV, "enable_debug", hypervisor.enable_debug, "false", CONFIG_ADMIN),
	STRV(HV, "enable_annotations", hypervisor.enable_annotations, CONFIG_ADMIN),
	STRV(HV, "valid_hypervisor_paths", hypervisor.valid_hypervisor_paths, CONFIG_ADMIN),
	STRV(HV, "valid_virtio_fs_daemon_paths", hypervisor.valid_virtio_fs_daemon_paths, CONFIG_ADMIN),
	STRV(HV, "valid_entropy_sources", hypervisor.valid_entropy_sources, CONFIG_ADMIN),
	STRV(HV, "valid_kernel_paths", hypervisor.valid_kernel_paths, CONFIG_ADMIN), /* ours, as the next two */
	STRV(HV, "valid_initrd_paths", hypervisor.valid_initrd_paths, CONFIG_ADMIN),
	STRV(HV, "valid_firmware_paths", hypervisor.valid_firmware_paths, CONFIG_ADMIN),
	ONLY_FALSE(HV, "confidential_guest"),
	ONLY_FALSE(HV, "sev_snp_guest"),

	/* On by default, and by itself: Kata's are off, and made by "factory init". */
	BOOL(CONFIG_FACTORY, "enable_template", factory.enable_template, "true", CONFIG_ADMIN),
	STRING(CONFIG_FACTORY, "template_path", CONFIG_PATH, factory.template_path, KATA_DEFAULT_ROOT "/.templates",
	       CONFIG_ADMIN, .words = NULL),

	BOOL(AG, "enable_debug", agent.enable_debug, "false", CONFIG_ADMIN),
	BOOL(AG, "debug_console_enabled", agent.debug_console_enabled, "false", CONFIG_ADMIN),
	BOOL(AG, "require_secret", agent.require_secret, "true", CONFIG_ADMIN), /* ours */
	STRV(AG, "policy", agent.policy, CONFIG_ADMIN), /* ours */
	STRV(AG, "kernel_modules", agent.kernel_modules, CONFIG_LISTED),
	SECONDS(AG, "dial_timeout", agent.dial_timeout_ms, "45", CONFIG_ADMIN),
	SECONDS(AG, "request_timeout", agent.request_timeout_ms, "60", CONFIG_ADMIN), /* ours */
	SECONDS(AG, "create_container_timeout", agent.create_container_timeout_ms, "60", CONFIG_ADMIN),
	U32(AG, "container_pipe_size", agent.container_pipe_size, "0", 0, 1 << 20, CONFIG_FREE, .words = NULL),

	BOOL(RT, "enable_debug", runtime.enable_debug, "false", CONFIG_ADMIN),
	ENUM(RT, "internetworking_model", runtime.internetworking_model, config_net_model, net_model_words,
	     CONFIG_LISTED),
	BOOL(RT, "disable_guest_seccomp", runtime.disable_guest_seccomp, "false", CONFIG_LISTED),
	BOOL(RT, "disable_new_netns", runtime.disable_new_netns, "false", CONFIG_LISTED),
	BOOL(RT, "disable_guest_empty_dir", runtime.disable_guest_empty_dir, "true", CONFIG_ADMIN),
	BOOL(RT, "static_sandbox_resource_mgmt", runtime.static_sandbox_resource_mgmt, "false", CONFIG_ADMIN),
	ENUM(RT, "memory_limit", runtime.memory_limit, config_memory_limit, memory_limit_words, CONFIG_LISTED), /* ours */
	ENUM(RT, "volume_locks", runtime.volume_locks, config_volume_locks, volume_locks_words, CONFIG_LISTED), /* ours */
	STRV(RT, "valid_host_socket_paths", runtime.valid_host_socket_paths, CONFIG_ADMIN), /* ours */
	STRV(RT, "enable_annotations", runtime.enable_annotations, CONFIG_ADMIN), /* ours */
	SECONDS(RT, "start_timeout", start_timeout_ms, "60", CONFIG_ADMIN), /* ours */
	SECONDS(RT, "create_container_timeout", agent.create_container_timeout_ms, "60", CONFIG_FREE),
	ONLY_WORD(RT, "hypervisor_name", qemu_words),
	ONLY_WORD(RT, "agent_name", kata_words),
	ONLY_WORD(RT, "name", virt_container_words),
};
/* clang-format on */
const size_t config_nr_keys = ARRAY_SIZE(config_keys);

/* What Kata Containers knows, in either of its runtimes, and what nothing here depends on. */
static const char *const no_effect[CONFIG_NR_SECTIONS][96] = {
	[CONFIG_HYPERVISOR] = {
		"virtio_fs_cache_size", "image", "rootfs_type", "vm_rootfs_driver", "firmware_volume", "seccomp_sandbox", "overhead_vcpus",
		"overhead_memory", "memory_offset", "block_device_driver", "enable_iothreads", "indep_iothreads",
		"num_queues", "hugepage_type", "enable_vhost_user_store", "vhost_user_store_path",
		"valid_vhost_user_store_paths", "vhost_user_reconnect_timeout_sec", "enable_iommu",
		"enable_iommu_platform", "enable_numa", "numa_mapping", "pflashes", "extra_monitor_socket",
		"disable_nesting_checks", "disable_image_nvdimm", "hot_plug_vfio", "hotplug_vfio_on_root_bus",
		"cold_plug_vfio", "pcie_root_port", "pcie_switch_port", "guest_memory_dump_path",
		"guest_memory_dump_paging", "enable_guest_swap", "guest_swap_path", "guest_swap_size_percent",
		"guest_swap_create_threshold_secs", "disable_selinux", "disable_guest_selinux", "jailer_path",
		"valid_jailer_paths", "kernel_verity_params", "guest_extension_images",
		"tdx_quote_generation_service_socket_port", "snp_id_block", "snp_id_auth", "snp_guest_policy",
		"measurement_algo", "disable_seccomp", "disk_rate_limiter_bw_max_rate",
		"disk_rate_limiter_bw_one_time_burst", "disk_rate_limiter_ops_max_rate",
		"disk_rate_limiter_ops_one_time_burst", "net_rate_limiter_bw_max_rate",
		"net_rate_limiter_bw_one_time_burst", "net_rate_limiter_ops_max_rate",
		"net_rate_limiter_ops_one_time_burst", "hypervisor_loglevel", "log_level",
		"remote_hypervisor_socket", "remote_hypervisor_timeout", "hypervisor_socket", "hypervisor_timeout",
		"default_gpus", "default_gpu_model", "virtio_fs_is_dax", "ctlpath", "valid_ctlpaths",
		"prefetch_list_path", "initdata", "selinux_label", "rootless_user", "boot_to_be_template",
		"boot_from_template", "memory_path", "device_state_path", "disable_nested_virtualization",
	},
	[CONFIG_FACTORY] = { "vm_cache_number", "vm_cache_endpoint" },
	[CONFIG_AGENT] = {
		"enable_tracing", "cdh_api_timeout", "cdh_api_timeout_ms", "launch_process_timeout",
		"visible_cdi_devices", "dial_timeout_ms", "reconnect_timeout_ms", "server_port", "log_port",
		"passfd_listener_port", "health_check_request_timeout_ms", "log_level", "policy", "mem_agent",
	},
	[CONFIG_RUNTIME] = {
		"sandbox_cgroup_only", "sandbox_bind_mounts",
		"enable_vcpus_pinning", "guest_selinux_label", "enable_tracing", "jaeger_endpoint", "jaeger_user",
		"jaeger_password", "vfio_mode", "emptydir_mode", "experimental", "enable_pprof", "dan_conf",
		"kubelet_root_dir", "pod_resource_api_sock", "experimental_force_guest_pull", "shared_mounts",
		"keep_abnormal", "use_passfd_io", "passfd_listener_port", "log_level",
	},
};

/**
 * config_key_find() - look a key up by its name in the file
 * @section: section it stands in
 * @name: name
 *
 * Return: the row, or NULL.
 */
const struct config_key *config_key_find(enum config_section section, const char *name)
{
	for (size_t i = 0; i < config_nr_keys; i++)
		if (config_keys[i].section == section && str_eq(config_keys[i].name, name))
			return &config_keys[i];
	return NULL;
}

/**
 * config_key_find_annotation() - look a key up by its name in annotations
 * @section: section it belongs to
 * @name: what follows "io.katacontainers.config.<section>."
 *
 * Return: the row, or NULL.
 */
const struct config_key *config_key_find_annotation(enum config_section section, const char *name)
{
	for (size_t i = 0; i < config_nr_keys; i++) {
		const struct config_key *key = &config_keys[i];

		if (key->section == section &&
		    str_eq(key->annotation ? key->annotation : key->name, name))
			return key;
	}
	return NULL;
}

/**
 * config_key_has_no_effect() - is this a key of Kata Containers that means nothing here?
 * @section: section it stands in
 * @name: name
 *
 * Return: true when it is.
 */
bool config_key_has_no_effect(enum config_section section, const char *name)
{
	for (size_t i = 0; i < ARRAY_SIZE(no_effect[section]) && no_effect[section][i]; i++)
		if (str_eq(no_effect[section][i], name))
			return true;
	return false;
}

/**
 * config_accel_name() - the word of the configuration for an accelerator
 * @accel: accelerator
 *
 * Return: a static string.
 */
const char *config_accel_name(enum config_accel accel)
{
	return accel_words[accel];
}
