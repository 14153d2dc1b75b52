/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The configuration: configuration.toml, its drop-ins and a pod's annotations, as one struct. Keys
 * have the names that Kata Containers gives them, fields the names of the keys; only what has an
 * effect has a field. "ours" marks keys that Kata Containers does not have.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "common/arena.h"
#include "common/err.h"

#define CONFIG_FILE_MAX ((size_t)1 << 20)

enum config_accel { CONFIG_ACCEL_AUTO, CONFIG_ACCEL_KVM, CONFIG_ACCEL_TCG };
enum config_shared_fs {
	CONFIG_SHARED_FS_VIRTIO_FS,
	CONFIG_SHARED_FS_VIRTIO_9P,
	CONFIG_SHARED_FS_NONE
};
enum config_fs_cache {
	CONFIG_FS_CACHE_AUTO,
	CONFIG_FS_CACHE_NEVER,
	CONFIG_FS_CACHE_METADATA,
	CONFIG_FS_CACHE_ALWAYS
};
enum config_aio { CONFIG_AIO_IO_URING, CONFIG_AIO_NATIVE, CONFIG_AIO_THREADS };
enum config_net_model { CONFIG_NET_TCFILTER, CONFIG_NET_MACVTAP, CONFIG_NET_NONE };
enum config_memory_limit { CONFIG_MEMORY_LIMIT_ON_TOP, CONFIG_MEMORY_LIMIT_WITHIN };
enum config_volume_locks {
	CONFIG_VOLUME_LOCKS_LOCAL,
	CONFIG_VOLUME_LOCKS_HOST,
	CONFIG_VOLUME_LOCKS_REFUSE
};

/* [hypervisor.qemu]. Sizes in MiB. Strings are "" when unset, unless said otherwise. */
struct config_hypervisor {
	enum config_accel accel; /* ours */
	bool allow_tcg;		 /* ours */
	const char *path, *kernel, *initrd, *firmware;
	const char *machine_type; /* "": the driver's choice */
	const char *machine_accelerators;
	const char *cpu_model; /* ours; "": the driver's choice */
	const char *cpu_features;
	const char *kernel_params;
	const char *seccompsandbox; /* NULL: unset, the strictest; "": none */
	uint32_t default_vcpus;	    /* a fraction in the file is rounded up; 0 never remains */
	uint32_t default_maxvcpus;  /* the host's count when the file says 0 */
	uint32_t default_bridges;
	uint32_t default_memory;
	uint64_t default_maxmemory; /* 0: the host's memory */
	uint32_t memory_slots;
	bool enable_virtio_mem, enable_mem_prealloc, enable_hugepages, reclaim_guest_freed_memory;
	enum config_shared_fs shared_fs;
	const char *virtio_fs_daemon; /* "": none was found */
	enum config_fs_cache virtio_fs_cache;
	uint32_t virtio_fs_queue_size;
	struct strv virtio_fs_extra_args;
	uint32_t msize_9p; /* bytes */
	bool disable_block_device_use;
	enum config_aio block_device_aio;
	bool block_device_cache_set, block_device_cache_direct, block_device_cache_noflush;
	uint32_t block_device_logical_sector_size, block_device_physical_sector_size; /* bytes */
	uint32_t queue_size;
	bool disable_vhost_net;
	uint32_t network_queues;
	uint64_t rx_rate_limiter_max_rate, tx_rate_limiter_max_rate; /* bit/s, 0: none */
	const char *entropy_source;
	bool jail;				/* ours: QEMU is confined */
	uint32_t jail_uid_base, jail_uid_count; /* ours: users of the VMs */
	struct strv jail_paths;			/* ours: more of the host in the jail */
	bool rootless;				/* means nothing beside @jail, which says it */
	const char *guest_hook_path;
	bool use_legacy_serial;
	bool enable_debug;
	/*
	 * Who may change what by annotation: extended regular expressions, and globs for values
	 * that are paths.
	 */
	struct strv enable_annotations;
	struct strv valid_hypervisor_paths, valid_virtio_fs_daemon_paths, valid_entropy_sources;
	struct strv valid_kernel_paths, valid_initrd_paths, valid_firmware_paths; /* ours */
};

/* Of the rules of a policy together: they go on a kernel command line. */
#define CONFIG_POLICY_MAX 1000

/* [agent.kata]. */
struct config_agent {
	bool enable_debug;
	bool debug_console_enabled;
	bool require_secret; /* ours */
	struct strv policy;  /* ours: rules, in the agent's words */
	struct strv kernel_modules;
	uint64_t dial_timeout_ms;
	uint64_t request_timeout_ms; /* ours: one ordinary call */
	/* upstream has it in [runtime]; both places are read */
	uint64_t create_container_timeout_ms;
	uint32_t container_pipe_size; /* bytes, 0: the guest kernel's own */
};

/* [runtime]. */
struct config_runtime {
	bool enable_debug;
	enum config_net_model internetworking_model;
	bool disable_guest_seccomp;
	bool disable_new_netns;
	bool disable_guest_empty_dir;
	bool static_sandbox_resource_mgmt;
	enum config_memory_limit memory_limit; /* ours: where is what the VM itself needs? */
	enum config_volume_locks volume_locks; /* ours: whom do locks in volumes exclude? */
	struct strv valid_host_socket_paths;   /* ours: globs */
	/* ours: the same for [runtime] and [agent.kata], nothing by default */
	struct strv enable_annotations;
};

/* [factory], or [hypervisor.qemu.factory]. */
struct config_factory {
	bool enable_template;
	const char *template_path;
};

struct config {
	struct config_hypervisor hypervisor;
	struct config_agent agent;
	struct config_runtime runtime;
	struct config_factory factory;
	/* [runtime] start_timeout, ours: from exec of the VMM to a ready agent */
	uint64_t start_timeout_ms;
	/* what was read, the main file first; empty when none exists and the defaults hold */
	struct strv files;
	struct strv warnings; /* unknown keys, one line each; whoever loads logs them once */
	struct strv notes;    /* keys that are known and have no effect */
};

struct kv;
struct json_writer;

const char *config_accel_name(enum config_accel accel);
int config_load(const char *path, struct arena *arena, struct config **ret,
		struct err *err) must_check;
int config_parse_for_test(const char *data, size_t len, const char *name, struct arena *arena,
			  struct config **ret, struct err *err) must_check;
int config_apply_annotations(struct config *config, const struct kv *annotations, size_t nr,
			     struct arena *arena, struct err *err) must_check;
/* Does one of the globs match an absolute path? */
bool config_path_is_listed(const struct strv *globs, const char *path);
int config_find_file(const char *path, struct arena *arena, const char **ret,
		     struct err *err) must_check;
void config_write(struct json_writer *w, const struct config *config);
