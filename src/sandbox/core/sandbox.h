/* SPDX-License-Identifier: Apache-2.0 */
/*
 * DOC: The sandbox core
 *
 * A sandbox is one VM and what belongs to it. It knows nothing of containerd or the command line:
 * the shim's services call it and get its events. Every function that may wait runs in the calling
 * request's fiber. A sandbox is started by its first container and stopped by the shim; everything it
 * makes on the host is a child process, a descriptor or a mount in the shim's own namespace, so the
 * kernel cleans up if the shim is killed, except what sandbox.json lists.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "common/arena.h"
#include "common/err.h"
#include "common/fiber.h"
#include "common/list.h"
#include "common/proc.h"
#include "config/config.h"
#include "sandbox/hypervisor/hypervisor.h"
#include "oci/oci_spec.h"
#include "sandbox/cgroup/host_cgroup.h"
#include "sandbox/sharefs/share.h"
#include "sandbox/sharefs/virtiofsd.h"
#include "sandbox/core/timeline.h"
#include "sandbox/vsock/vsock.h"

struct sb_container;
struct sb_process;
struct rpc_client;
struct sandbox;
struct network;
struct loopback;
struct host_sockets;

enum sandbox_state {
	SANDBOX_STATE_NEW,	/* nothing runs; sandbox_start() is legal */
	SANDBOX_STATE_STARTING, /* one fiber is in sandbox_start(); others wait for it */
	SANDBOX_STATE_RUNNING,	/* the agent answers; containers may come and go */
	SANDBOX_STATE_STOPPING, /* sandbox_stop() is under way, nothing new is accepted */
	SANDBOX_STATE_STOPPED,	/* no VM; exit statuses can still be asked for */
	SANDBOX_STATE_COUNT_,
};

/* What the front doors want to hear; called in the loop or in a fiber, must not wait. */
struct sandbox_events {
	void (*process_started)(void *arg, struct sb_process *process);
	void (*process_exited)(void *arg, struct sb_process *process);
	void (*oom)(void *arg, struct sb_container *ctr);
	void (*gone)(void *arg, const char *reason); /* the VM ended although nobody stopped it */
};

/* How the sandbox is to be; strings are copied. */
struct sandbox_params {
	const char *id;
	const char *state_dir;	     /* absolute */
	int netns_fd;		     /* taken over; -1: no network */
	bool netns_joined;	     /* the spec named it: it is somebody else's */
	const struct oci_spec *spec; /* of the first container: annotations, resources, hostname */
	const char *config_path;     /* NULL: search */
	bool systemd_cgroup;
	uint32_t host_pid;    /* what hooks are told; 0: the VMM's */
	const char *first_id; /* of the first container, which a pod need not share; for hooks */
	const char *bundle;   /* for hooks */
};

struct sandbox {
	struct loop *loop;
	struct arena *arena;
	const char *id, *first_id, *state_dir, *bundle;
	int state_fd; /* the state directory, which may be renamed */
	struct config *config;
	const struct oci_spec *spec;
	enum sandbox_state state;
	struct fiber_cond changed; /* broadcast by every change of state */
	const struct sandbox_events *events;
	void *events_arg;

	int netns_fd;
	bool netns_joined; /* the spec named it: it is somebody else's */
	uint32_t host_pid;
	bool systemd_cgroup;
	bool pod; /* its containers share IPC objects, /dev/shm and perhaps processes */
	struct host_cgroup cgroup, former_cgroup; /* the latter only while it is being left */
	const char *cgroup_owner;		  /* id of the container whose cgroup it is */
	struct share share;
	bool shared_by_9p; /* not by virtio-fs */
	struct virtiofsd virtiofsd;
	struct proc proxy;
	struct loop_source *virtiofsd_watch, *proxy_watch;
	struct hypervisor *hv;
	enum vm_accel accel;
	unsigned max_vcpus;		/* of the VM as it was started */
	struct vm_size boot_size, size; /* as it was started, and what the guest uses now */
	struct fiber_mutex resizing;
	pid_t vmm_pid;
	struct vsock_addr vsock;
	int vsock_dir_fd; /* what vsock.path goes through */
	struct rpc_client *agent;
	struct network *network;
	struct dns_relay *dns;	   /* NULL: none is needed */
	struct loopback *loopback; /* NULL: none is needed, or this host cannot */
	struct fiber_mutex opening_sockets;
	struct host_sockets *sockets; /* NULL: no container has one of the host's */
	struct list containers;
	unsigned nr_disks; /* names hot-plugged disks */
	bool hooks_begun;  /* of the first container, whose poststop's must run then, too */
	struct timeline timeline;
	const char *step;      /* what sandbox_start() is doing, for its deadline's error */
	struct fiber *starter; /* which fiber that is; NULL once it does not wait for the VM */
	char exit_reason[256]; /* why the VM ended; "" while it has not */
	char pending_reason
		[250]; /* a helper that ended, the reason unless the VM has a better one */
	struct loop_source *pending_reason_timer;
	bool gone; /* it did so by itself, and whoever waits for the guest was told */
};

int sandbox_new(struct loop *loop, const struct sandbox_events *events, void *events_arg,
		struct sandbox **ret) must_check;
struct sandbox *sandbox_free(struct sandbox *sb);
/* Idempotent: the first caller starts it, later ones wait for the outcome. */
int sandbox_start(struct sandbox *sb, const struct sandbox_params *params,
		  struct err *err) must_check;
int sandbox_stop(struct sandbox *sb, struct err *err) must_check;
void sandbox_set_state(struct sandbox *sb, enum sandbox_state state);
const char *sandbox_state_name(enum sandbox_state state);
uint64_t sandbox_request_deadline(const struct sandbox *sb);

/* sandbox_boot.c */
int sandbox_boot(struct sandbox *sb, uint64_t deadline_ns, struct err *err) must_check;
void sandbox_step(struct sandbox *sb, const char *step);

/* sandbox_end.c */
int sandbox_watch_virtiofsd(struct sandbox *sb) must_check;
int sandbox_watch_proxy(struct sandbox *sb) must_check;
void sandbox_on_vm_event(void *arg, enum vm_event_type type, const char *reason);
void sandbox_await_death(struct sandbox *sb);
void sandbox_shut_down(struct sandbox *sb, bool politely);

/*
 * sandbox_size.c. What the cgroup of a busy sandbox is charged beyond the guest's RAM and the
 * emulator's cache.
 */
#define SANDBOX_OVERHEAD_MIB 48
#define SANDBOX_TCG_CACHE_MIN_MIB 32ULL
#define SANDBOX_TCG_CACHE_MAX_MIB 256ULL
#define SANDBOX_POD_TCG_CACHE_MIB 64U
#define SANDBOX_TCG_SLOTS 2U
/* RAM for each vCPU that may be plugged: the guest's kernel keeps 0.27 MiB for it from the start. */
#define SANDBOX_MIB_PER_PLACE 16
/* The smallest guest in which the kernel, the agent and a shell work. */
#define SANDBOX_GUEST_MIN_MIB 48
struct vm_config;
int sandbox_ram_for_limit(enum vm_accel accel, int64_t limit_bytes, uint64_t *ret_mib,
			  struct err *err) must_check;
uint64_t sandbox_ram_for_members(uint64_t bytes);
int sandbox_size_vm(struct sandbox *sb, enum vm_accel accel, struct vm_config *ret,
		    struct err *err) must_check;
void sandbox_vm_config(struct sandbox *sb, struct vm_config *ret);
