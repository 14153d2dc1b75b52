/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A virtual machine and its devices as plain data, in no particular VMM's words. Zero values mean
 * "default" or "none" unless said otherwise; descriptors are -1 when absent. See
 * src/sandbox/hypervisor/hypervisor.h for who owns what.
 */
#pragma once

#include "kata/guest.h"
#include "sandbox/hypervisor/hypervisor.h"

#define VM_GUEST_CID 3 /* of a vhost-user vsock, which shares no CID space with anybody */

enum vm_device_type { VM_DEVICE_BLOCK, VM_DEVICE_NET, VM_DEVICE_FS, VM_DEVICE_9P, VM_DEVICE_VSOCK };

enum vm_aio { VM_AIO_DEFAULT, VM_AIO_THREADS, VM_AIO_NATIVE, VM_AIO_IO_URING };

struct vm_block {
	int fd; /* opened O_RDWR or O_RDONLY by the caller: a regular file or a block device */
	bool read_only;
	bool direct;   /* bypass the host's page cache */
	bool no_flush; /* ignore the guest's flushes */
	enum vm_aio aio;
	unsigned logical_sector_size, physical_sector_size;
	unsigned queue_size;
	/* shown by the guest in /sys/block/x/serial; at most 20 bytes; may be NULL */
	const char *serial;
};

struct vm_net {
	int tap_fds[VM_QUEUES_MAX];
	int vhost_fds[VM_QUEUES_MAX]; /* of /dev/vhost-net; used when @vhost */
	unsigned nr_queues;
	bool vhost;
	uint8_t mac[ETH_ALEN];
	unsigned mtu; /* told to the guest; 0: not */
};

/* virtio-fs: a vhost-user connection to a running virtiofsd. */
struct vm_fs {
	int fd;
	const char *tag;
	unsigned queue_size;	 /* power of two; 0: 1024 */
	uint64_t cache_size_mib; /* DAX window; 0: none */
};

/* 9p served by the VMM itself. */
struct vm_9p {
	const char *tag;
	const char *path;
	bool read_only;
};

struct vm_vsock {
	/* @fd is a connected vhost-user socket, otherwise an open /dev/vhost-vsock with @cid set */
	bool vhost_user;
	int fd;
	uint32_t cid;
};

struct vm_device {
	enum vm_device_type type;
	char id[VM_ID_MAX + 1]; /* unique in the VM */
	unsigned leave_free;	/* hot-plug: -ENOSPC unless so many others could follow */
	union {
		struct vm_block block;
		struct vm_net net;
		struct vm_fs fs;
		struct vm_9p p9;
		struct vm_vsock vsock;
	};
	/* out: PCI path as the agent reads it, "02/03" = bridge slot/slot */
	char guest_path[VM_GUEST_PATH_MAX];
};

struct vm_memory {
	uint64_t mib;
	uint64_t max_mib; /* 0: no hot-plug */
	unsigned slots;	  /* DIMM slots; 0: none */
	bool virtio_mem;  /* grow by virtio-mem instead of DIMMs */
	bool hugepages;
	bool prealloc;
	bool report_free_pages; /* balloon with free page reporting */
	int fd;			/* memfd or file to use as RAM, -1: made by the VMM */
};

/*
 * A VM that goes on where another was saved by hypervisor_save(). Its machine, CPUs, RAM and bridges
 * are that one's; it may have devices that the other had not, which come after those it had. The
 * callbacks run in the fiber of the start.
 */
struct vm_restore {
	int state_fd; /* what was saved, for reading */
	/* Once the VMM is there, before it loads anything: returns when memory.fd is filled. */
	int (*await_memory)(void *arg, uint64_t deadline_ns, struct err *err);
	/*
	 * When it has loaded: returns when all of the configuration's devices are there that it has
	 * not begun with, with the absolute time for the rest. NULL: they are.
	 */
	int (*await_devices)(void *arg, uint64_t *deadline_ns, struct err *err);
	/* When its vCPUs run: what is to be written to its console. Return: the length. */
	size_t (*greet)(void *arg, char *buf, size_t size);
	void *arg;
};

/* What confines the VMM process. */
struct vm_jail {
	uid_t uid;		  /* its user, and group, which nobody else has */
	const char *const *paths; /* more of the host that it may read */
	size_t nr_paths;
	const char *cache_dir; /* directory of root's, for what is found out about the VMM */
};

struct vm_config {
	const char *name; /* sandbox id, for process lists and logs */
	enum vm_accel accel;
	unsigned tcg_cache_mib;		  /* translated code; 0: the driver's choice */
	const char *path;		  /* of the VMM binary */
	const char *machine_type;	  /* NULL: the driver's choice */
	const char *machine_accelerators; /* extra machine options, "a=b,c=d" */
	const char *cpu_model;		  /* NULL: the driver's choice */
	const char *cpu_features;	  /* appended to the CPU model, "pmu=off" */
	const char *firmware;
	const char *kernel;
	/* may be NULL when a cold-plugged block device holds the root file system */
	const char *initrd;
	const char *kernel_params; /* appended to the driver's own (console etc.) */
	unsigned vcpus, max_vcpus;
	struct vm_memory memory;
	unsigned bridges; /* PCI bridges or root ports for hot-plug beyond the root bus */
	const char *seccomp_sandbox;	  /* NULL: the driver's strictest; "" or "off": none */
	const char *entropy_source;	  /* NULL: /dev/urandom */
	bool to_save;			  /* hypervisor_save() will be asked for */
	const struct vm_restore *restore; /* NULL: it boots */
	const struct kata_secret *secret; /* given to the agent that asks; NULL: there is none */
	bool legacy_serial;		  /* console on an ISA UART instead of virtio */
	bool debug;			  /* chatty guest kernel */

	struct vm_device *devices; /* cold-plugged; guest_path is filled by start */
	size_t nr_devices;

	const struct vm_jail *jail; /* NULL: none, the VMM is root of the host */
	int netns_fd;		    /* the VMM process enters it; -1: stays */
	const int *cgroup_fds;	    /* cgroup.procs descriptors the VMM joins */
	size_t nr_cgroup_fds;
};

/* Start values: everything zero but the descriptors. */
#define VM_CONFIG_NULL ((struct vm_config){ .memory = { .fd = -1 }, .netns_fd = -1 })
